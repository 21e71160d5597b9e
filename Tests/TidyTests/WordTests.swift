import TestSupport
import Testing

/// Names, marks and reasons in the text of the sources.
@Suite struct WordTests {
  @Test("No type or file is a Manager, Helper, Util, Misc or Common", arguments: SourceFile.written)
  func bannedNames(file: SourceFile) {
    let banned = #/(?:Manager|Helper|Util|Misc|Common)/#
    let name = file.path.split(separator: "/").last.map(String.init) ?? ""
    #expect(name.firstMatch(of: banned) == nil)
    for (index, line) in file.lines.enumerated() {
      let declared = line.firstMatch(
        of: #/\b(?:struct|class|enum|protocol|actor|typealias) (\w+)/#)
      if let declared {
        #expect(declared.1.firstMatch(of: banned) == nil, "line \(index + 1): \(declared.1)")
      }
    }
  }

  @Test("Nothing is left to do", arguments: SourceFile.written)
  func nothingLeft(file: SourceFile) {
    // Spelt in two halves, because this file is read too.
    let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]
    for (index, line) in file.lines.enumerated() {
      #expect(!marks.contains { line.contains($0) }, "line \(index + 1)")
    }
  }

  @Test(
    "Each unchecked claim of safety has its reason on the next line",
    arguments: SourceFile.swift.filter { !$0.isGenerated })
  func reasonsForUnchecked(file: SourceFile) {
    for (index, line) in file.lines.enumerated() {
      let code = line.prefix(upTo: line.firstRange(of: "//")?.lowerBound ?? line.endIndex)
      guard code.contains("@unchecked " + "Sendable") || code.contains("nonisolated" + "(unsafe)")
      else { continue }
      let next = index + 1 < file.lines.count ? file.lines[index + 1] : ""
      #expect(
        next.drop { $0 == " " }.hasPrefix("//"), "line \(index + 1): say why on the next line")
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
