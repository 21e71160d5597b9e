/// google.protobuf.Timestamp: a point in time, in UTC.
///
/// A plain pair of numbers: the one message whose unknown fields a value does not keep.
public struct Timestamp: Sendable, Hashable {
  /// Seconds since 1970-01-01T00:00:00Z; negative before.
  public var seconds: Int64
  /// Nanoseconds within the second, 0 to 999,999,999, counting forward also before 1970.
  public var nanos: Int32

  /// Makes a point in time.
  public init(seconds: Int64 = 0, nanos: Int32 = 0) {
    self.seconds = seconds
    self.nanos = nanos
  }

  /// Makes a point in time from microseconds since 1970.
  public init(microseconds: Int64) {
    let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    let borrow: Int64 = remainder < 0 ? 1 : 0
    seconds = quotient - borrow
    nanos = Int32((remainder + borrow * 1_000_000) * 1000)
  }

  /// Makes a point in time from milliseconds since 1970.
  public init(milliseconds: Int64) {
    let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: 1000)
    let borrow: Int64 = remainder < 0 ? 1 : 0
    seconds = quotient - borrow
    nanos = Int32((remainder + borrow * 1000) * 1_000_000)
  }

  /// Microseconds since 1970, rounded down; the nearest representable one when a peer sent a
  /// time that is out of range.
  public var microseconds: Int64 {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    let (sum, carry) = product.addingReportingOverflow(Int64(nanos / 1000))
    return carry ? (seconds < 0 ? .min : .max) : sum
  }

  /// Milliseconds since 1970, rounded down; the nearest representable one when a peer sent a
  /// time that is out of range.
  public var milliseconds: Int64 {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    let (sum, carry) = product.addingReportingOverflow(Int64(nanos / 1_000_000))
    return carry ? (seconds < 0 ? .min : .max) : sum
  }
}

extension Timestamp: Comparable {
  /// Whether `left` is earlier.
  public static func < (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.nanos) < (right.seconds, right.nanos)
  }
}

extension Timestamp: CustomStringConvertible {
  /// RFC 3339 in UTC with 0, 3, 6 or 9 digits of the second, as proto3 JSON has it:
  /// `2026-11-24T02:15:00.250Z`.
  public var description: String {
    // Out of the range of years 1 to 9999 the format has no text; such a time shows its seconds.
    guard seconds >= -62_135_596_800, seconds <= 253_402_300_799, (0..<1_000_000_000) ~= nanos
    else { return "\(seconds)s" }
    let days = (seconds - (seconds < 0 ? 86399 : 0)) / 86400
    let second = Int(seconds - days * 86400)
    let (year, month, day) = Self.civil(fromDays: Int(days))
    var text = Self.padded(year, 4) + "-" + Self.padded(month, 2) + "-" + Self.padded(day, 2) + "T"
    text += Self.padded(second / 3600, 2) + ":" + Self.padded(second / 60 % 60, 2) + ":"
    text += Self.padded(second % 60, 2)
    if nanos % 1_000_000 == 0 {
      if nanos > 0 { text += "." + Self.padded(Int(nanos) / 1_000_000, 3) }
    } else if nanos % 1000 == 0 {
      text += "." + Self.padded(Int(nanos) / 1000, 6)
    } else {
      text += "." + Self.padded(Int(nanos), 9)
    }
    return text + "Z"
  }

  /// The proleptic Gregorian date of a day number (Howard Hinnant, "chrono-Compatible Low-Level
  /// Date Algorithms", civil_from_days).
  static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  private static func padded(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
