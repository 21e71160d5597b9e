import Foundation
import TestSupport
import Testing

/// A file of the project, as the checks look at it.
struct SourceFile: CustomTestStringConvertible {
  let path: String
  let lines: [String]
  private let text: String

  var testDescription: String { path }
  var isGenerated: Bool { path.contains("/Generated/") }
  /// The target that it belongs to: the folder below Sources or Tests.
  var target: String { String(path.split(separator: "/").dropFirst().first ?? "") }

  init(path: String) {
    self.path = path
    text = (try? SourceTree.text(path)) ?? ""
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    imports = path.hasSuffix(".swift") ? lines.compactMap(Self.importedModule) : []
  }

  /// The lines, with their numbers from 1, of a file that has one of the words at all.
  func lines(with words: [String]) -> [(number: Int, text: String)] {
    // Most files have none, and a search through the whole text is quick.
    guard words.contains(where: { text.range(of: $0) != nil }) else { return [] }
    return lines.enumerated().compactMap { index, line in
      words.contains { line.range(of: $0) != nil } ? (index + 1, line) : nil
    }
  }

  /// The modules that the file imports.
  let imports: [String]

  /// The module of `import M`, `public import M`, `@testable import M` or `import struct M.T`.
  private static func importedModule(_ line: String) -> String? {
    guard line.first != " ", line.contains("import ") else { return nil }
    let words = line.split(separator: " ")
    guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
      !line.hasPrefix("//")
    else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "typealias"]
    let name = kinds.contains(words[at + 1]) && at + 2 < words.count ? words[at + 2] : words[at + 1]
    return name.split(separator: ".").first.map(String.init)
  }

  static let swift = SourceTree.files(below: "Sources", [".swift"]).map(SourceFile.init)
  static let tests = SourceTree.files(below: "Tests", [".swift"]).map(SourceFile.init)
  static let c = SourceTree.files(below: "Sources", [".c", ".h"]).map(SourceFile.init)
  static let scripts =
    (SourceTree.files(below: "Scripts", [""])
    + SourceTree.files(below: "Tests", [".py", ".c", ".h"])).map(SourceFile.init)

  /// What people wrote.
  static var written: [SourceFile] { (swift + tests + c + scripts).filter { !$0.isGenerated } }
}
