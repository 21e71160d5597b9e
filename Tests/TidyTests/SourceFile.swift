import TestSupport
import Testing

/// A file of the project, as the checks look at it.
struct SourceFile: CustomTestStringConvertible {
  let path: String
  let lines: [String]

  var testDescription: String { path }
  var isGenerated: Bool { path.contains("/Generated/") }
  /// The target that it belongs to: the folder below Sources or Tests.
  var target: String { String(path.split(separator: "/").dropFirst().first ?? "") }

  init(path: String) {
    self.path = path
    let text = (try? SourceTree.text(path)) ?? ""
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// The modules that the file imports.
  var imports: [String] {
    lines.compactMap { line in
      line.firstMatch(
        of: #/^(?:@\w+(?:\(\w+\))? )*(?:public |package |internal )?import (?:\w+ )?(\w+)/#
      )
      .map { String($0.1) }
    }
  }

  static let swift = SourceTree.files(below: "Sources", [".swift"]).map(SourceFile.init)
  static let tests = SourceTree.files(below: "Tests", [".swift"]).map(SourceFile.init)
  static let c = SourceTree.files(below: "Sources", [".c", ".h"]).map(SourceFile.init)
  static let scripts =
    (SourceTree.files(below: "Scripts", [""])
    + SourceTree.files(below: "Tests", [".py"])).map(SourceFile.init)

  /// What people wrote.
  static var written: [SourceFile] { (swift + tests + c + scripts).filter { !$0.isGenerated } }
}
