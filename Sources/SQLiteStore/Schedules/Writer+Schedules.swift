import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Does a command about schedules.
  func perform(_ command: ScheduleCommand, now: Instant) throws -> CommandOutcome {
    switch command {
    case .create(let schedule): try create(schedule)
    case .update(let schedule, let from, _): try update(schedule, from: from)
    case .pause(let name, let reason, _): try pause(name, reason: reason)
    case .resume(let name, let next, let fireAt, _):
      try resume(name, nextAt: next, fireAt: fireAt)
    case .fire(let fire): .scheduleFired(try self.fire(fire, now: now))
    case .trigger(let name, let logID, let principal):
      try trigger(name, logID: logID, principal: principal, now: now)
    case .delete(let name, _): try delete(name, now: now)
    }
  }

  private func known(_ name: String) throws -> StoredSchedule {
    guard let schedule = try ScheduleRows.find(database, name: name) else {
      throw StoreFailure.scheduleUnknown(name)
    }
    return schedule
  }

  // MARK: - What people do

  private func create(_ schedule: StoredSchedule) throws -> CommandOutcome {
    guard directory.integrations[schedule.integration] != nil else {
      throw StoreFailure.integrationUnknown("\(schedule.integration)")
    }
    guard try ScheduleRows.find(database, name: schedule.name) == nil else {
      throw StoreFailure(
        .alreadyExists, "SCHEDULE_EXISTS",
        "there is a schedule \(schedule.name) already; choose another name, or change that one: "
          + "`integrationctl schedules update \(schedule.name)`")
    }
    let count = try database.rows("SELECT count(*) FROM schedules").first?.first?.integer ?? 0
    guard count < limits.maximumSchedules else {
      throw StoreFailure(
        .resourceExhausted, "TOO_MANY_SCHEDULES",
        "there are \(count) schedules, the most that may be (--maximum-schedules); delete one that "
          + "is not needed, or raise the limit")
    }
    var stored = schedule
    stored.id = try ScheduleRows.insert(schedule, database)
    emit(.scheduleChanged(stored))
    return .schedule(stored)
  }

  private func update(
    _ schedule: StoredSchedule, from: StoredSchedule
  ) throws -> CommandOutcome {
    let stored = try known(schedule.name)
    guard stored.revision == from.revision, stored.nextAt == from.nextAt, stored.id == from.id
    else {
      throw StoreFailure(
        .aborted, "SCHEDULE_CHANGED",
        "schedule \(schedule.name) was changed meanwhile; look at it and try again")
    }
    var next = schedule
    next.id = stored.id
    next.createdAt = stored.createdAt
    next.createdBy = stored.createdBy
    next.isPaused = stored.isPaused
    next.pauseReason = stored.pauseReason
    next.lastAt = stored.lastAt
    next.lastLog = stored.lastLog
    next.runs = stored.runs
    next.skipped = stored.skipped
    next.revision = stored.revision + 1
    try ScheduleRows.update(next, database)
    emit(.scheduleChanged(next))
    return .schedule(next)
  }

  private func pause(_ name: String, reason: String) throws -> CommandOutcome {
    var schedule = try known(name)
    schedule.isPaused = true
    schedule.pauseReason = reason
    schedule.nextAt = nil
    schedule.fireAt = nil
    schedule.revision += 1
    try ScheduleRows.move(schedule, database)
    emit(.scheduleChanged(schedule))
    return .schedule(schedule)
  }

  private func resume(
    _ name: String, nextAt: Instant?, fireAt: Instant?
  ) throws -> CommandOutcome {
    var schedule = try known(name)
    guard schedule.isPaused else { return .schedule(schedule) }
    schedule.isPaused = false
    schedule.pauseReason = ""
    schedule.nextAt = nextAt
    schedule.fireAt = fireAt
    schedule.revision += 1
    try ScheduleRows.move(schedule, database)
    emit(.scheduleChanged(schedule))
    return .schedule(schedule)
  }

  private func delete(_ name: String, now: Instant) throws -> CommandOutcome {
    try remove(try known(name), now: now)
    return .done
  }

  /// Removes all schedules of an integration.
  func removeSchedules(of integration: IntegrationID, now: Instant) throws {
    for schedule in try ScheduleRows.all(database) where schedule.integration == integration {
      try remove(schedule, now: now)
    }
  }

  private func remove(_ schedule: StoredSchedule, now: Instant) throws {
    // Where a record is taken by one at a time, those behind it could not go at once.
    let isOneOpen = oneOpen(schedule)
    for run in try runs(of: schedule.id, in: .waiting, limit: .max) {
      guard isOneOpen else {
        try release(run, now: now)
        continue
      }
      _ = try cancelRequest(
        run.id, reason: "Schedule \(schedule.name) was deleted while it waited.",
        principal: schedule.principal, now: now)
    }
    try database.run("DELETE FROM schedule_logs WHERE schedule = ?", .integer(schedule.id))
    try database.run("DELETE FROM schedules WHERE id = ?", .integer(schedule.id))
    emit(.scheduleRemoved(name: schedule.name))
  }

  // MARK: - A time has come

  /// Handles a time: it makes a request or says why not, and the schedule goes on.
  ///
  /// What is stored decides. A time that is not the stored one was handled before.
  private func fire(_ fire: FireSchedule, now: Instant) throws -> FireOutcome {
    try finishEndedRuns()
    guard var schedule = try ScheduleRows.find(database, name: fire.name), !schedule.isPaused,
      schedule.nextAt == fire.due
    else { return .stale }
    schedule.nextAt = fire.plan.next
    schedule.fireAt = fire.plan.fireAt
    schedule.skipped += fire.plan.passed
    let outcome = try run(fire, &schedule, now: now)
    try ScheduleRows.move(schedule, database)
    emit(.scheduleChanged(schedule))
    return outcome
  }

  private func run(
    _ fire: FireSchedule, _ schedule: inout StoredSchedule, now: Instant
  ) throws -> FireOutcome {
    guard let time = fire.plan.run else {
      // Otherwise only the next time is another: the clock was set back.
      if fire.plan.passed > 0 {
        schedule.lastError = "the server was down at \(fire.due.utcText); the time has passed"
      }
      return .passed
    }
    // The clock was set back over a time that has run.
    guard try !wasMade(time, of: schedule) else { return .passed }
    if let refusal = fire.refusal {
      schedule.lastError = refusal
      schedule.failures += 1
      return .passed
    }
    guard let isHeld = try makeRoom(for: time, fire, &schedule, now: now) else {
      schedule.skipped += 1
      return .passed
    }
    do {
      let key = FireSchedule.idempotencyKey(schedule: schedule.name, time: time)
      let made = try request(
        schedule, logID: fire.logID, key: key, principal: schedule.principal, isHeld: isHeld,
        now: now)
      schedule.note(run: made, at: time)
      return .requested(made)
    } catch let failure as StoreFailure {
      schedule.lastError = "\(failure)"
      schedule.failures += 1
      return .passed
    }
  }

  private func wasMade(_ time: Instant, of schedule: StoredSchedule) throws -> Bool {
    let find = try database.statement(
      """
      SELECT 1 FROM requests WHERE integration = ? AND idempotency_key = ? AND original = 1
      """)
    defer { find.reset() }
    find.bind(1, schedule.integration)
    find.bind(2, FireSchedule.idempotencyKey(schedule: schedule.name, time: time))
    return try find.step()
  }

  /// Does what the schedule says about runs before that have not ended; nil: the time passes,
  /// true: the run waits for them.
  private func makeRoom(
    for time: Instant, _ fire: FireSchedule, _ schedule: inout StoredSchedule, now: Instant
  ) throws -> Bool? {
    let open = try runs(of: schedule.id, in: .open, limit: Self.maximumOpenRuns)
    guard let first = open.first else { return false }
    guard open.count < Self.maximumOpenRuns else {
      schedule.lastError =
        "\(open.count) runs have not ended, the most that may wait; \(time.utcText) was skipped"
      return nil
    }
    switch fire.plan.isCatchUp ? .queue : schedule.overlap {
    case .queue: return true
    case .skip:
      schedule.lastError =
        "the run before it, log \(first.id), had not ended; \(time.utcText) was skipped"
      return nil
    case .cancelRunning:
      for run in open where try !isAskedToStop(run) {
        _ = try cancelRequest(
          run.id, reason: "The next run of schedule \(schedule.name) begins.",
          principal: schedule.principal, now: now)
      }
      try finishEndedRuns()
      // An agent that is asked to stop still has the record; the run waits where nobody else may.
      guard oneOpen(schedule) else { return false }
      return try !runs(of: schedule.id, in: .open, limit: 1).isEmpty
    }
  }

  /// Whether an agent knows that it shall stop a run: to say it each time would fill the history.
  private func isAskedToStop(_ run: ScheduleRun) throws -> Bool {
    try LogRow.find(database, integration: run.integration, id: run.id)?.isCancelWanted ?? true
  }

  /// Whether the schedule's action takes one open request for its record.
  private func oneOpen(_ schedule: StoredSchedule) -> Bool {
    let number = directory.actionIDs.value(schedule.actionType, scope: schedule.integration)
    guard let number, !schedule.entity.id.isEmpty else { return false }
    return directory.policies[number]?.oneOpenPerEntity ?? false
  }

  private func trigger(
    _ name: String, logID: LogID, principal: String, now: Instant
  ) throws -> CommandOutcome {
    try finishEndedRuns()
    var schedule = try known(name)
    let open = try runs(of: schedule.id, in: .open, limit: Self.maximumOpenRuns)
    guard open.count < Self.maximumOpenRuns else {
      throw StoreFailure(
        .resourceExhausted, "SCHEDULE_BUSY",
        "\(open.count) runs of schedule \(name) have not ended, the most that may be open; cancel "
          + "some: `integrationctl requests list --trigger SCHEDULE`")
    }
    let made = try request(
      schedule, logID: logID, key: "", principal: principal, isHeld: false, now: now)
    schedule.note(run: made, at: now)
    try ScheduleRows.move(schedule, database)
    emit(.scheduleChanged(schedule))
    guard let row = try LogRow.find(database, integration: schedule.integration, id: made) else {
      throw StoreFailure.logUnknown(made)
    }
    return .requested(try stored(row), duplicate: false)
  }

  /// Makes the request of a run and remembers it.
  private func request(
    _ schedule: StoredSchedule, logID: LogID, key: String, principal: String, isHeld: Bool,
    now: Instant
  ) throws -> LogID {
    let expires =
      schedule.expiresMs == 0
      ? nil : now.adding(milliseconds: Int64(clamping: schedule.expiresMs))
    let command = CreateRequest(
      integration: schedule.integration, actionType: schedule.actionType, logID: logID,
      entity: schedule.entity, input: schedule.input, idempotencyKey: key, notBefore: nil,
      expiresAt: expires, principal: principal, trigger: .schedule)
    let outcome = try createRequest(
      command, behind: isHeld ? schedule.id : nil, now: now)
    guard case .requested(let log, let duplicate) = outcome else { return logID }
    if !duplicate {
      try noteRun(log.id, of: schedule, isHeld: isHeld)
    }
    return log.id
  }
}

extension StoredSchedule {
  /// A time made a request.
  fileprivate mutating func note(run log: LogID, at time: Instant) {
    lastAt = max(lastAt ?? time, time)
    lastLog = log
    runs += 1
    lastError = ""
    failures = 0
  }
}
