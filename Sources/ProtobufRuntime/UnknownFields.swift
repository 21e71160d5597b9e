/// Fields that came with a message and that this program's schema does not know.
///
/// They are kept and written back as they came, so that a program in the middle loses nothing that
/// a newer peer sent.
public struct UnknownFields: Sendable, Equatable, Hashable {
  struct Field: Sendable, Equatable, Hashable {
    var number: UInt32
    var wireType: UInt32
    /// The value as on the wire, with its length where it has one.
    var bytes: [UInt8]
  }

  var fields: [Field] = []

  /// None.
  public init() {}

  /// Whether there is none.
  public var isEmpty: Bool { fields.isEmpty }

  /// How many there are.
  public var count: Int { fields.count }

  /// The last varint that came under a number; nil when none did.
  ///
  /// Reads scalar extensions.
  public func varint(_ number: UInt32) -> UInt64? {
    guard let field = fields.last(where: { $0.number == number && $0.wireType == 0 }) else {
      return nil
    }
    var value: UInt64 = 0
    for (index, byte) in field.bytes.prefix(10).enumerated() {
      value |= UInt64(byte & 0x7f) << UInt64(7 * index)
    }
    return value
  }
}
