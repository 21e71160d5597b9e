/// The id of a log: a UUID of version 7 (RFC 9562), so that ids run in the order of their time.
///
/// The agent makes it before its first report, the server for a request. Comparison is by bytes,
/// which is by time first.
public struct LogID: Hashable, Comparable, Sendable {
  /// The first eight bytes, big-endian: 48 bits of milliseconds, version, 12 random bits.
  public let high: UInt64
  /// The last eight bytes as a big-endian number: variant and 62 random bits.
  public let low: UInt64

  /// Makes an id from its two halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Makes an id of version 7 for a time, with 74 bits of the given random numbers.
  public init(at instant: Instant, random: (UInt64, UInt64)) {
    let time = UInt64(clamping: instant.milliseconds) & 0xffff_ffff_ffff
    high = time << 16 | 0x7000 | (random.0 & 0x0fff)
    low = 0x8000_0000_0000_0000 | (random.1 >> 2)
  }

  /// Makes an id of version 7 that comes after an earlier one of the same millisecond.
  ///
  /// There it is `earlier` plus a random step of at most 2^32, so that what one program makes runs
  /// in the order in which it made it (RFC 9562, section 6.2). In another millisecond, or where the
  /// step leaves no room among the 74 bits, it is random.
  public init(at instant: Instant, random: (UInt64, UInt64), after earlier: LogID) {
    let fresh = LogID(at: instant, random: random)
    let step = 1 + (random.1 & 0xffff_ffff)
    let sum = (earlier.low & Self.lowMask) + step  // below 2^63: neither part has 63 bits
    let top = (earlier.high & 0x0fff) + (sum >> 62)
    guard fresh.time == earlier.time, earlier.isVersion7, top <= 0x0fff else {
      self = fresh
      return
    }
    high = earlier.high & ~0x0fff | top
    low = 0x8000_0000_0000_0000 | (sum & Self.lowMask)
  }

  /// The random bits of ``low``.
  private static let lowMask: UInt64 = 0x3fff_ffff_ffff_ffff

  /// The smallest value whose time is the given one; a bound for ranges, not an id of a log.
  public init(lowerBoundAt instant: Instant) {
    high = min(UInt64(clamping: instant.milliseconds), 0xffff_ffff_ffff) << 16
    low = 0
  }

  /// The smallest value of all.
  public static let lowest = LogID(high: 0, low: 0)
  /// The greatest value of all.
  public static let highest = LogID(high: .max, low: .max)

  /// Earlier ids first.
  public static func < (left: LogID, right: LogID) -> Bool {
    left.high != right.high ? left.high < right.high : left.low < right.low
  }

  /// The time in the id.
  public var time: Instant { Instant(milliseconds: Int64(high >> 16)) }

  /// Whether version and variant bits say UUIDv7.
  public var isVersion7: Bool { high & 0xf000 == 0x7000 && low >> 62 == 0b10 }
}

extension LogID: LosslessStringConvertible {
  /// Lower-case text with hyphens, 36 characters.
  public var description: String {
    unsafe String(unsafeUninitializedCapacity: 36) { buffer in
      var position = 0
      for half in [high, low] {
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
          if position == 8 || position == 13 || position == 18 || position == 23 {
            unsafe buffer[position] = UInt8(ascii: "-")
            position += 1
          }
          unsafe buffer[position] = hexDigit(UInt8(truncatingIfNeeded: half >> shift) & 15)
          position += 1
        }
      }
      return 36
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
    guard text.count == 36 else { return nil }
    var halves: (UInt64, UInt64) = (0, 0)
    var digits = 0
    for position in 0..<36 {
      let byte = unsafe text[position]
      if position == 8 || position == 13 || position == 18 || position == 23 {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      guard let digit = hexValue(byte) else { return nil }
      if digits < 16 {
        halves.0 = halves.0 << 4 | UInt64(digit)
      } else {
        halves.1 = halves.1 << 4 | UInt64(digit)
      }
      digits += 1
    }
    self.init(high: halves.0, low: halves.1)
  }
}

/// The lower-case digit of a value below 16.
func hexDigit(_ value: UInt8) -> UInt8 {
  value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

/// The value of a hexadecimal digit in either case; nil for another byte.
func hexValue(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
