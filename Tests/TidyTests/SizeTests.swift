import Foundation
import Testing

/// How large things may be.
@Suite struct SizeTests {
  static let maximumFileLines = 500
  static let maximumFunctionLines = 70
  /// For a function whose body is one exhaustive switch of a state machine.
  static let maximumSwitchLines = 120
  static let maximumColumns = 100

  @Test("A file has at most 500 lines of at most 100 columns", arguments: SourceFile.written)
  func files(file: SourceFile) {
    #expect(file.lines.count <= Self.maximumFileLines)
    for (index, line) in file.lines.enumerated() {
      #expect(line.unicodeScalars.count <= Self.maximumColumns, "line \(index + 1)")
    }
  }

  @Test(
    "A function has at most 70 lines, an exhaustive switch 120",
    arguments: (SourceFile.swift + SourceFile.tests).filter { !$0.isGenerated })
  func functions(file: SourceFile) {
    for function in functions(in: file.lines) {
      let limit = function.isSwitch ? Self.maximumSwitchLines : Self.maximumFunctionLines
      #expect(function.count <= limit, "line \(function.line)")
    }
  }

  /// Functions found by their indentation: from the line that declares one to the brace below it.
  private func functions(in lines: [String]) -> [(line: Int, count: Int, isSwitch: Bool)] {
    let head = #/^(\s*)(?:[@\w()]+ )*(?:func\b|init[?(<]|deinit\b|subscript\b)/#
    let words = ["func ", "init", "deinit", "subscript"]
    return lines.indices.compactMap { start in
      guard words.contains(where: { lines[start].range(of: $0) != nil }),
        let match = lines[start].firstMatch(of: head)
      else { return nil }
      // A requirement of a protocol has no body, and a body may end on the line that opens it.
      guard !lines[start].hasSuffix("}"),
        let opening = lines[start...].firstIndex(where: { $0.isEmpty || $0.hasSuffix("{") }),
        lines[opening].hasSuffix("{")
      else { return nil }
      let brace = match.1 + "}"
      guard let end = lines[opening...].firstIndex(where: { $0 == brace }) else { return nil }
      let body = lines[start..<end]
      return (start + 1, end - start + 1, body.contains { $0.contains("switch ") })
    }
  }

  @Test("The rough scan finds where a function ends")
  func scan() {
    let lines = [
      "protocol P {", "  func a()", "}", "", "struct A {", "  init() { x = 1 }", "  func b() {",
      "    c()", "  }", "}",
    ]
    let found = functions(in: lines)
    #expect(found.map(\.line) == [7])
    #expect(found.map(\.count) == [3])
  }
}
