import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

@Suite struct ScheduleTests {
  static let minute: Int64 = 60_000

  // MARK: - What people do

  @Test("A schedule is made, changed, paused, resumed and deleted", arguments: StoreKind.all)
  func life(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let made = try await harness.schedule { schedule in
      schedule.entity = EntityReference(type: "order", id: "42", displayName: "Order 42", url: "u")
      schedule.input = "{}"
      schedule.timeZone = "Europe/Berlin"
      schedule.overlap = .queue
      schedule.catchUp = .all
      schedule.catchUpWindowMs = 1
      schedule.jitterMs = 2
      schedule.expiresMs = 3
    }
    #expect(made.id > 0)
    #expect(try await harness.stored() == made)
    await harness.expectFailure(.alreadyExists, "SCHEDULE_EXISTS") {
      try await harness.schedule()
    }
    var changed = made
    changed.cron = "0 3 * * *"
    changed.runs = 99
    let outcome = try await harness.perform(
      .schedule(.update(changed, from: made, principal: "operator:a")))
    guard case .schedule(let updated) = outcome else { throw Unexpected(outcome) }
    #expect(updated.cron == "0 3 * * *" && updated.runs == 0 && updated.revision == 2)
    await harness.expectFailure(.aborted, "SCHEDULE_CHANGED") {
      try await harness.perform(.schedule(.update(changed, from: made, principal: "operator:a")))
    }
    try await harness.perform(
      .schedule(.pause(name: "nightly", reason: "upgrade", principal: "operator:a")))
    var stored = try #require(try await harness.stored())
    #expect(stored.isPaused && stored.pauseReason == "upgrade" && stored.nextAt == nil)
    let next = harness.now.adding(milliseconds: 1)
    try await harness.perform(
      .schedule(.resume(name: "nightly", nextAt: next, fireAt: next, principal: "operator:a")))
    stored = try #require(try await harness.stored())
    #expect(!stored.isPaused && stored.nextAt == next)
    try await harness.perform(.schedule(.delete(name: "nightly", principal: "operator:a")))
    #expect(try await harness.stored() == nil)
    for command in [
      ScheduleCommand.delete(name: "nightly", principal: ""),
      .pause(name: "nightly", reason: "", principal: ""),
      .trigger(name: "nightly", logID: harness.newID(), principal: ""),
    ] {
      await harness.expectFailure(.notFound, "SCHEDULE_UNKNOWN") {
        try await harness.perform(.schedule(command))
      }
    }
  }

  @Test("There are at most as many as the limit says", arguments: StoreKind.all)
  func limit(kind: StoreKind) async throws {
    var limits = StoreLimits()
    limits.maximumSchedules = 2
    let harness = try await StoreHarness(kind, limits: limits)
    for name in ["a", "b"] { try await harness.schedule(name) }
    await harness.expectFailure(StoreFailure.Kind.resourceExhausted, "TOO_MANY_SCHEDULES") {
      try await harness.schedule("c")
    }
  }

  // MARK: - A time has come

  @Test(
    "A time makes one request, and moves the schedule on in the same commit",
    arguments: StoreKind.all)
  func fires(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let made = try await harness.schedule { $0.expiresMs = 5_000 }
    let due = try #require(made.nextAt)
    harness.advance(milliseconds: Self.minute)
    let outcome = try await harness.fire(due)
    guard case .requested(let id) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    let stored = try #require(try await harness.stored())
    #expect(stored.runs == 1 && stored.lastAt == due && stored.lastLog == id)
    #expect(stored.nextAt == due.adding(milliseconds: Self.minute) && stored.lastError.isEmpty)
    let detail = try await harness.detail(id)
    #expect(detail.log.trigger == .schedule && detail.log.requestedBy == "schedule:nightly")
    #expect(detail.request?.idempotencyKey == "schedule nightly \(due.utcText)")
    #expect(try await harness.store.scheduleRuns(made.id, limit: 5).map(\.id) == [id])
    // The same time again, as after a lost reply or a clock that was set back: nothing.
    #expect(try await harness.fire(due) == .stale)
    #expect(try await harness.stored()?.runs == 1)
    #expect(harness.takeAvailable() == ["export_order"])
    harness.advance(milliseconds: 5_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .timedOut, "nobody took it before it expired")
  }

