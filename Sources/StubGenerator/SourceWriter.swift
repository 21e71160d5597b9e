/// Collects lines of Swift at two spaces a level.
struct SourceWriter {
  private(set) var text = ""
  private var level = 0

  /// One line; empty for a blank one.
  mutating func line(_ line: String = "") {
    text += line.isEmpty ? "\n" : String(repeating: "  ", count: level) + line + "\n"
  }

  /// Lines between `head {` and `}`.
  mutating func block(_ head: String, _ body: (inout SourceWriter) -> Void) {
    line(head + " {")
    level += 1
    body(&self)
    level -= 1
    line("}")
  }

  /// The lines of a doc comment, from the comments of the schema or else a fallback.
  mutating func docs(_ origin: SchemaOrigin, or fallback: String) {
    var lines: [String] = []
    for comment in origin.comments {
      var paragraph = comment.split(separator: "\n", omittingEmptySubsequences: false)
        .map { $0.last == " " ? String($0.dropLast()) : String($0) }
        .map { $0.first == " " ? String($0.dropFirst()) : $0 }
      while paragraph.last?.isEmpty == true { paragraph.removeLast() }
      if !lines.isEmpty, !paragraph.isEmpty { lines.append("") }
      lines += paragraph
    }
    if lines.isEmpty { lines = [fallback] }
    for text in lines { line(text.isEmpty ? "///" : "/// " + text) }
  }
}
