/// A JSON text (RFC 8259) in memory: what an action's input and its schema are.
indirect enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// How this kind of value is called in messages for people.
  var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .number(let number): number.isWholeNumber ? "integer" : "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }
}

extension Double {
  /// Whether a JSON number counts as an integer: 3 and 3.0 do.
  var isWholeNumber: Bool { isFinite && rounded(.towardZero) == self }
}

/// Why a text is no JSON, and where.
struct JSONFault: Error, Equatable, CustomStringConvertible {
  /// Counted in bytes from 0.
  let offset: Int
  let problem: String

  var description: String { "no valid JSON: \(problem) at byte \(offset)" }
}
