/// A protobuf message written and read field by field, without a schema or the library's codec.
public struct RawMessage: Sendable {
  /// The encoding so far.
  public private(set) var bytes: [UInt8] = []

  /// Makes an empty message.
  public init() {}

  /// Adds a text field.
  public func text(_ field: UInt64, _ value: String) -> RawMessage {
    data(field, Array(value.utf8))
  }

  /// Adds a length-delimited field.
  public func data(_ field: UInt64, _ value: [UInt8]) -> RawMessage {
    var copy = self
    copy.varint(field << 3 | 2)
    copy.varint(UInt64(value.count))
    copy.bytes += value
    return copy
  }

  /// Adds a message field.
  public func message(_ field: UInt64, _ value: RawMessage) -> RawMessage {
    data(field, value.bytes)
  }

  /// Adds a number, encoded as a varint.
  public func number(_ field: UInt64, _ value: UInt64) -> RawMessage {
    var copy = self
    copy.varint(field << 3)
    copy.varint(value)
    return copy
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// The fields of a message as they stand on the wire.
public struct RawFields: Sendable {
  private var numbers: [UInt64: [UInt64]] = [:]
  private var texts: [UInt64: [[UInt8]]] = [:]

  /// Reads a message; nil when the bytes are none, or hold a type that no schema here uses.
  public init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let key = Self.varint(&rest) else { return nil }
      switch key & 7 {
      case 0:
        guard let value = Self.varint(&rest) else { return nil }
        numbers[key >> 3, default: []].append(value)
      case 2:
        guard let count = Self.varint(&rest), count <= UInt64(rest.count) else { return nil }
        texts[key >> 3, default: []].append(Array(rest.prefix(Int(count))))
        rest = rest.dropFirst(Int(count))
      default: return nil
      }
    }
  }

  /// The last value of a varint field; 0 without one.
  public func number(_ field: UInt64) -> UInt64 { numbers[field]?.last ?? 0 }
  /// The last value of a text field; empty without one.
  public func text(_ field: UInt64) -> String {
    String(decoding: texts[field]?.last ?? [], as: UTF8.self)
  }
  /// Every value of a message field; those that are no messages are left out.
  public func messages(_ field: UInt64) -> [RawFields] {
    (texts[field] ?? []).compactMap { RawFields($0) }
  }

  private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
