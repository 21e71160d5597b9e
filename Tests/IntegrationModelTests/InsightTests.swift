import IntegrationModel
import Testing

@Suite struct InsightTests {
  // MARK: - Durations

  @Test("A percentile is at most a sixteenth off", arguments: [0.5, 0.95, 0.99])
  func percentile(part: Double) {
    var histogram = DurationHistogram()
    var values: [Int64] = []
    var value: Int64 = 1
    for step in 0..<4_000 {
      value = (value * 48_271 + Int64(step)) % 2_147_483_647
      values.append(value >> Int64(step % 24))
    }
    for value in values { histogram.add(milliseconds: value) }
    values.sort()
    let exact = Double(values[Int((part * Double(values.count)).rounded(.up)) - 1])
    #expect(abs(Double(histogram.percentile(part)) - exact) <= exact / 16 + 0.5)
  }

  @Test("Histograms add up, and nothing breaks one")
  func histograms() {
    var (left, right, both) = (DurationHistogram(), DurationHistogram(), DurationHistogram())
    #expect(left.percentile(0.5) == 0)
    for value in [Int64.min, -1, 0, 15, 16, 17, 1_000, .max] {
      left.add(milliseconds: value)
      both.add(milliseconds: value)
    }
    for value in [Int64(3), 70_000] {
      right.add(milliseconds: value)
      both.add(milliseconds: value)
    }
    left.add(right)
    #expect(left == both && left.count == 10)
    #expect(left.percentile(1) > 1 << 62 && left.percentile(0) == 0)
    #expect(left.percentile(0.4) == 3)
  }

  // MARK: - Failure rates

  @Test(
    "A rate is up when it has doubled, risen by five points, and both days say enough",
    arguments: [
      (100, 20, 100, 5, true), (100, 10, 100, 5, true), (100, 9, 100, 5, false),
      (100, 9, 100, 4, true), (19, 19, 100, 0, false), (100, 50, 19, 0, false),
      (1_000, 4, 1_000, 0, false), (1_000, 30, 1_000, 1, false), (50, 4, 50, 0, false),
      (20, 5, 20, 0, true), (100, 90, 100, 50, false), (0, 0, 0, 0, false),
    ] as [(UInt64, UInt64, UInt64, UInt64, Bool)])
  func rates(ended: UInt64, failed: UInt64, endedBefore: UInt64, failedBefore: UInt64, isUp: Bool) {
    let today = FailureRate(ended: ended, failed: failed)
    let before = FailureRate(ended: endedBefore, failed: failedBefore)
    #expect(today.isClearlyAbove(before) == isUp)
  }

  // MARK: - Habits

  /// An hour on a Monday.
  static let monday: Int64 = 494_712

  @Test("A nightly run is missed the next afternoon")
  func nightly() throws {
    let hours = (0..<14).map { Self.monday + 2 + 24 * $0 }
    let habit = try #require(ActivityHabit(activeHours: hours))
    #expect(habit.longestGapHours == 24)
    let last = Instant(milliseconds: hours[13] * HourOfTime.milliseconds)
    let expected = habit.expectedBy(after: last)
    #expect(expected.milliseconds(since: last) == 37 * HourOfTime.milliseconds)
    let isQuiet = { (ms: Int64) in
      ActivityHabit.isQuietTooLong(
        expectedBy: expected, last: last, now: expected.adding(milliseconds: ms))
    }
    #expect(!isQuiet(0) && isQuiet(1))
    #expect(!isQuiet(ActivityHabit.historyHours * HourOfTime.milliseconds), "it was given up")
  }

