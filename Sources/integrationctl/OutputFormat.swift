/// How results are written.
enum OutputFormat: String, CaseIterable, Sendable {
  /// For people.
  case table
  /// One object or array.
  case json
  /// One object a line.
  case jsonl
  /// RFC 4180, with a heading line.
  case csv
}
