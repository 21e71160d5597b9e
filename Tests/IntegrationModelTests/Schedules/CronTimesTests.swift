import Testing

@testable import IntegrationModel

@Suite struct CronTimesTests {
  private func times(
    _ text: String, _ zone: ZoneRules, from start: String, count: Int
  ) throws -> [String] {
    let times = CronTimes(try CronExpression(text), in: zone)
    var found: [String] = []
    var time = Self.instant(start)
    while found.count < count, let next = times.next(after: time) {
      found.append(zone.localText(next))
      time = next
    }
    return found
  }

  /// Reads `2026-03-28T00:00Z`.
  private static func instant(_ text: String) -> Instant {
    let parts = text.split { !("0"..."9").contains($0) }.compactMap { Int($0) }
    let civil = CivilTime(
      year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4])
    return Instant(milliseconds: civil.seconds * 1_000)
  }

  @Test("A time in a gap runs once, at the first moment after it")
  func gap() throws {
    let berlin = ZoneFixtures.berlin
    #expect(
      try times("30 2 * * *", berlin, from: "2026-03-27T12:00Z", count: 3) == [
        "2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00",
      ])
    // Two times in the gap, or one in it and one at its end, are one run.
    #expect(
      try times("0,30 2,3 * * *", berlin, from: "2026-03-29T00:00Z", count: 3) == [
        "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00",
      ])
    #expect(
      try times("0 0 * * *", ZoneFixtures.cairo, from: "2026-04-23T12:00Z", count: 2) == [
        "2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00",
      ])
    // The whole window of a job that runs often lies in the gap.
    #expect(
      try times("*/15 2 * * *", berlin, from: "2026-03-29T00:00Z", count: 2) == [
        "2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00",
      ])
  }

  @Test("A fixed time in an overlap runs the first time")
  func overlap() throws {
    #expect(
      try times("30 2 * * *", ZoneFixtures.berlin, from: "2026-10-24T12:00Z", count: 2) == [
        "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00",
      ])
    #expect(
      try times("30 1 1 11 *", ZoneFixtures.newYork, from: "2026-10-01T12:00Z", count: 2) == [
        "2026-11-01T01:30:00-04:00", "2027-11-01T01:30:00-04:00",
      ])
    // Asked in the second pass of the hour, the first has been.
    #expect(
      try times("30 2 * * *", ZoneFixtures.berlin, from: "2026-10-25T01:10Z", count: 1) == [
        "2026-10-26T02:30:00+01:00"
      ])
  }

  @Test("What runs every hour or every few minutes goes by the time that passes")
  func elapsed() throws {
    let berlin = ZoneFixtures.berlin
    for text in ["0 * * * *", "*/15 * * * *", "7,52 * * * *"] {
      let times = CronTimes(try CronExpression(text), in: berlin)
      let utc = CronTimes(try CronExpression(text), in: .utc)
      for start in ["2026-03-28T12:00Z", "2026-10-24T12:00Z"] {
        var (left, right) = (Self.instant(start), Self.instant(start))
        for _ in 0..<150 {
          left = try #require(times.next(after: left))
          right = try #require(utc.next(after: right))
          #expect(left == right, "\(text) in \(berlin.localText(left))")
        }
      }
    }
  }

  @Test("Half an hour of change: no hour without its run, none with two")
  func lordHowe() throws {
    let zone = ZoneFixtures.lordHowe
    #expect(
      try times("15 * * * *", zone, from: "2026-10-03T14:00Z", count: 4) == [
        "2026-10-04T01:15:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T03:15:00+11:00",
        "2026-10-04T04:15:00+11:00",
      ])
    #expect(
      try times("45 * * * *", zone, from: "2026-04-04T13:50Z", count: 3) == [
        "2026-04-05T01:45:00+11:00", "2026-04-05T02:45:00+10:30", "2026-04-05T03:45:00+10:30",
      ])
    #expect(
      try times("*/15 * * * *", zone, from: "2026-04-04T14:31Z", count: 4) == [
        "2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30",
        "2026-04-05T02:00:00+10:30",
      ])
  }

  @Test("Day of month or day of week is enough where both are set")
  func days() throws {
    #expect(
      try times("0 0 13 * 5", .utc, from: "2026-11-01T00:00Z", count: 5).map { $0.prefix(10) } == [
        "2026-11-06", "2026-11-13", "2026-11-20", "2026-11-27", "2026-12-04",
      ])
    #expect(
      try times("0 0 1-7 * */7", .utc, from: "2026-11-01T12:00Z", count: 2).map { $0.prefix(10) }
        == ["2026-12-06", "2027-01-03"])
  }

  @Test("The rarest day is found, over the year that has no leap day")
  func rarest() throws {
    #expect(
      try times("0 0 29 2 *", .utc, from: "2096-03-01T00:00Z", count: 1) == [
        "2104-02-29T00:00:00+00:00"
      ])
    let sundays = try times("0 0 29 2 */7", .utc, from: "2024-01-01T00:00Z", count: 4)
    #expect(
      sundays.map { $0.prefix(4) } == ["2032", "2060", "2088", "2128"], "a wait of 40 years")
  }

  @Test("Times outside of what clocks show end in nil, not in a trap")
  func extremes() throws {
    let times = CronTimes(try CronExpression("* * * * *"), in: ZoneFixtures.berlin)
    #expect(times.next(after: .distantFuture) == nil)
    #expect(times.next(after: Instant(milliseconds: .min)) == nil)
    #expect(times.next(after: .epoch) == Instant(milliseconds: 60_000))
  }

  // MARK: - Against brute force

  static let expressions = [
    "*/15 * * * *", "0 * * * *", "20 * * * *", "30 2 * * *", "0 2 * * *", "45 1 * * *",
    "0 0 * * *", "*/20 1-3 * * *", "0 */2 * * *", "5,35 1,2,3 * * *", "* 2 * * *", "59 23 * * *",
    "0 3 * * 0", "17 1 29 * 1",
  ]

  @Test(
    "Around every change of clocks to 2040, all times are those of a walk through each minute",
    arguments: ZoneFixtures.all)
  func bruteForce(zone: (name: String, rules: ZoneRules)) throws {
    let expressions = try Self.expressions.map { try CronExpression($0) }
    var start = CivilTime(year: 2024, month: 1, day: 1).seconds
    let end = CivilTime(year: 2041, month: 1, day: 1).seconds
    // Where clocks never change, one stretch stands for all.
    while start < end {
      let change = zone.rules.nextTransition(after: start) ?? start + 86_400
      let walk = ClockWalk(zone.rules, from: change - 18_000, to: change + 18_000)
      for expression in expressions {
        let expected = walk.times(of: expression)
        let times = CronTimes(expression, in: zone.rules)
        var found: [Int64] = []
        var time = Instant(milliseconds: (walk.start - 60) * 1_000)
        while let next = times.next(after: time), next.milliseconds < walk.end * 1_000 {
          found.append(next.milliseconds / 1_000)
          time = next
        }
        #expect(found == expected, "\(expression) in \(zone.name) around \(change)")
      }
      start = zone.rules.nextTransition(after: start) == nil ? end : change
    }
  }

  @Test(
    "A daily time runs once on each day from 2024 to 2040", arguments: ZoneFixtures.all,
    ["30 2 * * *", "0 0 * * *", "45 1 * * *"])
  func daily(zone: (name: String, rules: ZoneRules), text: String) throws {
    let times = CronTimes(try CronExpression(text), in: zone.rules)
    var day = CivilTime(year: 2024, month: 1, day: 1).days
    var time = Instant(milliseconds: (day * 86_400 - 60) * 1_000)
    time = Instant(
      milliseconds: time.milliseconds - Int64(zone.rules.offset(at: day * 86_400)) * 1_000)
    let end = CivilTime(year: 2041, month: 1, day: 1).days
    while day < end {
      let next = try #require(times.next(after: time))
      let seconds = next.milliseconds / 1_000
      let local = seconds + Int64(zone.rules.offset(at: seconds))
      try #require(local / 86_400 == day, "\(text) in \(zone.name): \(zone.rules.localText(next))")
      time = next
      day += 1
    }
  }

  @Test("From any moment the next time is the first of the sequence after it")
  func anyStart() throws {
    var random = RandomNumbers(seed: 11)
    for text in Self.expressions {
      let times = CronTimes(try CronExpression(text), in: ZoneFixtures.lordHowe)
      for change in ["2026-10-03T15:30Z", "2026-04-04T15:00Z"] {
        let start = Self.instant(change).adding(milliseconds: -14_400_000)
        var sequence: [Instant] = [start]
        while sequence.count < 60, let next = times.next(after: sequence[sequence.count - 1]) {
          sequence.append(next)
        }
        for _ in 0..<60 {
          let moment = start.adding(
            milliseconds: Int64.random(in: 0..<28_800_000, using: &random))
          let expected = sequence.dropFirst().first { $0 > moment }
          if let expected { #expect(times.next(after: moment) == expected, "\(text)") }
        }
      }
    }
  }
}

