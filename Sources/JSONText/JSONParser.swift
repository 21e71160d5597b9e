/// Reads JSON text strictly, within a bounded depth; never traps, whatever the bytes are.
public struct JSONParser {
  /// How deeply arrays and objects may nest: more has no use in an action's input, and each level
  /// costs a frame of the stack.
  public static let maximumDepth = 64

  private let bytes: [UInt8]
  private var offset = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The value of a whole text.
  public static func parse(_ text: String) throws(JSONFault) -> JSONValue {
    var parser = JSONParser(Array(text.utf8))
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.offset == parser.bytes.count else {
      throw parser.fault("something follows the value")
    }
    return value
  }

  private func fault(_ problem: String) -> JSONFault {
    JSONFault(offset: offset, problem: problem)
  }

  private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
      offset += 1
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard current == byte else { return false }
    offset += 1
    return true
  }

  private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
    guard depth < Self.maximumDepth else {
      throw fault("nesting deeper than \(Self.maximumDepth)")
    }
    skipSpace()
    switch current {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case nil: throw fault("the text ends where a value is expected")
    case .some(let byte):
      guard byte == UInt8(ascii: "-") || Self.isDigit(byte) else {
        throw fault("no value begins like this")
      }
      return try number()
    }
  }

  private mutating func word(_ text: String, _ value: JSONValue) throws(JSONFault) -> JSONValue {
    for byte in text.utf8 {
      guard take(byte) else { throw fault("expected \(text)") }
    }
    return value
  }

  private mutating func array(depth: Int) throws(JSONFault) -> JSONValue {
    offset += 1
    var items: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(items) }
    while true {
      items.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .array(items) }
      guard take(UInt8(ascii: ",")) else { throw fault("expected , or ] in an array") }
    }
  }

  private mutating func object(depth: Int) throws(JSONFault) -> JSONValue {
    offset += 1
    var members: [String: JSONValue] = [:]
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw fault("expected a name in quotes") }
      let name = try string()
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw fault("expected : after a name") }
      let member = try value(depth: depth + 1)
      guard members.updateValue(member, forKey: name) == nil else {
        throw fault("the name \"\(name)\" stands twice")
      }
      skipSpace()
      if take(UInt8(ascii: "}")) { return .object(members) }
      guard take(UInt8(ascii: ",")) else { throw fault("expected , or } in an object") }
    }
  }

  private mutating func digits() throws(JSONFault) {
    let start = offset
    while let byte = current, Self.isDigit(byte) { offset += 1 }
    guard offset > start else { throw fault("expected a digit") }
  }

  private mutating func number() throws(JSONFault) -> JSONValue {
    let start = offset
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) { try digits() }
    if take(UInt8(ascii: ".")) { try digits() }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    guard let number = Double(text), number.isFinite else { throw fault("a number out of range") }
    return .number(number)
  }
}

// MARK: - Strings

extension JSONParser {
  private mutating func string() throws(JSONFault) -> String {
    offset += 1
    var text: [UInt8] = []
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        offset += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        offset += 1
        try escape(into: &text)
      case 0..<0x20:
        throw fault("a control character in a string")
      default:
        text.append(byte)
        offset += 1
      }
    }
    throw fault("the text ends inside a string")
  }

  private mutating func escape(into text: inout [UInt8]) throws(JSONFault) {
    guard let byte = current else { throw fault("the text ends inside a string") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: String(try unicodeEscape()).utf8)
    default: throw fault("an unknown escape")
    }
  }

  /// What follows `\u`: one unit, or a surrogate pair of two.
  private mutating func unicodeEscape() throws(JSONFault) -> Character {
    let first = try hexadecimalUnit()
    if let scalar = Unicode.Scalar(first) { return Character(scalar) }
    guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
      throw fault("half a surrogate pair")
    }
    let second = try hexadecimalUnit()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    else { throw fault("half a surrogate pair") }
    return Character(scalar)
  }

  private mutating func hexadecimalUnit() throws(JSONFault) -> UInt32 {
    guard bytes.count - offset >= 4 else { throw fault("four digits are expected after \\u") }
    var unit: UInt32 = 0
    for byte in bytes[offset..<(offset + 4)] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw fault("four digits are expected after \\u")
      }
      unit = unit << 4 | UInt32(digit)
    }
    offset += 4
    return unit
  }
}
