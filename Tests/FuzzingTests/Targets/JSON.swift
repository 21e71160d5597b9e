import JSONText

@testable import IntegrationService

extension FuzzTarget {
  /// JSON text: what is read is written and read again.
  static let json = FuzzTarget("json", maximumBytes: 2_048) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    guard let value = try? JSONParser.parse(text) else { return }
    let tree = tree(value)
    for again in [tree.compactText, tree.prettyText] {
      try require((try? JSONParser.parse(again)) == value, "a value reads as another: \(again)")
    }
    _ = tree.member("a.b.c")
  }

  private static func tree(_ value: JSONText.JSONValue) -> JSONTree {
    switch value {
    case .null: .null
    case .bool(let flag): .bool(flag)
    case .number(let number): .number("\(number)")
    case .string(let text): .text(text)
    case .array(let items): .array(items.map(tree))
    case .object(let object): .object(object.members.map { (name: $0.name, value: tree($0.value)) })
    }
  }

  /// An action's schema and an input that it judges.
  ///
  /// Input: the schema, a 0, the input.
  static let schema = FuzzTarget("schema", maximumBytes: 2_048) { bytes in
    var input = FuzzInput(bytes)
    guard let schema = try? InputSchema(input.text()) else { return }
    let violations = schema.violations(of: input.restText)
    try require(violations.count <= InputSchema.maximumViolations, "too many violations")
    for violation in violations {
      try require(violation.path.hasPrefix("input"), "a violation lies outside of the input")
    }
  }
}