/// Each minute of a stretch of time with what the clock on the wall shows: what cron's rules mean,
/// written down without cleverness.
private struct ClockWalk {
  /// One minute of time.
  struct Minute {
    var time: Int64
    /// What the clock shows, in seconds.
    var label: Int64
    /// Whether it has shown that before.
    var isSecond: Bool
    /// By how much the clock was set back within a day before.
    var setBack: Int64
    /// What it left out just before.
    var missed: [Int64]
  }

  let start: Int64
  let end: Int64
  let minutes: [Minute]

  init(_ rules: ZoneRules, from start: Int64, to end: Int64) {
    self.start = start / 60 * 60
    self.end = end / 60 * 60
    let dayBefore = Int64(rules.offset(at: self.start - 86_400))
    var shown: Set<Int64> = []
    var last = self.start - 60 + Int64(rules.offset(at: self.start - 60))
    var minutes: [Minute] = []
    for time in stride(from: self.start, to: self.end, by: 60) {
      let offset = Int64(rules.offset(at: time))
      let label = time + offset
      let missed = label > last + 60 ? Array(stride(from: last + 60, to: label, by: 60)) : []
      minutes.append(
        Minute(
          time: time, label: label, isSecond: !shown.insert(label).inserted,
          setBack: dayBefore - offset, missed: missed))
      last = label
    }
    self.minutes = minutes
  }

  func times(of expression: CronExpression) -> [Int64] {
    minutes.filter { runs($0, expression) }.map(\.time)
  }

  private func runs(_ minute: Minute, _ expression: CronExpression) -> Bool {
    func goesByTime(_ change: Int64) -> Bool {
      expression.isEveryHour && change % 3_600 == 0
    }
    if minute.missed.contains(where: { matches($0, expression) }) {
      let gap = Int64(minute.missed.count) * 60
      let isEven = expression.isEveryHour && expression.hasAnyMinute
      if !isEven, !goesByTime(gap) { return true }
    }
    guard matches(minute.label, expression) else { return false }
    return !minute.isSecond || expression.hasAnyMinute || goesByTime(minute.setBack)
  }

  private func matches(_ label: Int64, _ expression: CronExpression) -> Bool {
    let civil = CivilTime(seconds: label)
    return expression.minutes & (1 << UInt64(civil.minute)) != 0
      && expression.hours & (1 << UInt64(civil.hour)) != 0
      && expression.months & (1 << UInt64(civil.month)) != 0
      && expression.matches(
        year: civil.year, month: civil.month, day: civil.day,
        weekday: CivilTime.weekday(days: label / 86_400))
  }
}
