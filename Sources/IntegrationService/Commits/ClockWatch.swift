import IntegrationModel
import IntegrationStore
import RPCServer
import RPCTransport

// Somebody may set the machine's wall clock: what lasts a span goes on as if nothing had happened,
// what has its time follows the clock.

extension IntegrationService {
  /// How often the machine's clock is looked at.
  private static let clockCheckMs: Int64 = 1_000
  /// A difference that is not followed until it has grown: a clock that is kept right differs less,
  /// and each step has the store touch all open requests.
  private static let clockToleranceMs: UInt64 = 500

  /// Follows the machine's clock, and sets the time of the next look.
  func watchClock() {
    if ServerWallClock.aheadMilliseconds.magnitude > Self.clockToleranceMs { followClock() }
    schedule(.clock, atMs: ServiceTimer<Deadline>.nowMs + Self.clockCheckMs)
  }

  private func followClock() {
    var step: Int64 = 0
    // Set while the batch is locked: no command can have a time by the new clock and stand before
    // the one that moves deadlines. A batch that is full is tried again at the next look.
    let taken = store.submit { batch in
      step = ServerWallClock.follow()
      batch.append(
        .moveClock(byMs: step), now: ServerClock.now,
        // A store without space keeps the step; the next try at deadlines brings it.
        origin: .completion { [weak self] outcome in self?.deadlinesHandled(outcome) })
    }
    guard taken else { return }
    configuration.log(
      "level=warning event=clock_set by_ms=\(step) "
        + "hint=\"leases and timeouts go on as if it had not been; schedules and ends follow it\"")
    clockMoved(byMs: step)
  }

  /// Memory follows a step of the clock.
  func clockMoved(byMs step: Int64) {
    let now = ServerClock.now
    agents.clockMoved(byMs: step, now: now, since: startedAt)
    journalKeptAt.withLock { $0 = $0.adding(milliseconds: step) }
    lookForEnds()
    if step < 0 { bringSchedulesNearer() }
    armSchedules()
  }

  /// The store says whether the clock is believed; where it no longer is, people hear of it.
  func noteDoubt(_ doubt: ClockDoubt) {
    let wasDoubtful = retention.doubt.isDoubtful
    retention.note(doubt)
    guard doubt.isDoubtful, !wasDoubtful else { return }
    configuration.log(
      "level=warning event=clock_doubted ahead_ms=\(doubt.aheadMs) "
        + "hint=\"nothing is removed by its age for a day; if the clock is wrong, set it\"")
  }

  /// Schedules whose next time was found by a clock that was ahead get the first one from now on.
  ///
  /// A time that has run already makes no second request: the store knows it by its key.
  func bringSchedulesNearer() {
    let now = configuration.clock()
    for (entry, first) in schedules.takeFarther(than: now) {
      guard let due = entry.stored.nextAt else { continue }
      let plan = SchedulePlan(
        run: nil, passed: 0, isCatchUp: false, next: first.time, fireAt: first.fireAt)
      let fire = FireSchedule(
        name: entry.stored.name, due: due, plan: plan, refusal: nil, logID: Self.newLogID())
      submit(fire, now: now)
    }
  }
}

extension AgentTable {
  /// What was noted since the server started, by the clock before a step, is noted by the new one.
  func clockMoved(byMs step: Int64, now: Instant, since start: Instant) {
    let before = now.adding(milliseconds: -step)
    let oldStart = start.adding(milliseconds: -step)
    // By the old clock: what lies ahead of the new one where that was set back, else what is not
    // later than the old one's last time.
    let old = step < 0 ? max(now.adding(milliseconds: 1), oldStart)...before : oldStart...before
    for record in all() { record.clockMoved(byMs: step, from: old) }
  }
}