  @Test("A time of a paused or deleted schedule does nothing", arguments: StoreKind.all)
  func stale(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let due = try #require(try await harness.schedule().nextAt)
    try await harness.perform(.schedule(.pause(name: "nightly", reason: "", principal: "")))
    #expect(try await harness.fire(due) == .stale)
    try await harness.perform(.schedule(.delete(name: "nightly", principal: "")))
    #expect(try await harness.fire(due) == .stale)
  }

  @Test(
    "A schedule made anew under a name makes no second request for a time", arguments: StoreKind.all
  )
  func sameName(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let due = try #require(try await harness.schedule().nextAt)
    _ = try await harness.fire(due)
    try await harness.perform(.schedule(.delete(name: "nightly", principal: "")))
    try await harness.schedule()
    #expect(try await harness.fire(due) == .passed)
    #expect(harness.takeAvailable() == ["export_order"])
  }

  @Test(
    "What cannot be asked for is said, counted, and the schedule goes on", arguments: StoreKind.all)
  func refused(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var due = try #require(try await harness.schedule().nextAt)
    try await harness.register([ActionDeclaration(type: "other")], retiresUndeclared: true)
    #expect(try await harness.fire(due) == .passed)
    due = due.adding(milliseconds: Self.minute)
    #expect(try await harness.fire(due, refusal: "INPUT_INVALID: no") == .passed)
    var stored = try #require(try await harness.stored())
    #expect(stored.failures == 2 && stored.lastError == "INPUT_INVALID: no" && stored.runs == 0)
    #expect(stored.nextAt == due.adding(milliseconds: Self.minute))
    try await harness.register(StoreHarness.actions)
    _ = try await harness.fire(due.adding(milliseconds: Self.minute))
    stored = try #require(try await harness.stored())
    #expect(stored.failures == 0 && stored.lastError.isEmpty && stored.runs == 1)
  }

  @Test("Missed times are counted and said", arguments: StoreKind.all)
  func missed(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let due = try #require(try await harness.schedule().nextAt)
    let later = due.adding(milliseconds: 10 * Self.minute)
    let plan = SchedulePlan(run: nil, passed: 10, isCatchUp: false, next: later, fireAt: later)
    #expect(try await harness.fire(due, plan: plan) == .passed)
    let stored = try #require(try await harness.stored())
    #expect(stored.skipped == 10 && stored.failures == 0 && stored.nextAt == later)
    #expect(stored.lastError.contains("down"))
  }

  // MARK: - The run before has not ended

