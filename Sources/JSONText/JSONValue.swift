/// A JSON text (RFC 8259) in memory: an action's input and its schema, a line of an import.
///
/// Texts are the same where their bytes are; see ``JSONObject``.
public enum JSONValue: Sendable {
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
  case object(JSONObject)

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

extension JSONValue: Hashable {
  /// Whether both mean the same: 3 and 3.0 do, and objects whose members stand in another order.
  public static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    case (.null, _), (.bool, _), (.number, _), (.string, _), (.array, _), (.object, _): false
    }
  }

  /// Hashes what `==` compares.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(UInt8(0))
    case .bool(let bool): hasher.combine(bool)
    case .number(let number): hasher.combine(number)
    case .string(let text): text.hashBytes(into: &hasher)
    case .array(let items): hasher.combine(items)
    case .object(let object): hasher.combine(object)
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
