/// A date and time of day as a calendar and a clock on the wall show them, without a zone.
///
/// The calendar is the Gregorian one, also before it was introduced. Conversions cost a few
/// divisions (Howard Hinnant, "chrono-compatible low-level date algorithms").
public struct CivilTime: Hashable, Sendable {
  /// The year; 0 is the year before 1.
  public var year: Int
  /// From 1.
  public var month: Int
  /// From 1.
  public var day: Int
  /// From 0.
  public var hour: Int
  /// From 0.
  public var minute: Int
  /// From 0.
  public var second: Int

  /// Makes a time from its parts, which must be in their ranges.
  public init(
    year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0
  ) {
    self.year = year
    self.month = month
    self.day = day
    self.hour = hour
    self.minute = minute
    self.second = second
  }

  /// What a clock shows that was started with 1970-01-01T00:00:00 so many seconds ago.
  public init(seconds: Int64) {
    let days = Self.floorDivide(seconds, 86_400)
    let rest = Int(seconds - days * 86_400)
    self.init(days: days)
    hour = rest / 3_600
    minute = rest / 60 % 60
    second = rest % 60
  }

  /// Midnight of the day that comes so many days after 1970-01-01.
  public init(days: Int64) {
    let shifted = days + 719_468
    let era = Self.floorDivide(shifted, 146_097)
    let dayOfEra = Int(shifted - era * 146_097)
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
    self.init(year: year, month: month, day: day)
  }

  /// Seconds since 1970-01-01T00:00:00 on the same clock.
  public var seconds: Int64 {
    days * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
  }

  /// Days since 1970-01-01.
  public var days: Int64 {
    let shiftedYear = Int64(month <= 2 ? year - 1 : year)
    let era = Self.floorDivide(shiftedYear, 400)
    let yearOfEra = shiftedYear - era * 400
    let shiftedMonth = Int64(month > 2 ? month - 3 : month + 9)
    let dayOfYear = (153 * shiftedMonth + 2) / 5 + Int64(day) - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// The day of the week of a day since 1970-01-01, a Thursday; Sunday is 0.
  public static func weekday(days: Int64) -> Int {
    let rest = Int((days + 4) % 7)
    return rest < 0 ? rest + 7 : rest
  }

  /// Whether a year has 29 February.
  public static func isLeap(_ year: Int) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }

  /// How many days a month has.
  public static func daysInMonth(_ month: Int, of year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  static func floorDivide(_ number: Int64, _ divisor: Int64) -> Int64 {
    let quotient = number / divisor
    return number % divisor < 0 ? quotient - 1 : quotient
  }

  /// RFC 3339 with an offset from UTC in seconds: `2026-03-29T03:00:00+02:00`.
  public func rfc3339(offset: Int) -> String {
    let date = "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))"
    let time = "\(Self.padded(hour, 2)):\(Self.padded(minute, 2)):\(Self.padded(second, 2))"
    let minutes = abs(offset) / 60
    let sign = offset < 0 ? "-" : "+"
    return "\(date)T\(time)\(sign)\(Self.padded(minutes / 60, 2)):\(Self.padded(minutes % 60, 2))"
  }

  private static func padded(_ number: Int, _ digits: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}

extension Instant {
  /// RFC 3339 in UTC: `2026-03-29T01:00:00Z`; milliseconds only where there are some.
  public var utcText: String {
    let seconds = CivilTime.floorDivide(milliseconds, 1_000)
    let rest = Int(milliseconds - seconds * 1_000)
    let text = String(CivilTime(seconds: seconds).rfc3339(offset: 0).dropLast(6))
    guard rest > 0 else { return "\(text)Z" }
    let digits = "\(rest)"
    return "\(text).\(String(repeating: "0", count: 3 - digits.utf8.count))\(digits)Z"
  }
}