  @Test("Skip: the time passes while one is open, its retry included", arguments: StoreKind.all)
  func skip(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var due = try #require(
      try await harness.schedule { schedule in
        schedule.actionType = "export_quote"
        schedule.entity = EntityReference(type: "quote", id: "Q-1")
      }.nextAt)
    _ = try await harness.fire(due)
    due = due.adding(milliseconds: Self.minute)
    #expect(try await harness.fire(due) == .passed)
    var stored = try #require(try await harness.stored())
    #expect(stored.skipped == 1 && stored.lastError.contains("had not ended"))
    // It fails and is tried again: still the same run.
    let leased = try await harness.leaseOne()
    var report = Report()
    report.token = "\(leased.token)"
    report.action = "export_quote"
    report.isRetryable = true
    report.entity = EntityReference()
    try await harness.report(leased.logID, .failed, sequence: 1, report)
    due = due.adding(milliseconds: Self.minute)
    #expect(try await harness.fire(due) == .passed)
    harness.advance(milliseconds: 2_000)
    try await harness.expire()
    let retry = try await harness.leaseOne()
    report.token = "\(retry.token)"
    report.isRetryable = false
    try await harness.report(retry.logID, .completed, sequence: 1, report)
    due = due.adding(milliseconds: Self.minute)
    guard case .requested = try await harness.fire(due) else {
      Issue.record("expected a run")
      return
    }
    stored = try #require(try await harness.stored())
    #expect(stored.runs == 2 && stored.skipped == 2)
    #expect(try await harness.store.scheduleRuns(stored.id, limit: 10).count == 2)
  }

  @Test(
    "Queue: each waits until the one before has ended, over a restart too", arguments: StoreKind.all
  )
  func queue(kind: StoreKind) async throws {
    var harness = try await StoreHarness(kind)
    var due = try #require(try await harness.schedule { $0.overlap = .queue }.nextAt)
    var ids: [LogID] = []
    for _ in 0..<3 {
      harness.advance(milliseconds: Self.minute)
      guard case .requested(let id) = try await harness.fire(due) else {
        Issue.record("expected a run")
        return
      }
      ids.append(id)
      due = due.adding(milliseconds: Self.minute)
    }
    await harness.store.close()
    let again = try kind.open(harness.scratch.file("data"), StoreLimits())
    again.start(observer: harness.recorder)
    harness = harness.on(again)
    _ = harness.recorder.takeEvents()
    for id in ids {
      let leased = try await harness.lease()
      #expect(leased.requests.map(\.logID) == [id], "one at a time, oldest first")
      guard let request = leased.requests.first else { return }
      var report = Report()
      report.token = "\(request.token)"
      report.entity = EntityReference()
      _ = harness.takeAvailable()
      try await harness.report(id, .completed, sequence: 1, report)
      if id != ids.last { #expect(harness.takeAvailable().contains("export_order")) }
    }
  }

  @Test(
    "Queue: one that is withdrawn makes way, and a deleted schedule lets all go",
    arguments: StoreKind.all)
  func queueEnds(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var due = try #require(try await harness.schedule { $0.overlap = .queue }.nextAt)
    var ids: [LogID] = []
    for _ in 0..<4 {
      guard case .requested(let id) = try await harness.fire(due) else { return }
      ids.append(id)
      due = due.adding(milliseconds: Self.minute)
    }
    try await harness.perform(.cancelRequest(logID: ids[0], reason: "", principal: "operator:a"))
    #expect(try await harness.lease().requests.map(\.logID) == [ids[1]])
    try await harness.perform(.schedule(.delete(name: "nightly", principal: "")))
    #expect(try await harness.lease().requests.map(\.logID) == [ids[2], ids[3]])
  }

  @Test(
    "Cancel: the one before is withdrawn or asked to stop, and the new one goes",
    arguments: StoreKind.all)
  func cancelRunning(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var due = try #require(try await harness.schedule { $0.overlap = .cancelRunning }.nextAt)
    guard case .requested(let first) = try await harness.fire(due) else { return }
    due = due.adding(milliseconds: Self.minute)
    guard case .requested(let second) = try await harness.fire(due) else { return }
    #expect(try await harness.status(first) == .cancelled)
    let leased = try await harness.leaseOne()
    #expect(leased.logID == second)
    _ = harness.takeCancelWishes()
    due = due.adding(milliseconds: Self.minute)
    guard case .requested(let third) = try await harness.fire(due) else { return }
    #expect(harness.takeCancelWishes().map(\.logID) == [second])
    #expect(try await harness.leaseOne().logID == third)
  }

  @Test(
    "Where a record has one open request, runs wait for each other and refuse none",
    arguments: StoreKind.all, [ScheduleOverlap.cancelRunning, .queue])
  func oneOpen(kind: StoreKind, overlap: ScheduleOverlap) async throws {
    let harness = try await StoreHarness(kind)
    var rules = ActionOverride()
    rules.oneOpenPerEntity = true
    _ = try await harness.perform(
      .overridePolicy(
        OverridePolicy(
          integration: harness.integration, actionType: "export_order", change: rules, cleared: []))
    )
    let made = try await harness.schedule {
      $0.overlap = overlap
      $0.entity = EntityReference(type: "order", id: "O-1")
    }
    let due = try #require(made.nextAt)
    guard case .requested(let first) = try await harness.fire(due) else { return }
    let leased = try await harness.leaseOne()
    _ = harness.takeCancelWishes()
    let next = try await harness.fire(due.adding(milliseconds: Self.minute))
    guard case .requested(let second) = next else { return }
    let isCancelled = overlap == .cancelRunning
    #expect(harness.takeCancelWishes().map(\.logID) == (isCancelled ? [first] : []))
    #expect(try await harness.lease().requests.isEmpty)
    var report = Report()
    report.token = leased.token.description
    try await harness.report(first, isCancelled ? .cancelled : .completed, sequence: 1, report)
    #expect(try await harness.leaseOne().logID == second)
    // A third waits, and goes with its schedule.
    let last = try await harness.fire(due.adding(milliseconds: 2 * Self.minute))
    guard case .requested(let third) = last else { return }
    _ = try await harness.perform(.schedule(.delete(name: "nightly", principal: "")))
    #expect(try await harness.status(third) == .cancelled)
  }

  @Test(
    "A caught-up time waits behind the one before, whatever the overlap", arguments: StoreKind.all)
  func catchUp(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var due = try #require(try await harness.schedule().nextAt)
    var ids: [LogID] = []
    for _ in 0..<2 {
      let next = due.adding(milliseconds: Self.minute)
      let plan = SchedulePlan(run: due, passed: 0, isCatchUp: true, next: next, fireAt: next)
      guard case .requested(let id) = try await harness.fire(due, plan: plan) else { return }
      ids.append(id)
      due = next
    }
    #expect(try await harness.lease().requests.map(\.logID) == [ids[0]])
  }

  @Test("A trigger makes a request beside the times, also while paused", arguments: StoreKind.all)
  func trigger(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let made = try await harness.schedule()
    _ = try await harness.fire(try #require(made.nextAt))
    try await harness.perform(.schedule(.pause(name: "nightly", reason: "", principal: "")))
    let id = harness.newID()
    let outcome = try await harness.perform(
      .schedule(.trigger(name: "nightly", logID: id, principal: "operator:a")))
    guard case .requested(let log, false) = outcome else { throw Unexpected(outcome) }
    #expect(log.id == id && log.requestedBy == "operator:a" && log.trigger == .schedule)
    #expect(try await harness.lease().requests.count == 2)
    #expect(try await harness.store.scheduleRuns(made.id, limit: 1).map(\.id) == [id])
    let status = try await harness.store.statuses([
      LogPosition(logID: id, integration: harness.integration),
      LogPosition(logID: harness.newID(), integration: harness.integration),
    ])
    #expect(Array(status.values) == [.queued])
  }

  @Test("Old runs are forgotten, so that a schedule never grows", arguments: StoreKind.all)
  func forgets(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let made = try await harness.schedule { $0.overlap = .cancelRunning }
    var due = try #require(made.nextAt)
    for _ in 0..<40 {
      harness.advance(milliseconds: Self.minute)
      _ = try await harness.fire(due)
      due = due.adding(milliseconds: Self.minute)
    }
    let runs = try await harness.store.scheduleRuns(made.id, limit: 100)
    #expect((20...22).contains(runs.count))
    #expect(try await harness.stored()?.runs == 40)
  }
}

extension StoreHarness {
  /// Makes a schedule whose next time is in a minute.
  @discardableResult
  fileprivate func schedule(
    _ name: String = "nightly", _ change: (inout StoredSchedule) -> Void = { _ in }
  ) async throws -> StoredSchedule {
    var schedule = StoredSchedule(
      name: name, integration: integration, actionType: "export_order", createdAt: now,
      createdBy: "operator:local")
    schedule.cron = "* * * * *"
    schedule.nextAt = now.adding(milliseconds: ScheduleTests.minute)
    schedule.fireAt = schedule.nextAt
    change(&schedule)
    let outcome = try await perform(.schedule(.create(schedule)))
    guard case .schedule(let stored) = outcome else { throw Unexpected(outcome) }
    return stored
  }

  /// The schedule as a server would find it at its start.
  fileprivate func stored(_ name: String = "nightly") async throws -> StoredSchedule? {
    try await store.loadCatalog().schedules.first { $0.name == name }
  }

  /// Handles a time; the next one comes a minute later.
  fileprivate func fire(
    _ due: Instant, plan: SchedulePlan? = nil, refusal: String? = nil
  ) async throws -> FireOutcome {
    let next = due.adding(milliseconds: ScheduleTests.minute)
    let plan =
      plan ?? SchedulePlan(run: due, passed: 0, isCatchUp: false, next: next, fireAt: next)
    let outcome = try await perform(
      .schedule(
        .fire(
          FireSchedule(name: "nightly", due: due, plan: plan, refusal: refusal, logID: newID()))))
    guard case .scheduleFired(let fired) = outcome else { throw Unexpected(outcome) }
    return fired
  }
}
