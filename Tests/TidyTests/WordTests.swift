import TestSupport
import Testing

/// Names, marks and reasons in the text of the sources.
@Suite struct WordTests {
  @Test("No type or file is a Manager, Helper, Util, Misc or Common", arguments: SourceFile.written)
  func bannedNames(file: SourceFile) {
    let banned = ["Manager", "Helper", "Util", "Misc", "Common"]
    let name = file.path.split(separator: "/").last.map(String.init) ?? ""
    #expect(!banned.contains { name.contains($0) })
    for line in file.lines(with: banned) {
      let declared = line.text.firstMatch(
        of: #/\b(?:struct|class|enum|protocol|actor|typealias) (\w+)/#)
      let type = declared.map { String($0.1) } ?? ""
      #expect(!banned.contains { type.contains($0) }, "line \(line.number): \(type)")
    }
  }

  @Test("Nothing is left to do", arguments: SourceFile.written)
  func nothingLeft(file: SourceFile) {
    // Spelt in two halves, because this file is read too.
    let left = file.lines(with: ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]).map(\.number)
    #expect(left == [], "lines")
  }

  @Test(
    "Each unchecked claim of safety has its reason on the next line",
    arguments: SourceFile.swift.filter { !$0.isGenerated })
  func reasonsForUnchecked(file: SourceFile) {
    for line in file.lines(with: ["@unchecked " + "Sendable", "nonisolated" + "(unsafe)"])
    where !line.text.drop(while: { $0 == " " }).hasPrefix("//") {
      let next = line.number < file.lines.count ? file.lines[line.number] : ""
      #expect(
        next.drop { $0 == " " }.hasPrefix("//"), "line \(line.number): say why on the next line")
    }
  }

  @Test(
    "Generated files say so",
    arguments: (SourceFile.swift + SourceFile.c).filter(\.isGenerated))
  func generatedHeaders(file: SourceFile) {
    let head = file.lines.prefix(6).joined(separator: "\n").lowercased()
    #expect(head.contains("generated"))
    #expect(head.contains("do not edit"))
  }

  @Test("Scripts stop at the first fault", arguments: SourceFile.scripts)
  func scriptsAreStrict(file: SourceFile) {
    guard file.lines.first?.contains("bash") == true else { return }
    #expect(file.lines.contains("set -euo pipefail"))
  }
}
