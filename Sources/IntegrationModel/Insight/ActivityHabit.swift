/// When an action usually runs, from the hours of the last days in which it did.
///
/// The rule: an action that ran on most days is expected again within one and a half times its
/// longest gap of the last two weeks, plus an hour. An action that runs each night at two is
/// missed the next afternoon, one that runs all the time after two and a half hours; one that rests
/// over the weekend has its weekends as its longest gap, so that nobody is called on a Saturday.
/// An action with too little history has no habit, and nothing is said of it.
public struct ActivityHabit: Hashable, Sendable {
  /// How far back the history goes, from the last activity: 14 days, two weekends.
  public static let historyHours: Int64 = 14 * 24
  /// In how many hours it must have run: 10.
  public static let minimumHours = 10
  /// From the first to the last of them at least: 5 days.
  public static let minimumSpanHours: Int64 = 5 * 24

  /// The longest time between two hours in which it ran, in hours.
  public let longestGapHours: Int64

  /// Finds the habit in the hours in which an action ran; nil: there is none.
  ///
  /// Hours are counted from 1970 and come in their order.
  public init?(activeHours: [Int64]) {
    guard let last = activeHours.last else { return nil }
    let hours = activeHours.drop { $0 <= last - Self.historyHours }
    guard let first = hours.first, hours.count >= Self.minimumHours,
      last - first >= Self.minimumSpanHours
    else { return nil }
    let days = Set(hours.map { ($0 - first) / 24 })
    guard Int64(days.count) * 2 > (last - first) / 24 + 1 else { return nil }
    var longest: Int64 = 1
    for (earlier, later) in zip(hours, hours.dropFirst()) {
      longest = max(longest, later - earlier)
    }
    longestGapHours = longest
  }

  /// When the action is to have run again.
  public func expectedBy(after last: Instant) -> Instant {
    last.adding(milliseconds: longestGapHours * 3 * HourOfTime.milliseconds / 2)
      .adding(milliseconds: HourOfTime.milliseconds)
  }

  /// Whether an action that was to run by a time is quiet too long: until the history ends, after
  /// which an action that was given up is no habit any more.
  public static func isQuietTooLong(expectedBy: Instant, last: Instant, now: Instant) -> Bool {
    now > expectedBy
      && now.milliseconds(since: last) <= historyHours * HourOfTime.milliseconds
  }
}

/// Hours counted from 1970, as counts are kept by.
public enum HourOfTime {
  /// An hour in milliseconds.
  public static let milliseconds: Int64 = 3_600_000

  /// The hour of an instant.
  public static func of(_ instant: Instant) -> Int64 {
    let (hour, rest) = instant.milliseconds.quotientAndRemainder(dividingBy: milliseconds)
    return rest < 0 ? hour - 1 : hour
  }
}
