/// A JSON value whose objects keep the order of the schema.
///
/// Own code and not Foundation's JSONEncoder, which puts an object's members in random or
/// alphabetical order, knows no CSV, and makes each start of the program a third slower.
public indirect enum JSONTree: Sendable, Equatable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// As it is written.
  case number(String)
  /// A text.
  case text(String)
  /// A list.
  case array([JSONTree])
  /// Members in their order.
  case object([(name: String, value: JSONTree)])

  /// Whether both are written alike.
  public static func == (left: JSONTree, right: JSONTree) -> Bool {
    left.compactText == right.compactText
  }

  /// The member of an object, or of one inside it: `entity.id`.
  public func member(_ path: String) -> JSONTree? {
    var tree = self
    for name in path.split(separator: ".") {
      guard case .object(let members) = tree, let next = members.first(where: { $0.name == name })
      else { return nil }
      tree = next.value
    }
    return tree
  }

  /// On one line, without spaces.
  public var compactText: String {
    var text = ""
    write(to: &text, indent: nil)
    return text
  }

  /// Over several lines, indented by two spaces.
  public var prettyText: String {
    var text = ""
    write(to: &text, indent: 0)
    return text
  }

  // MARK: Writing

  private func write(to text: inout String, indent: Int?) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let digits): text += digits
    case .text(let value): text += value.jsonQuoted
    case .array(let values):
      Self.writeList("[", "]", count: values.count, indent, to: &text) { index, text, inner in
        values[index].write(to: &text, indent: inner)
      }
    case .object(let members):
      Self.writeList("{", "}", count: members.count, indent, to: &text) { index, text, inner in
        text += members[index].name.jsonQuoted
        text += inner == nil ? ":" : ": "
        members[index].value.write(to: &text, indent: inner)
      }
    }
  }

  private static func writeList(
    _ open: String, _ close: String, count: Int, _ indent: Int?, to text: inout String,
    item: (Int, inout String, Int?) -> Void
  ) {
    let inner = indent.map { $0 + 1 }
    text += open
    for index in 0..<count {
      if index > 0 { text += "," }
      if let inner { text += "\n" + String(repeating: "  ", count: inner) }
      item(index, &text, inner)
    }
    if let indent, count > 0 { text += "\n" + String(repeating: "  ", count: indent) }
    text += close
  }
}
