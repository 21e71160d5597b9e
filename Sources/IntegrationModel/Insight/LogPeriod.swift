/// How far a zone's clocks are ahead of UTC, in seconds, at an instant.
public typealias ZoneOffset = @Sendable (Instant) -> Int

/// A stretch of the calendar by which logs are counted.
public enum LogPeriod: UInt8, Sendable, CaseIterable {
  /// An hour.
  case hour
  /// A day.
  case day
  /// A week from Monday on.
  case week
  /// A month.
  case month

  /// Times are told apart by quarters of an hour: all zones' clocks differ from UTC by such.
  ///
  /// Exactly so since 1972; before that a few zones did not.
  public static let grainMs: Int64 = 900_000

  /// The name of the period that an instant lies in, in the order of time.
  ///
  /// `2026-11-24T08:00+01:00`, `2026-11-24`, the Monday of a week, `2026-11`. An hour says its
  /// offset, because one hour of autumn comes twice.
  public func name(at instant: Instant, _ offset: ZoneOffset) -> String {
    let shift = offset(instant)
    let local = CivilDate.floor(instant.milliseconds, 1_000) + Int64(shift)
    let day = CivilDate.floor(local, 86_400)
    switch self {
    case .hour:
      let hour = (local - day * 86_400) / 3_600
      return "\(CivilDate(day: day))T\(CivilDate.two(hour)):00\(Self.suffix(shift))"
    case .day: return "\(CivilDate(day: day))"
    case .week:
      // 1970-01-01 was a Thursday.
      return "\(CivilDate(day: CivilDate.floor(day + 3, 7) * 7 - 3))"
    case .month: return String("\(CivilDate(day: day))".prefix(7))
    }
  }

  /// An instant on a zone's clocks, to the second: `2026-11-24T08:30:00+01:00`.
  public static func localTime(_ instant: Instant, _ offset: ZoneOffset) -> String {
    let shift = offset(instant)
    let local = CivilDate.floor(instant.milliseconds, 1_000) + Int64(shift)
    let day = CivilDate.floor(local, 86_400)
    let second = local - day * 86_400
    let clock = [second / 3_600, second % 3_600 / 60, second % 60].map(CivilDate.two)
    return "\(CivilDate(day: day))T\(clock.joined(separator: ":"))\(suffix(shift))"
  }

  private static func suffix(_ seconds: Int) -> String {
    guard seconds != 0 else { return "Z" }
    let minutes = Int64(seconds.magnitude) / 60
    return (seconds < 0 ? "-" : "+") + "\(CivilDate.two(minutes / 60)):"
      + CivilDate.two(minutes % 60)
  }

  /// When a day of a zone begins, that many days after 1970-01-01.
  public static func start(ofDay day: Int64, _ offset: ZoneOffset) -> Instant {
    let midnight = day * 86_400_000
    var guess = Instant(milliseconds: midnight)
    // Twice: the first offset may be that of the other side of a change.
    for _ in 0..<2 {
      guess = Instant(milliseconds: midnight - Int64(offset(guess)) * 1_000)
    }
    return guess
  }

  /// The day of a zone that an instant lies in, in days after 1970-01-01.
  public static func day(of instant: Instant, _ offset: ZoneOffset) -> Int64 {
    CivilDate.floor(instant.milliseconds + Int64(offset(instant)) * 1_000, 86_400_000)
  }

  /// Reads `Z`, `UTC` or `+02:00` as an offset that never changes; nil: it is none of these.
  public static func fixedOffset(_ text: String) -> ZoneOffset? {
    if text.isEmpty || text == "Z" || text == "UTC" { return { _ in 0 } }
    let bytes = Array(text.utf8)
    guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"),
      bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"),
      let hours = Int(text.dropFirst().prefix(2)), let minutes = Int(text.suffix(2)),
      (0...14).contains(hours), (0...59).contains(minutes)
    else { return nil }
    let seconds = (hours * 60 + minutes) * 60 * (bytes[0] == UInt8(ascii: "-") ? -1 : 1)
    return { _ in seconds }
  }
}

/// A day of the Gregorian calendar, written `2026-11-24`.
///
/// After Howard Hinnant's "chrono-compatible low-level date algorithms".
private struct CivilDate: CustomStringConvertible {
  let year: Int64
  let month: Int64
  let day: Int64

  /// The day that many days after 1970-01-01.
  init(day days: Int64) {
    let shifted = days + 719_468
    let era = Self.floor(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  var description: String {
    let digits = "\(year)"
    let zeros = String(repeating: "0", count: max(0, 4 - digits.utf8.count))
    return "\(zeros)\(digits)-\(Self.two(month))-\(Self.two(day))"
  }

  static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

  static func floor(_ number: Int64, _ divisor: Int64) -> Int64 {
    let (quotient, rest) = number.quotientAndRemainder(dividingBy: divisor)
    return rest < 0 ? quotient - 1 : quotient
  }
}
