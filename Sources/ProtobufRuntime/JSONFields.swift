/// A field's name in JSON.
public struct JSONKey: CodingKey {
  /// The name.
  public let stringValue: String
  /// JSON objects have no numbers for keys.
  public var intValue: Int? { nil }

  /// Takes a name.
  public init(stringValue: String) { self.stringValue = stringValue }
  /// JSON objects have no numbers for keys: nil.
  public init?(intValue: Int) { nil }
}

/// Writes the fields of a message as proto3 JSON does.
///
/// Unlike the canonical form, every field is written, also at its default, so that scripts find
/// what they ask for; only messages that are not set are left out. 64-bit integers are strings,
/// enums their names without the enum's prefix, times RFC 3339.
public struct JSONFields {
  private var container: KeyedEncodingContainer<JSONKey>

  /// Begins an object.
  public init(_ encoder: any Encoder) {
    container = encoder.container(keyedBy: JSONKey.self)
  }

  /// Writes a field.
  public mutating func encode(_ value: some JSONValue, _ name: String) throws {
    try container.encode(JSONEncodable(value: value), forKey: JSONKey(stringValue: name))
  }

  /// Writes a field that may not be set.
  public mutating func encode(_ value: (some JSONValue)?, _ name: String) throws {
    guard let value else { return }
    try encode(value, name)
  }

  /// Writes a repeated field.
  public mutating func encode(_ values: [some JSONValue], _ name: String) throws {
    try container.encode(
      values.map { JSONEncodable(value: $0) }, forKey: JSONKey(stringValue: name))
  }

  /// Writes a map.
  public mutating func encode(_ values: [String: some JSONValue], _ name: String) throws {
    var object = container.nestedContainer(
      keyedBy: JSONKey.self, forKey: JSONKey(stringValue: name))
    for (key, value) in values.sorted(by: { $0.key < $1.key }) {
      try object.encode(JSONEncodable(value: value), forKey: JSONKey(stringValue: key))
    }
  }
}

/// A value that a field may have, with its form in proto3 JSON.
public protocol JSONValue {
  /// Writes the value.
  func encodeJSON(to encoder: any Encoder) throws
}

struct JSONEncodable<Value: JSONValue>: Encodable {
  let value: Value

  func encode(to encoder: any Encoder) throws { try value.encodeJSON(to: encoder) }
}

extension JSONValue where Self: Encodable {
  /// Writes the value as it is.
  public func encodeJSON(to encoder: any Encoder) throws { try encode(to: encoder) }
}

extension JSONValue where Self: FixedWidthInteger {
  /// Writes the digits as a string, because JSON's numbers hold only 53 bits.
  func encodeDigits(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(String(self))
  }
}

extension JSONValue where Self: BinaryFloatingPoint & Encodable {
  /// Writes a number, or the names that proto3 JSON has for what JSON cannot write.
  func encodeNumber(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if isNaN {
      try container.encode("NaN")
    } else if isInfinite {
      try container.encode(self < 0 ? "-Infinity" : "Infinity")
    } else {
      try container.encode(self)
    }
  }
}

extension String: JSONValue {}
extension Bool: JSONValue {}
extension Int32: JSONValue {}
extension UInt32: JSONValue {}

extension Int64: JSONValue {
  /// Writes the digits as a string.
  public func encodeJSON(to encoder: any Encoder) throws { try encodeDigits(to: encoder) }
}

extension UInt64: JSONValue {
  /// Writes the digits as a string.
  public func encodeJSON(to encoder: any Encoder) throws { try encodeDigits(to: encoder) }
}

extension Double: JSONValue {
  /// Writes a number, "NaN", "Infinity" or "-Infinity".
  public func encodeJSON(to encoder: any Encoder) throws { try encodeNumber(to: encoder) }
}

extension Float: JSONValue {
  /// Writes a number, "NaN", "Infinity" or "-Infinity".
  public func encodeJSON(to encoder: any Encoder) throws { try encodeNumber(to: encoder) }
}

extension Timestamp: JSONValue, Encodable {
  /// Writes RFC 3339 in UTC.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension ProtobufEnum {
  /// Writes the name, or the number when it has none.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if Self.allKnown.contains(self) {
      try container.encode(jsonName)
    } else {
      try container.encode(rawValue)
    }
  }
}
