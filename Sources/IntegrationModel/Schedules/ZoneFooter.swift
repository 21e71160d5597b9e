/// The rule that goes on after the last transition of a zone's file: a TZ string as POSIX defines
/// it, with the longer hours of RFC 9636, section 3.3.1: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneFooter: Hashable, Sendable {
  /// A day of each year and a time of that day at which clocks change.
  struct Change: Hashable, Sendable {
    /// How the day is named.
    enum Day: Hashable, Sendable {
      /// Week 1 to 5 (5: the last) of a month, day of the week from Sunday 0: `M3.5.0`.
      case weekday(month: Int, week: Int, day: Int)
      /// 1 to 365, 29 February never counted: `J60`.
      case julian(Int)
      /// 0 to 365, 29 February counted: `59`.
      case zeroBased(Int)
    }
    var day: Day
    /// Seconds after the day's midnight, on the clock before the change; may be negative.
    var time: Int

    /// Seconds on the clock before the change, since 1970.
    func localSeconds(in year: Int) -> Int64 {
      days(in: year) * 86_400 + Int64(time)
    }

    private func days(in year: Int) -> Int64 {
      switch day {
      case .weekday(let month, let week, let weekday):
        let first = CivilTime(year: year, month: month, day: 1).days
        let shift = (weekday - CivilTime.weekday(days: first) + 7) % 7
        var day = shift + 7 * (week - 1)
        while day >= CivilTime.daysInMonth(month, of: year) { day -= 7 }
        return first + Int64(day)
      case .julian(let number):
        let isAfterLeapDay = CivilTime.isLeap(year) && number >= 60
        return CivilTime(year: year, month: 1, day: 1).days + Int64(number - 1)
          + (isAfterLeapDay ? 1 : 0)
      case .zeroBased(let number):
        return CivilTime(year: year, month: 1, day: 1).days + Int64(number)
      }
    }
  }

  /// Seconds east of UTC.
  var standard: Int
  /// Seconds east of UTC while daylight saving holds, and when it begins and ends; nil: never.
  var daylight: (Daylight)?

  /// Daylight saving.
  struct Daylight: Hashable, Sendable {
    var offset: Int
    var begins: Change
    var ends: Change
  }

  /// Seconds east of UTC at a time.
  func offset(at seconds: Int64) -> Int {
    guard let daylight else { return standard }
    guard let last = changes(around: seconds).last(where: { $0.at <= seconds }) else {
      return standard
    }
    return last.isDaylight ? daylight.offset : standard
  }

  /// The first change of the offset after a time.
  func nextTransition(after seconds: Int64) -> Int64? {
    guard daylight != nil else { return nil }
    return changes(around: seconds).first { $0.at > seconds }?.at
  }

  /// The last change of the offset at or before a time.
  func lastTransition(by seconds: Int64) -> Int64? {
    guard daylight != nil else { return nil }
    return changes(around: seconds).last { $0.at <= seconds }?.at
  }

  /// The changes of the year before, the year and the year after a time, in order.
  ///
  /// Where daylight saving ends at the moment at which it begins again (all of the year), nothing
  /// changes, and such pairs are left out.
  private func changes(around seconds: Int64) -> [(at: Int64, isDaylight: Bool)] {
    guard let daylight else { return [] }
    let year = CivilTime(seconds: seconds + Int64(standard)).year
    var found: [(at: Int64, isDaylight: Bool)] = []
    found.reserveCapacity(6)
    for year in year - 1...year + 1 {
      found.append((daylight.begins.localSeconds(in: year) - Int64(standard), true))
      found.append((daylight.ends.localSeconds(in: year) - Int64(daylight.offset), false))
    }
    found.sort { $0.at != $1.at ? $0.at < $1.at : !$0.isDaylight && $1.isDaylight }
    var kept: [(at: Int64, isDaylight: Bool)] = []
    kept.reserveCapacity(6)
    for change in found {
      if let last = kept.last, last.at == change.at { kept.removeLast() }
      if let last = kept.last, last.isDaylight == change.isDaylight { continue }
      kept.append(change)
    }
    return kept
  }
}

extension ZoneFooter {
  /// Reads a TZ string; nil: it is none.
  init?(_ text: some Collection<UInt8>) {
    var scanner = FooterScanner(bytes: Array(text))
    guard scanner.name(), let west = scanner.time(maximumHours: 24) else { return nil }
    standard = -west
    if scanner.isAtEnd { return }
    guard scanner.name() else { return nil }
    var offset = standard + 3_600
    if !scanner.next(is: ",") {
      guard let west = scanner.time(maximumHours: 24) else { return nil }
      offset = -west
    }
    guard scanner.take(","), let begins = scanner.change(), scanner.take(","),
      let ends = scanner.change(), scanner.isAtEnd
    else { return nil }
    daylight = Daylight(offset: offset, begins: begins, ends: ends)
  }
}

/// Walks over a TZ string.
private struct FooterScanner {
  let bytes: [UInt8]
  var place = 0

  var isAtEnd: Bool { place >= bytes.count }

  func next(is character: Unicode.Scalar) -> Bool {
    place < bytes.count && bytes[place] == UInt8(ascii: character)
  }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next(is: character) else { return false }
    place += 1
    return true
  }

  /// A designation, which is not used: letters, or anything between `<` and `>`.
  mutating func name() -> Bool {
    let start = place
    if take("<") {
      while place < bytes.count, !next(is: ">") { place += 1 }
      return take(">") && place > start + 2
    }
    while place < bytes.count, (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(bytes[place] & 0xdf)
    { place += 1 }
    return place >= start + 3
  }

  mutating func number(maximum: Int) -> Int? {
    let start = place
    var number = 0
    while place < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place]) {
      number = min(number * 10 + Int(bytes[place] - UInt8(ascii: "0")), 100_000)
      place += 1
    }
    return place > start && number <= maximum ? number : nil
  }

  /// `[+-]hh[:mm[:ss]]` in seconds.
  mutating func time(maximumHours: Int) -> Int? {
    let isNegative = take("-")
    if !isNegative { _ = take("+") }
    guard let hours = number(maximum: maximumHours) else { return nil }
    var seconds = hours * 3_600
    if take(":") {
      guard let minutes = number(maximum: 59) else { return nil }
      seconds += minutes * 60
      if take(":") {
        guard let rest = number(maximum: 59) else { return nil }
        seconds += rest
      }
    }
    return isNegative ? -seconds : seconds
  }

  mutating func change() -> ZoneFooter.Change? {
    guard let day = day() else { return nil }
    guard take("/") else { return ZoneFooter.Change(day: day, time: 7_200) }
    return time(maximumHours: 167).map { ZoneFooter.Change(day: day, time: $0) }
  }

  private mutating func day() -> ZoneFooter.Change.Day? {
    if take("M") {
      guard let month = number(maximum: 12), month > 0, take("."),
        let week = number(maximum: 5), week > 0, take("."), let day = number(maximum: 6)
      else { return nil }
      return .weekday(month: month, week: week, day: day)
    }
    if take("J") { return number(maximum: 365).flatMap { $0 > 0 ? .julian($0) : nil } }
    return number(maximum: 365).map { .zeroBased($0) }
  }
}