  @Test("Office hours have the weekend as their gap, and nobody is called on a Saturday")
  func officeHours() throws {
    let days = (0..<12).filter { $0 % 7 < 5 }
    let hours = days.flatMap { day in (8..<18).map { Self.monday + 24 * Int64(day) + $0 } }
    let habit = try #require(ActivityHabit(activeHours: hours))
    #expect(habit.longestGapHours == 24 * 3 - 17 + 8)
    let last = Instant(milliseconds: try #require(hours.last) * HourOfTime.milliseconds)
    #expect(habit.expectedBy(after: last).milliseconds(since: last) > 64 * HourOfTime.milliseconds)
  }

  @Test("Work all the time is missed after two and a half hours")
  func allTheTime() throws {
    let habit = try #require(ActivityHabit(activeHours: Array(Self.monday..<Self.monday + 200)))
    let last = Instant(milliseconds: (Self.monday + 199) * HourOfTime.milliseconds)
    #expect(habit.expectedBy(after: last).milliseconds(since: last) == 9_000_000)
  }

  @Test(
    "Too little history is no habit",
    arguments: [
      [], [5], Array(0..<100), [0, 24, 48, 72, 96, 120, 144, 168, 192],
      // Three days in two weeks, however busy.
      Array(0..<10) + Array(150..<160) + Array(300..<310),
    ] as [[Int64]])
  func noHabit(hours: [Int64]) {
    #expect(ActivityHabit(activeHours: hours.map { Self.monday + $0 }) == nil)
  }

  @Test("What lies more than two weeks before the last activity is no habit")
  func oldHistory() {
    let old = (0..<200).map { Self.monday + $0 }
    #expect(ActivityHabit(activeHours: old + [Self.monday + 600]) == nil)
  }

  // MARK: - Phases

  private static func moment(
    _ ms: Int64, _ to: Status, _ cause: TransitionCause, _ agent: String = ""
  ) -> LogMoment {
    LogMoment(at: Instant(milliseconds: ms), to: to, cause: cause, agentID: agent)
  }

  private static func phase(
    _ kind: LogPhase.Kind, _ from: Int64, _ to: Int64?, _ delivery: UInt32 = 0, _ agent: String = ""
  ) -> LogPhase {
    LogPhase(
      kind: kind, startedAt: Instant(milliseconds: from),
      endedAt: to.map { Instant(milliseconds: $0) }, delivery: delivery, agentID: agent)
  }

  @Test("A request is queued, leased and running")
  func request() {
    let phases = LogPhase.phases(of: [
      Self.moment(0, .queued, .request), Self.moment(5, .queued, .leased, "a"),
      Self.moment(7, .inProgress, .report, "a"), Self.moment(9, .inProgress, .report, "a"),
      Self.moment(20, .completed, .report, "a"),
    ])
    #expect(
      phases == [
        Self.phase(.queued, 0, 5), Self.phase(.leased, 5, 7, 1, "a"),
        Self.phase(.running, 7, 20, 1, "a"),
      ])
  }

