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
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(.empty) }
    var members = JSONObjectBuilder()
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw fault("expected a name in quotes") }
      let name = try string()
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw fault("expected : after a name") }
      guard members.add(name, try value(depth: depth + 1)) else {
        throw fault("the name \"\(name.unicodeScalars.prefix(64))\" stands twice")
      }
      skipSpace()
      if take(UInt8(ascii: "}")) { return .object(JSONObject(members)) }
      guard take(UInt8(ascii: ",")) else { throw fault("expected , or } in an object") }
    }
  }

  private mutating func digits() throws(JSONFault) {
    let start = offset
    while let byte = current, Self.isDigit(byte) { offset += 1 }
    guard offset > start else { throw fault("expected a digit") }
  }

  private mutating func number() throws(JSONFault) -> JSONValue {
    if let short = shortNumber() { return .number(short) }
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

// MARK: - Numbers

extension JSONParser {
  /// Powers of ten that a Double holds exactly.
  private static let tens: InlineArray<16, Double> = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  ]

  /// The number from here on where it has no exponent and up to 15 digits; nil, and nothing is
  /// read, where it is another or wrong.
  ///
  /// Its digits and the power of ten are exact as Doubles, so that their quotient is rounded once,
  /// as the whole number would be. Others go through the system's conversion, which takes longer.
  private mutating func shortNumber() -> Double? {
    var place = offset
    let isNegative = current == UInt8(ascii: "-")
    if isNegative { place += 1 }
    let first = place
    var point: Int?
    var digits: Int64 = 0
    while place < bytes.count, place - first <= 16 {
      let byte = bytes[place]
      if Self.isDigit(byte) {
        digits = digits * 10 + Int64(byte - UInt8(ascii: "0"))
      } else if byte == UInt8(ascii: "."), point == nil {
        point = place
      } else {
        break
      }
      place += 1
    }
    let whole = (point ?? place) - first
    let fraction = point.map { place - $0 - 1 } ?? 0
    guard whole > 0, whole + fraction <= 15, point == nil || fraction > 0 else { return nil }
    if whole > 1, bytes[first] == UInt8(ascii: "0") { return nil }
    if place < bytes.count {
      let next = bytes[place]
      if Self.isDigit(next) || next == UInt8(ascii: ".") || next | 0x20 == UInt8(ascii: "e") {
        return nil
      }
    }
    offset = place
    let magnitude = Double(digits) / Self.tens[fraction]
    return isNegative ? -magnitude : magnitude
  }
}

// MARK: - Strings

extension JSONParser {
  private mutating func string() throws(JSONFault) -> String {
    offset += 1
    let start = offset
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte == UInt8(ascii: "\"") {
        offset += 1
        return String(decoding: bytes[start..<(offset - 1)], as: UTF8.self)
      }
      if byte == UInt8(ascii: "\\") || byte < 0x20 { break }
      offset += 1
    }
    return try escapedString(Array(bytes[start..<offset]))
  }

  /// The rest of a string with escapes, behind what was read of it.
  private mutating func escapedString(_ begin: [UInt8]) throws(JSONFault) -> String {
    var text = begin
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
    case UInt8(ascii: "u"): text.append(contentsOf: UTF8.encode(try unicodeEscape())!)
    default: throw fault("an unknown escape")
    }
  }

  /// What follows `\u`: one unit, or a surrogate pair of two.
  private mutating func unicodeEscape() throws(JSONFault) -> Unicode.Scalar {
    let first = try hexadecimalUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
      throw fault("half a surrogate pair")
    }
    let second = try hexadecimalUnit()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    else { throw fault("half a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimalUnit() throws(JSONFault) -> UInt32 {
    guard bytes.count - offset >= 4 else { throw fault("four digits are expected after \\u") }
    var unit: UInt32 = 0
    for byte in bytes[offset..<(offset + 4)] {
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw fault("four digits are expected after \\u")
      }
      unit = unit << 4 | UInt32(digit)
    }
    offset += 4
    return unit
  }
}
