import IntegrationModel
import IntegrationStore
import RPCServer
import RPCTransport

// Somebody may set the machine's wall clock: what lasts a span goes on as if nothing had happened,
// what has its time follows the clock.

extension IntegrationService {
  /// How often the machine's clock is looked at.
  private static let clockCheckMs: Int64 = 1_000
  /// A difference that is not followed until it has grown: a clock that is kept right differs less.
  private static let clockToleranceMs: UInt64 = 50
  /// Logs are not removed by their age for a day after the clock was set ahead by more than this:
  /// it may be wrong, and what is removed does not come back.
  static let doubtfulStepMs: Int64 = 3_600_000
  private static let doubtMs: Int64 = 86_400_000

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
    clockLead.withLock { lead in
      lead.ms = lead.ms.addingReportingOverflow(step).partialValue
      if step > 0 { lead.sinceMs = ServiceTimer<Deadline>.nowMs }
    }
    lookForEnds()
    if step < 0 { bringSchedulesNearer() }
    armSchedules()
  }

  /// Whether the clock is so far ahead of where it was that nothing is removed by its age yet.
  var doubtsClock: Bool {
    clockLead.withLock { lead in
      lead.ms > Self.doubtfulStepMs
        && ServiceTimer<Deadline>.nowMs - lead.sinceMs < Self.doubtMs
    }
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
