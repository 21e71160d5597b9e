import IntegrationModel
import IntegrationStore
import RPCWire

// The service wakes for schedules: one deadline for the earliest of them.

extension IntegrationService {
  /// The longest sleep while there are schedules: a wall clock that was set is noticed by then.
  static let scheduleCheckMs: Int64 = 30_000
  /// How many schedules fire in one wake-up; more follow at once.
  static let maximumFired = 200

  /// Reads the zones of all schedules and begins to watch the clock.
  ///
  /// What was missed while the server was down is due now.
  func loadSchedules(_ stored: [StoredSchedule]) async {
    let byZone = Dictionary(grouping: stored, by: \.timeZone)
    for (zone, concerned) in byZone.sorted(by: { $0.key < $1.key }) {
      do throws(ZoneFailure) {
        _ = try await zones.load(zone)
      } catch {
        configuration.log(
          "level=error event=schedules_stopped schedules=\(concerned.count) "
            + "first=\(concerned[0].name) problem=\"\(error.message)\"")
      }
    }
    for schedule in stored { schedules.update(schedule) }
    bringSchedulesNearer()
    armSchedules()
  }

  /// Sets the timer for the earliest schedule, unless it is set for that time or an earlier one.
  func armSchedules() {
    guard let earliest = schedules.earliest else { return }
    let wait = earliest.milliseconds(since: configuration.clock())
    let at = ServiceTimer<Deadline>.nowMs + min(max(0, wait), Self.scheduleCheckMs)
    let isEarlier = schedulesDueMs.withLock { due in
      guard at < due else { return false }
      due = at
      return true
    }
    if isEarlier { schedule(.schedules, atMs: at) }
  }

  /// Fires what is due by the wall clock, and sets the timer again.
  func wakeForSchedules() {
    let isDue = schedulesDueMs.withLock { due in
      guard due <= ServiceTimer<Deadline>.nowMs else { return false }
      due = .max
      return true
    }
    guard isDue else { return }
    fireSchedules()
    armSchedules()
  }

  /// Hands the store what is due.
  func fireSchedules() {
    let now = configuration.clock()
    for entry in schedules.takeDue(by: now, maximum: Self.maximumFired) {
      if let fire = fire(entry, now: now) { submit(fire, now: now) }
    }
  }

  /// Hands the store a schedule's time, or looks at the schedule again in a second.
  func submit(_ fire: FireSchedule, now: Instant) {
    let name = fire.name
    let taken = store.submit { batch in
      batch.append(
        .schedule(.fire(fire)), now: now,
        origin: .completion { [weak self] outcome in self?.fired(name, outcome, now: now) })
    }
    if !taken { schedules.putBack(name, until: now.adding(milliseconds: 1_000)) }
  }

  private func fire(_ entry: ScheduleBook.Entry, now: Instant) -> FireSchedule? {
    let stored = entry.stored
    guard let pace = entry.pace, let due = stored.nextAt else { return nil }
    let plan = pace.plan(due: due, now: now)
    var refusal: String?
    if plan.run != nil, let error = self.refusal(of: stored) {
      let fields = error.violations.prefix(3).map { "; \($0.field): \($0.description)" }
      refusal = "\(error.reason): \(error.message)\(fields.joined())"
    }
    return FireSchedule(
      name: stored.name, due: due, plan: plan, refusal: refusal, logID: Self.newLogID())
  }

  /// The store has answered; the event of the commit has updated the schedule already.
  private func fired(_ name: String, _ outcome: CommandOutcome, now: Instant) {
    let reason: String
    if case .failed(let failure) = outcome {
      reason = failure.reason
    } else if case .scheduleFired(.stale) = outcome, schedules.entry(name)?.isFiring == true {
      // Where somebody was faster, an event has brought the schedule up to date; none has.
      reason = "STALE"
    } else {
      return
    }
    configuration.log("level=warning event=schedule_waits schedule=\(name) reason=\(reason)")
    schedules.putBack(name, until: now.adding(milliseconds: 1_000))
    armSchedules()
  }

  /// A schedule was made, changed or has fired.
  func follow(_ schedule: StoredSchedule) {
    schedules.update(schedule)
    armSchedules()
  }

  /// Why a schedule's action cannot be asked for as it says; nil: it can.
  func refusal(of schedule: StoredSchedule) -> RPCError? {
    guard let action = catalogue.action(schedule.integration, schedule.actionType) else {
      return .unknownAction(
        schedule.actionType, of: catalogue.name(of: schedule.integration),
        known: catalogue.actions(of: schedule.integration).filter { !$0.isRetired })
    }
    guard !action.isRetired else {
      return RPCError(
        .failedPrecondition, "no agent declares action \(schedule.actionType) any more",
        reason: Reason.actionRetired)
    }
    guard action.effective.canBeRequested else {
      return RPCError(
        .failedPrecondition,
        "action \(schedule.actionType) cannot be requested; only its agent starts it, unless "
          + "an operator allows it: `integrationctl actions update`",
        reason: Reason.actionNotRequestable)
    }
    var checks = FieldChecks()
    checks.request(schedule.asked, schedule.entity, action.declaration)
    guard checks.isEmpty else { return .invalid(checks.violations) }
    do throws(RPCError) {
      try InputCheck(action.declaration).check(schedule.input)
      return nil
    } catch {
      return error
    }
  }
}