  @Test("Each delivery has its phases; one that was not accepted keeps its number")
  func deliveries() {
    let phases = LogPhase.phases(of: [
      Self.moment(0, .queued, .request), Self.moment(1, .queued, .leased, "a"),
      Self.moment(2, .queued, .notAccepted), Self.moment(3, .queued, .leased, "b"),
      Self.moment(4, .inProgress, .report, "b"), Self.moment(5, .queued, .connectionLost),
      Self.moment(6, .queued, .leased, "a"), Self.moment(7, .inProgress, .report, "a"),
    ])
    #expect(
      phases == [
        Self.phase(.queued, 0, 1), Self.phase(.leased, 1, 2, 1, "a"), Self.phase(.queued, 2, 3),
        Self.phase(.leased, 3, 4, 1, "b"), Self.phase(.running, 4, 5, 1, "b"),
        Self.phase(.queued, 5, 6), Self.phase(.leased, 6, 7, 2, "a"),
        Self.phase(.running, 7, nil, 2, "a"),
      ])
  }

  @Test("Own work only runs, and what one report told whole has no phases")
  func ownWork() {
    #expect(
      LogPhase.phases(of: [
        Self.moment(3, .inProgress, .report, "a"), Self.moment(8, .timedOut, .progressTimeout),
      ]) == [Self.phase(.running, 3, 8, 0, "a")])
    #expect(LogPhase.phases(of: [Self.moment(3, .completed, .report, "a")]) == [])
    #expect(LogPhase.phases(of: []) == [])
  }

  @Test("A report that leaves a request queued is from its holder")
  func queuedReport() {
    let phases = LogPhase.phases(of: [
      Self.moment(0, .queued, .request), Self.moment(1, .queued, .leased, "a"),
      Self.moment(2, .queued, .report, "a"), Self.moment(3, .queued, .note),
      Self.moment(4, .failed, .report, "a"), Self.moment(9, .failed, .handled),
    ])
    #expect(phases == [Self.phase(.queued, 0, 1), Self.phase(.leased, 1, 4, 1, "a")])
  }

  // MARK: - The calendar

  private static let utc: ZoneOffset = { _ in 0 }
  /// Berlin in the autumn of 2026: an hour back on October 25 at 01:00 UTC.
  private static let berlin: ZoneOffset = { $0.milliseconds < 1_792_890_000_000 ? 7_200 : 3_600 }

  @Test("Periods have the names of the zone's calendar")
  func periods() {
    let at = Instant(milliseconds: 1_795_509_000_000)  // 2026-11-24T08:30:00Z, a Tuesday
    #expect(LogPeriod.hour.name(at: at, Self.utc) == "2026-11-24T08:00Z")
    #expect(LogPeriod.hour.name(at: at, Self.berlin) == "2026-11-24T09:00+01:00")
    #expect(LogPeriod.day.name(at: at, Self.utc) == "2026-11-24")
    #expect(LogPeriod.week.name(at: at, Self.utc) == "2026-11-23")
    #expect(LogPeriod.month.name(at: at, Self.utc) == "2026-11")
    let anchorage: ZoneOffset = { _ in -9 * 3_600 }
    #expect(LogPeriod.day.name(at: at, anchorage) == "2026-11-23")
    #expect(LogPeriod.week.name(at: .epoch, Self.utc) == "1969-12-29")
    #expect(LogPeriod.localTime(at, Self.berlin) == "2026-11-24T09:30:00+01:00")
    #expect(LogPeriod.day.name(at: Instant(milliseconds: -1), Self.utc) == "1969-12-31")
  }

  @Test("The hour that comes twice in autumn has two names")
  func autumn() {
    let change = Instant(milliseconds: 1_792_890_000_000)
    #expect(
      LogPeriod.hour.name(at: change.adding(milliseconds: -1), Self.berlin)
        == "2026-10-25T02:00+02:00")
    #expect(LogPeriod.hour.name(at: change, Self.berlin) == "2026-10-25T02:00+01:00")
    let day = LogPeriod.day(of: change, Self.berlin)
    let length = LogPeriod.start(ofDay: day + 1, Self.berlin)
      .milliseconds(since: LogPeriod.start(ofDay: day, Self.berlin))
    #expect(length == 25 * HourOfTime.milliseconds)
  }

  @Test(
    "Offsets are read", arguments: [("", 0), ("Z", 0), ("+05:45", 20_700), ("-03:30", -12_600)])
  func offsets(text: String, seconds: Int) throws {
    let offset = try #require(LogPeriod.fixedOffset(text))
    #expect(offset(.epoch) == seconds)
  }

  @Test("No offsets", arguments: ["+5", "Europe/Berlin", "+99:00", "+01:60", "+01-00", "ä1:00"])
  func noOffsets(text: String) { #expect(LogPeriod.fixedOffset(text) == nil) }

  // MARK: - Charts

  @Test("A day in 60 has half hours at round times")
  func chartOfDay() {
    let until = Instant(milliseconds: 1_795_509_100_000)
    let scale = ChartScale(
      since: until.adding(milliseconds: -86_400_000), until: until, about: 60, Self.utc)
    #expect(scale.bucketMs == 1_800_000)
    #expect(scale.starts.count == 49)
    #expect(scale.starts[0].milliseconds % 1_800_000 == 0)
    for (index, start) in scale.starts.enumerated() {
      let grain = start.milliseconds(since: scale.origin) / scale.grainMs
      #expect(scale.bucket(ofGrain: grain) == index)
    }
  }

  @Test("Days begin at midnight of the zone, weeks on Monday")
  func chartOfDays() {
    let since = Instant(milliseconds: 1_792_800_000_000)
    let days = ChartScale(
      since: since, until: since.adding(milliseconds: 20 * 86_400_000), about: 30, Self.berlin)
    #expect(days.bucketMs == 86_400_000)
    #expect(days.starts.allSatisfy { LogPeriod.hour.name(at: $0, Self.berlin).contains("T00:00") })
    let weeks = ChartScale(
      since: since, until: since.adding(milliseconds: 20 * 86_400_000), about: 3, Self.utc)
    #expect(weeks.bucketMs == 7 * 86_400_000)
    #expect(
      weeks.starts.allSatisfy {
        LogPeriod.week.name(at: $0, Self.utc)
          == LogPeriod.day.name(at: $0, Self.utc)
      })
  }

  @Test(
    "Never more buckets than allowed, whatever the span",
    arguments: [1, 999, 86_400_000, 31 * 86_400_000, 1 << 45, 1 << 60] as [Int64],
    [1, 60, 1_000, 100_000])
  func chartBounds(span: Int64, wanted: Int) {
    let since = Instant(milliseconds: 1_000_000_000_007)
    let scale = ChartScale(
      since: since, until: since.adding(milliseconds: span), about: wanted, Self.utc)
    #expect((1...ChartScale.maximumBuckets).contains(scale.starts.count))
    #expect(scale.starts[0] <= since)
    #expect(scale.starts == scale.starts.sorted())
  }
}
