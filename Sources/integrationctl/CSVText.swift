/// RFC 4180: fields that hold a comma, a quote or a line break are quoted; lines end in CR LF.
enum CSVText {
  /// One line of fields.
  static func line(_ fields: [String]) -> String {
    fields.map(field).joined(separator: ",") + "\r\n"
  }

  /// One line with the members of a message at these paths; what is not set is empty.
  static func line(_ tree: JSONTree, paths: [String]) -> String {
    line(paths.map { text(tree.member($0)) })
  }

  /// A member's value without quotes; nothing where it is not set.
  static func text(_ tree: JSONTree?) -> String {
    switch tree {
    case nil, .null: ""
    case .text(let text): text
    case .bool(let flag): flag ? "true" : "false"
    case .number(let digits): digits
    case .some(let tree): tree.compactText
    }
  }

  private static func field(_ text: String) -> String {
    guard text.utf8.contains(where: { "\",\r\n".utf8.contains($0) }) else { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" { quoted += "\"" }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
  }
}
