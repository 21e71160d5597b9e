/// A JSON text (RFC 8259) in memory: an action's input and its schema, a line of an import.
public indirect enum JSONValue: Hashable, Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number.
  case number(Double)
  /// A text.
  case string(String)
  /// A list.
  case array([JSONValue])
  /// Members by name; none stands twice.
  case object([String: JSONValue])

  /// How this kind of value is called in messages for people.
  public var kindName: String {
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
  public var isWholeNumber: Bool { isFinite && rounded(.towardZero) == self }
}

/// Why a text is no JSON, and where.
public struct JSONFault: Error, Equatable, CustomStringConvertible {
  /// Counted in bytes from 0.
  public let offset: Int
  /// What was expected, or what is wrong.
  public let problem: String

  /// Makes a fault.
  public init(offset: Int, problem: String) {
    self.offset = offset
    self.problem = problem
  }

  /// The problem and its place.
  public var description: String { "no valid JSON: \(problem) at byte \(offset)" }
}
