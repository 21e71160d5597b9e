import Glibc

/// A moment since the epoch, in UTC, to the millisecond.
struct WallTime: Equatable, Comparable, Sendable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  var milliseconds: Int64

  static func < (left: WallTime, right: WallTime) -> Bool {
    left.milliseconds < right.milliseconds
  }

  /// The system's clock.
  static var now: WallTime {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
  }

  /// Years 0001 to 9999, which RFC 3339 can write.
  static let range =
    WallTime(
      milliseconds: -62_135_596_800_000)...WallTime(
      milliseconds: 253_402_300_799_999)
}

/// Moments as text: RFC 3339, and how long ago for people.
enum TimeText {
  /// Reads RFC 3339 (`2026-11-24T08:30:00Z`, `…+01:00`, a space for the T), a date (midnight UTC),
  /// a span before now (`15m`, `2d`), or `now`.
  static func parse(_ text: String, now: WallTime) -> WallTime? {
    if text == "now" { return now }
    if let span = milliseconds(ofSpan: text) {
      let (time, overflow) = now.milliseconds.subtractingReportingOverflow(span)
      let moment = WallTime(milliseconds: time)
      return !overflow && WallTime.range.contains(moment) ? moment : nil
    }
    var scanner = DigitScanner(text)
    guard let days = scanDate(&scanner) else { return nil }
    if scanner.isAtEnd { return WallTime(milliseconds: days * 86_400_000) }
    guard scanner.take(anyOf: "Tt "), let clock = scanClock(&scanner),
      let offset = scanOffset(&scanner), scanner.isAtEnd
    else { return nil }
    return WallTime(milliseconds: days * 86_400_000 + clock - offset * 60_000)
  }

  /// `2026-11-24T08:30:00Z`, with milliseconds where there are any.
  static func rfc3339(_ time: WallTime) -> String {
    let text = "\(date(time))T\(clock(time))"
    let fraction = floorModulo(time.milliseconds, 1000)
    return fraction == 0 ? "\(text)Z" : "\(text).\(padded(fraction, 3))Z"
  }

  /// `2026-11-24 08:30:00`, UTC.
  static func plain(_ time: WallTime) -> String { "\(date(time)) \(clock(time))" }

  /// `08:30:00.123`, UTC; for lines that follow each other within a day.
  static func clockWithMilliseconds(_ time: WallTime) -> String {
    "\(clock(time)).\(padded(floorModulo(time.milliseconds, 1000), 3))"
  }

  /// `3m ago`, `in 20s`, `now`: in the largest unit, rounded down.
  static func relative(_ time: WallTime, now: WallTime) -> String {
    let difference = now.milliseconds - time.milliseconds
    let seconds = abs(difference) / 1000
    let text: String
    switch seconds {
    case ..<1: return "now"
    case ..<60: text = "\(seconds)s"
    case ..<3600: text = "\(seconds / 60)m"
    case ..<86_400: text = "\(seconds / 3600)h"
    default: text = "\(seconds / 86_400)d"
    }
    return difference > 0 ? "\(text) ago" : "in \(text)"
  }

  /// A span for people, shorter the longer it is: `12ms`, `3.4s`, `2m 5s`, `1h 20m`, `3d 4h`.
  static func span(milliseconds: Int64) -> String {
    let seconds = milliseconds / 1000
    switch seconds {
    case ..<1: return "\(milliseconds)ms"
    case ..<10:
      let tenths = milliseconds / 100 % 10
      return tenths == 0 ? "\(seconds)s" : "\(seconds).\(tenths)s"
    case ..<60: return "\(seconds)s"
    case ..<3600: return joined(seconds / 60, "m", seconds % 60, "s")
    case ..<86_400: return joined(seconds / 3600, "h", seconds % 3600 / 60, "m")
    default: return joined(seconds / 86_400, "d", seconds % 86_400 / 3600, "h")
    }
  }

  private static func joined(_ large: Int64, _ unit: String, _ small: Int64, _ lower: String)
    -> String
  {
    small == 0 || large >= 10 ? "\(large)\(unit)" : "\(large)\(unit) \(small)\(lower)"
  }
}
