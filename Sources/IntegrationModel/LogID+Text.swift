extension LogID: LosslessStringConvertible {
  /// Bytes of the text form.
  public static let textBytes = 36

  /// Lower-case text with hyphens, 36 characters.
  public var description: String {
    unsafe String(unsafeUninitializedCapacity: Self.textBytes) { buffer in
      unsafe write(into: UnsafeMutableRawBufferPointer(buffer))
      return Self.textBytes
    }
  }

  /// Reads the text form, 36 characters in either case; nil for anything else.
  public init?(_ description: String) {
    var copy = description
    let parsed = copy.withUTF8 { unsafe LogID(text: UnsafeRawBufferPointer($0)) }
    guard let parsed else { return nil }
    self = parsed
  }

  /// Reads the text form from bytes, 36 characters in either case; nil for anything else.
  public init?(text: UnsafeRawBufferPointer) {
    guard text.count == Self.textBytes else { return nil }
    let hyphen = UInt8(ascii: "-")
    guard unsafe text[8] == hyphen, unsafe text[13] == hyphen, unsafe text[18] == hyphen,
      unsafe text[23] == hyphen
    else { return nil }
    func four(_ offset: Int) -> UInt64 {
      let bytes = unsafe text.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      return UInt64(UInt32(bigEndian: bytes))
    }
    guard let first = HexDigits.number(four(0) << 32 | four(4)),
      let second = HexDigits.number(four(9) << 32 | four(14)),
      let third = HexDigits.number(four(19) << 32 | four(24)),
      let fourth = HexDigits.number(four(28) << 32 | four(32))
    else { return nil }
    self.init(high: first << 32 | second, low: third << 32 | fourth)
  }

  /// The ids whose text begins with this, in either case; nil: no id does, or it is too short.
  ///
  /// At least 8 characters, so that a few typed letters do not name a log; hyphens stand where they
  /// stand in an id, or nowhere.
  public static func range(ofPrefix text: String) -> ClosedRange<LogID>? {
    // Nothing else gets further: what follows counts characters, and some have several bytes.
    guard (8...textBytes).contains(text.utf8.count), text.utf8.allSatisfy(isPart) else {
      return nil
    }
    let zero = "00000000-0000-0000-0000-000000000000"
    let digits = text.split(separator: "-", omittingEmptySubsequences: false).joined()
    guard digits.utf8.count <= 32 else { return nil }
    var template = zero.dropFirst(text.utf8.count)
    if digits.utf8.count == text.utf8.count, digits.utf8.count > 8 {
      // Without hyphens: put them in.
      let spelled = digits.enumerated().reduce(into: "") { spelled, next in
        if [8, 12, 16, 20].contains(next.offset) { spelled += "-" }
        spelled.append(next.element)
      }
      return range(ofPrefix: spelled)
    }
    let low = LogID(text + template)
    template = Substring(template.map { $0 == "-" ? "-" : "f" })
    guard let low, let high = LogID(text + template) else { return nil }
    return low...high
  }

  /// Whether a byte can stand in an id.
  private static func isPart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// Writes the text form to the first 36 bytes of `target`.
  public func write(into target: UnsafeMutableRawBufferPointer) {
    precondition(target.count >= Self.textBytes, "too little room for a log's id")
    func put(_ digits: UInt64, _ offsets: (Int, Int)) {
      let (left, right) = (UInt32(digits >> 32), UInt32(truncatingIfNeeded: digits))
      unsafe target.storeBytes(of: left.bigEndian, toByteOffset: offsets.0, as: UInt32.self)
      unsafe target.storeBytes(of: right.bigEndian, toByteOffset: offsets.1, as: UInt32.self)
    }
    put(HexDigits.digits(UInt32(high >> 32)), (0, 4))
    put(HexDigits.digits(UInt32(truncatingIfNeeded: high)), (9, 14))
    put(HexDigits.digits(UInt32(low >> 32)), (19, 24))
    put(HexDigits.digits(UInt32(truncatingIfNeeded: low)), (28, 32))
    let hyphen = UInt8(ascii: "-")
    unsafe target[8] = hyphen
    unsafe target[13] = hyphen
    unsafe target[18] = hyphen
    unsafe target[23] = hyphen
  }
}

/// Eight hexadecimal digits at once, the first in the highest byte: each report has its id read and
/// written, and a loop over 36 bytes showed in its cost.
enum HexDigits {
  /// One in each byte.
  private static let ones: UInt64 = 0x0101_0101_0101_0101

  /// The number that eight digits in either case stand for; nil where one is no digit.
  static func number(_ text: UInt64) -> UInt64? {
    // Of the characters that can be digits only letters have bit 6; bit 5 makes them lower-case.
    let letters = text >> 6 & ones
    let values = (text & (15 * ones)) + 9 * letters
    // What is no digit gives a value above 15, or one whose digit is another character.
    guard values & (16 * ones) == 0, characters(values) == text | letters << 5 else { return nil }
    var packed = (values | values >> 4) & 0x00ff_00ff_00ff_00ff
    packed = (packed | packed >> 8) & 0x0000_ffff_0000_ffff
    return (packed | packed >> 16) & 0xffff_ffff
  }

  /// The eight lower-case digits of a number.
  static func digits(_ number: UInt32) -> UInt64 {
    var values = UInt64(number)
    values = (values | values << 16) & 0x0000_ffff_0000_ffff
    values = (values | values << 8) & 0x00ff_00ff_00ff_00ff
    values = (values | values << 4) & 0x0f0f_0f0f_0f0f_0f0f
    return characters(values)
  }

  /// The characters of eight values below 16.
  private static func characters(_ values: UInt64) -> UInt64 {
    // Above 9 the digits go on at "a", 39 behind where they would be.
    let above9 = (values + 6 * ones) >> 4 & ones
    return values + 0x30 * ones + 0x27 * above9
  }
}
