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
