/// A value of a column or parameter, for statements that are not hot.
public enum SQLiteValue: Hashable, Sendable {
  /// NULL.
  case null
  /// INTEGER.
  case integer(Int64)
  /// REAL.
  case real(Double)
  /// TEXT.
  case text(String)
  /// BLOB.
  case blob([UInt8])

  /// The integer; nil for another type.
  public var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
  /// The text; nil for another type.
  public var text: String? { if case .text(let value) = self { value } else { nil } }
  /// The bytes; nil for another type.
  public var blob: [UInt8]? { if case .blob(let value) = self { value } else { nil } }
  /// The number, also of an integer; nil for another type.
  public var real: Double? {
    switch self {
    case .real(let value): value
    case .integer(let value): Double(value)
    case .null, .text, .blob: nil
    }
  }
}

extension SQLiteValue: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral,
  ExpressibleByNilLiteral, ExpressibleByFloatLiteral
{
  /// An integer.
  public init(integerLiteral value: Int64) { self = .integer(value) }
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }
  /// A real number.
  public init(floatLiteral value: Double) { self = .real(value) }
  /// NULL.
  public init(nilLiteral: ()) { self = .null }
}
