import IntegrationModel
import Testing

@Suite struct SchedulePaceTests {
  static let anchor = Instant(milliseconds: 1_800_000_000_250)

  private func pace(
    everyMs: Int64 = 60_000, _ catchUp: ScheduleCatchUp = .last, windowMs: UInt64 = 0,
    jitterMs: UInt64 = 0
  ) -> SchedulePace {
    SchedulePace(
      name: "nightly", timing: .interval(milliseconds: everyMs, anchor: Self.anchor),
      catchUp: catchUp, windowMs: windowMs, jitterMs: jitterMs)
  }

  private func after(_ ms: Int64) -> Instant { Self.anchor.adding(milliseconds: ms) }

  @Test("An interval counts from when the schedule was made, also where the clock was set back")
  func interval() {
    let timing = ScheduleTiming.interval(milliseconds: 60_000, anchor: Self.anchor)
    #expect(timing.next(after: after(0)) == after(60_000))
    #expect(timing.next(after: after(59_999)) == after(60_000))
    #expect(timing.next(after: after(60_000)) == after(120_000))
    #expect(timing.next(after: after(-10_000_000)) == after(-9_960_000))
    #expect(timing.next(after: after(-1)) == after(0))
  }

  @Test("Times end with the year 9999")
  func lastYear() throws {
    let late = Instant(milliseconds: 253_402_214_400_000)
    let cron = ScheduleTiming.cron(CronTimes(try CronExpression("0 0 1 * *"), in: .utc))
    #expect(cron.next(after: late) == nil)
    let interval = ScheduleTiming.interval(milliseconds: 31_622_400_000, anchor: late)
    #expect(interval.next(after: late) == nil)
    let year = ScheduleTiming.interval(milliseconds: 1_000, anchor: .epoch)
    #expect(year.next(after: .distantFuture) == nil)
    #expect(year.next(after: Instant(milliseconds: .min)).map { $0 < .epoch } == true)
  }

  @Test("On time: it runs, whatever catch-up says", arguments: ScheduleCatchUp.allCases)
  func onTime(catchUp: ScheduleCatchUp) {
    let plan = pace(catchUp).plan(due: after(60_000), now: after(60_007))
    #expect(plan.run == after(60_000) && plan.passed == 0 && !plan.isCatchUp)
    #expect(plan.next == after(120_000) && plan.fireAt == after(120_000))
  }

  @Test("After an hour: none runs the current one, last one for all, all each behind the other")
  func hour() {
    let now = after(3_600_000 + 70_000)
    let none = pace(.none).plan(due: after(60_000), now: now)
    #expect(none.run == after(3_660_000) && none.passed == 60 && none.next == after(3_720_000))
    let last = pace(.last).plan(due: after(60_000), now: now)
    #expect(last == none)
    let all = pace(.all).plan(due: after(60_000), now: now)
    #expect(all.run == after(60_000) && all.isCatchUp && all.next == after(120_000))
  }

  @Test("All: a time that the next one has overtaken waits behind the one before")
  func overtaken() {
    let pace = pace(everyMs: 1_000, .all)
    let first = pace.plan(due: after(1_000), now: after(8_500))
    #expect(first.run == after(1_000) && first.isCatchUp && first.next == after(2_000))
    #expect(!pace.plan(due: after(8_000), now: after(8_500)).isCatchUp)
  }

  @Test("None: what is more than a minute late passes")
  func none() {
    let plan = pace(everyMs: 3_600_000, .none).plan(due: after(3_600_000), now: after(3_700_000))
    #expect(plan.run == nil && plan.passed == 1 && plan.next == after(7_200_000))
  }

  @Test("Older than the window passes: one day, unless another is set")
  func window() {
    let week: Int64 = 604_800_000
    let late = after(week + 90_000_000)
    let last = pace(everyMs: week, .last).plan(due: after(week), now: late)
    #expect(last.run == nil && last.passed == 1 && last.next == after(2 * week))
    let wide = pace(everyMs: week, .last, windowMs: 172_800_000)
    #expect(wide.plan(due: after(week), now: late).run == after(week))
    let all = pace(.all, windowMs: 600_000).plan(due: after(60_000), now: after(3_600_000))
    #expect(all.run == after(3_000_000) && all.passed == 49 && all.isCatchUp)
  }

  @Test("All: handled one by one, every time within the window runs once, in order")
  func allOfThem() throws {
    let pace = pace(.all, windowMs: 86_400_000, jitterMs: 30_000)
    let now = after(7_200_000)
    var due = after(60_000)
    var runs: [Instant] = []
    while pace.fireAt(due) <= now {
      let plan = pace.plan(due: due, now: now)
      runs.append(try #require(plan.run))
      due = try #require(plan.next)
    }
    #expect(runs.count == 119 || runs.count == 120)
    #expect(zip(runs, runs.dropFirst()).allSatisfy { $1.milliseconds(since: $0) == 60_000 })
  }

  @Test("A year of downtime is planned in bounded work, for the shortest interval too")
  func longDowntime() {
    let plan = pace(everyMs: 1_000, .last, windowMs: 60_000)
      .plan(due: after(1_000), now: after(31_536_000_000))
    #expect(plan.run == after(31_536_000_000) && plan.passed == 31_535_999)
    let cron = SchedulePace(
      name: "n", timing: .cron(CronTimes(try! CronExpression("* * * * *"), in: .utc)),
      catchUp: .none, windowMs: 0, jitterMs: 0)
    let due = Instant(milliseconds: 1_799_999_940_000)
    let long = cron.plan(due: due, now: due.adding(milliseconds: 315_360_000_000))
    #expect(long.run == due.adding(milliseconds: 315_360_000_000))
    #expect(long.passed >= UInt64(SchedulePlan.maximumCounted))
  }

  @Test("Jitter is the same each time, within its bound, and never passes the next time")
  func jitter() {
    var waits: Set<Int64> = []
    for number in 1...2_000 as ClosedRange<Int64> {
      let time = after(number * 60_000)
      let next = after((number + 1) * 60_000)
      for jitterMs in [1, 5_000, 86_400_000] as [UInt64] {
        let fireAt = ScheduleJitter.fireAt(time, next: next, jitterMs: jitterMs, schedule: "a")
        #expect(fireAt >= time && fireAt < next)
        #expect(fireAt.milliseconds(since: time) <= Int64(jitterMs))
        #expect(
          fireAt == ScheduleJitter.fireAt(time, next: next, jitterMs: jitterMs, schedule: "a"))
      }
      waits.insert(
        ScheduleJitter.fireAt(time, next: next, jitterMs: 9_999, schedule: "a")
          .milliseconds(since: time))
    }
    #expect(waits.count > 1_500, "spread over the bound")
    #expect((waits.min() ?? 0) < 100 && (waits.max() ?? 0) > 9_900)
    #expect(pace().fireAt(after(60_000)) == after(60_000))
  }
}
