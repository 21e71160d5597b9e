/// When a schedule runs, in cron's five fields: minute, hour, day of month, month, day of week.
///
/// A value: ``init(_:)`` reads the text, ``CronTimes`` finds times. As in Vixie's cron
/// (`crontab(5)`) a day matches when both day fields match, but where neither begins with `*`, one
/// of them is enough.
public struct CronExpression: Hashable, Sendable {
  /// Bit n: minute n.
  public internal(set) var minutes: UInt64 = 0
  /// Bit n: hour n.
  public internal(set) var hours: UInt64 = 0
  /// Bit n: day n of the month, from 1.
  public internal(set) var daysOfMonth: UInt64 = 0
  /// Bit n: month n, from 1.
  public internal(set) var months: UInt64 = 0
  /// Bit n: day n of the week, Sunday is 0.
  public internal(set) var daysOfWeek: UInt64 = 0
  /// Whether the minute's field begins with `*`.
  public internal(set) var hasAnyMinute = false
  /// Whether the day of month's field begins with `*`.
  public internal(set) var hasAnyDayOfMonth = false
  /// Whether the day of week's field begins with `*`.
  public internal(set) var hasAnyDayOfWeek = false

  /// Whether every hour is named, however it is written.
  public var isEveryHour: Bool { hours == (1 << 24) - 1 }

  /// Whether a day, given by its calendar, is one of those named.
  func matches(year: Int, month: Int, day: Int, weekday: Int) -> Bool {
    let isDay = daysOfMonth & (1 << UInt64(day)) != 0
    let isWeekday = daysOfWeek & (1 << UInt64(weekday)) != 0
    return hasAnyDayOfMonth || hasAnyDayOfWeek ? isDay && isWeekday : isDay || isWeekday
  }

  /// How far times are looked for: 50 years.
  ///
  /// The rarest day that there is, 29 February on a set day of the week, comes after 40 years at
  /// most (over 2100, which has none); what has not come after 50 years never comes.
  public static let horizonDays: Int64 = 18_263

  /// The first matching minute at or after `start`, and before `end`, in seconds on a wall clock
  /// without a zone; nil: there is none.
  ///
  /// `start` must be a whole minute. Months that do not match are passed at once, days one by one.
  func firstMatch(from start: Int64, before end: Int64) -> Int64? {
    guard start < end else { return nil }
    var days = CivilTime.floorDivide(start, 86_400)
    var minuteOfDay = Int(start - days * 86_400) / 60
    var date = CivilTime(days: days)
    while days * 86_400 < end {
      if months & (1 << UInt64(date.month)) == 0 {
        let rest = Int64(CivilTime.daysInMonth(date.month, of: date.year) - date.day + 1)
        days += rest
        minuteOfDay = 0
        date.day = 1
        date.month = date.month == 12 ? 1 : date.month + 1
        if date.month == 1 { date.year += 1 }
        continue
      }
      let weekday = CivilTime.weekday(days: days)
      if matches(year: date.year, month: date.month, day: date.day, weekday: weekday),
        let minute = firstMinute(from: minuteOfDay)
      {
        let match = days * 86_400 + Int64(minute) * 60
        return match < end ? match : nil
      }
      days += 1
      minuteOfDay = 0
      date.day += 1
      if date.day > CivilTime.daysInMonth(date.month, of: date.year) {
        date.day = 1
        date.month = date.month == 12 ? 1 : date.month + 1
        if date.month == 1 { date.year += 1 }
      }
    }
    return nil
  }

  /// The first matching minute of a day at or after one; nil: there is none.
  private func firstMinute(from start: Int) -> Int? {
    let hour = start / 60
    guard hour < 24 else { return nil }
    if hours & (1 << UInt64(hour)) != 0 {
      let rest = minutes >> UInt64(start % 60)
      if rest != 0 { return start + rest.trailingZeroBitCount }
    }
    let laterHours = hours >> UInt64(hour + 1)
    guard laterHours != 0 else { return nil }
    return (hour + 1 + laterHours.trailingZeroBitCount) * 60 + minutes.trailingZeroBitCount
  }

  /// Whether any day is named that some calendar has: not so for 30 February.
  var everMatches: Bool {
    let start = CivilTime(year: 2000, month: 1, day: 1).seconds
    return firstMatch(from: start, before: start + Self.horizonDays * 86_400) != nil
  }
}
