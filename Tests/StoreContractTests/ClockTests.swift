import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

@testable import SQLiteStore

/// What lasts a span lasts it whatever is done to the clock; what has its time follows the clock.
@Suite struct ClockTests {
  /// An hour and ten years, both ways.
  static let steps: [Int64] = [
    3_600_000, -3_600_000, 315_360_000_000, -315_360_000_000,
  ]

  @Test(
    "A lease and an offer last as long as they would have", arguments: StoreKind.all,
    ClockTests.steps)
  func leases(kind: StoreKind, step: Int64) async throws {
    let harness = try await StoreHarness(kind)
    let (accepted, offered) = (try await harness.request(), try await harness.request(entity: "7"))
    let lease = try await harness.leaseOne()
    try await harness.report(
      lease.logID, .inProgress, sequence: 1, Report(token: "\(lease.token)"))
    harness.advance(milliseconds: 45_000)
    let offer = try await harness.leaseOne()
    #expect(lease.logID == accepted.log.id && offer.logID == offered.log.id)
    harness.advance(milliseconds: 5_000)
    try await harness.moveClock(byMs: step)

    harness.advance(milliseconds: 4_000)
    try await harness.expire()
    #expect(try await harness.detail(offer.logID).request?.holder == "agent-1")
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.detail(offer.logID).request?.holder == "")
    #expect(try await harness.detail(lease.logID).request?.holder == "agent-1")
    harness.advance(milliseconds: 5_000)
    let next = try await harness.expire().next
    #expect(try await harness.status(lease.logID) == .queued)
    #expect(next.map { $0 > harness.now } ?? true, "a deadline is left behind")
    await harness.expectFailure(.aborted, "LEASE_LOST") {
      try await harness.report(
        lease.logID, .completed, sequence: 2, Report(token: "\(lease.token)"))
    }
    #expect(try await harness.lease(agent: "agent-2").requests.count == 2)
  }

  @Test(
    "A request times out when it was queued so long", arguments: StoreKind.all, ClockTests.steps)
  func queueTimeout(kind: StoreKind, step: Int64) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request("export_quote").log.id
    harness.advance(milliseconds: 50_000)
    let next = try #require(try await harness.moveClock(byMs: step))
    #expect(next == harness.now.adding(milliseconds: 10_000))
    harness.advance(milliseconds: 9_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .queued)
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    let log = try await harness.detail(id).log
    #expect(log.status == .timedOut && log.finishedAt.map { $0 >= log.createdAt } == true)
  }

  @Test(
    "Own work times out when nothing was heard of it so long", arguments: StoreKind.all,
    ClockTests.steps)
  func progressTimeout(kind: StoreKind, step: Int64) async throws {
    let harness = try await StoreHarness(kind)
    let (silent, heard) = (harness.newID(), harness.newID())
    let report = Report(action: "export_quote")
    try await harness.report(silent, .inProgress, sequence: 1, report)
    try await harness.report(heard, .inProgress, sequence: 1, report)
    harness.advance(milliseconds: 20_000)
    try await harness.report(silent, nil, sequence: 2, report)
    try await harness.moveClock(byMs: step)
    harness.advance(milliseconds: 29_000)
    try await harness.expire()
    #expect(try await harness.status(silent) == .inProgress)
    #expect(try await harness.status(heard) == .timedOut)
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.status(silent) == .timedOut)
  }

  @Test("What waits can be leased at once; a time that was named stays", arguments: StoreKind.all)
  func queue(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let waiting = try await harness.request().log.id
    let later = try await harness.request(
      notBefore: harness.now.adding(milliseconds: 600_000)
    ).log.id
    try await harness.moveClock(byMs: -3_600_000)
    #expect(try await harness.lease().requests.map(\.logID) == [waiting])
    let next = try #require(try await harness.moveClock(byMs: 3_600_000 + 600_000))
    #expect(next <= harness.now)
    _ = harness.takeAvailable()
    try await harness.expire()
    #expect(harness.takeAvailable().contains("export_order"))
    #expect(try await harness.lease(agent: "agent-2").requests.map(\.logID) == [later])
  }

  @Test("A retry waits for its backoff", arguments: StoreKind.all, ClockTests.steps)
  func backoff(kind: StoreKind, step: Int64) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request("export_quote")
    let lease = try await harness.leaseOne()
    let failure = Report(token: "\(lease.token)", isRetryable: true)
    try await harness.report(lease.logID, .failed, sequence: 1, failure)
    harness.advance(milliseconds: 500)
    try await harness.moveClock(byMs: step)
    harness.advance(milliseconds: 400)
    #expect(try await harness.lease().requests.isEmpty)
    harness.advance(milliseconds: 100)
    let again = try await harness.leaseOne()
    #expect(again.attempt == 2)
  }

  @Test(
    "A command that read the old clock and comes behind the step counts by the new one",
    arguments: StoreKind.all, ClockTests.steps)
  func lateCommand(kind: StoreKind, step: Int64) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request()
    try await harness.moveClock(byMs: step)
    harness.advance(milliseconds: -step)
    let lease = try await harness.leaseOne()
    harness.advance(milliseconds: step)
    #expect(lease.leaseExpiresAt == harness.now.adding(milliseconds: 60_000))
    try await harness.expire()
    #expect(try await harness.detail(lease.logID).request?.holder == "agent-1")
  }

  @Test("A start after the clock was set back strands nothing", arguments: StoreKind.all)
  func start(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request()
    let lease = try await harness.leaseOne()
    try await harness.report(
      lease.logID, .inProgress, sequence: 1, Report(token: "\(lease.token)"))
    let waiting = try await harness.request(entity: "7").log.id
    let own = harness.newID()
    try await harness.report(own, .inProgress, sequence: 1, Report(action: "export_quote"))
    // The clock of the run that ends was an hour ahead for a while.
    try await harness.moveClock(byMs: 3_600_000)
    harness.advance(milliseconds: -315_360_000_000)
    _ = try await harness.perform(.moveClock(byMs: 0))
    #expect(try await harness.lease(agent: "agent-2").requests.map(\.logID) == [waiting])
    harness.advance(milliseconds: 59_000)
    try await harness.expire()
    #expect(try await harness.status(lease.logID) == .inProgress)
    #expect(try await harness.status(own) == .timedOut)
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.status(lease.logID) == .queued)
  }

  @Test("A start with a right clock moves nothing", arguments: StoreKind.all)
  func ordinaryStart(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request(notBefore: harness.now.adding(milliseconds: 600_000))
    _ = try await harness.request("export_quote")
    let lease = try await harness.leaseOne()
    let own = harness.newID()
    try await harness.report(own, .inProgress, sequence: 1, Report(action: "export_quote"))
    let before = try await harness.detail(lease.logID).request
    let next = try await harness.expire().next
    harness.advance(milliseconds: 100)
    #expect(try await harness.moveClock(byMs: 0) == next)
    #expect(try await harness.detail(lease.logID).request == before)
  }

  // MARK: - Without space

  /// A store that refuses a batch with a long result and takes short commands all the same.
  private static func small() async throws -> StoreHarness {
    var limits = StoreLimits()
    limits.maximumDatabaseBytes = 600_000
    return try await StoreHarness(.sqlite, limits: limits)
  }

  @Test("A step that found no space moves spans once, as soon as there is some", arguments: steps)
  func refusedStep(step: Int64) async throws {
    let harness = try await Self.small()
    let lease = try await harness.acceptOne()
    let waiting = try await harness.request("export_quote", entity: "7").log.id
    harness.advance(milliseconds: 20_000)
    try await harness.failToMoveClock(byMs: step)
    harness.advance(milliseconds: 30_000)
    _ = harness.recorder.takeEvents()
    // What is due next is said although nothing of the command has a deadline.
    try await harness.report(harness.newID(), .completed, sequence: 1)
    let due = harness.recorder.takeEvents().compactMap {
      if case .dueChanged(let due) = $0 { due } else { nil }
    }
    #expect(due.contains { $0 <= harness.now.adding(milliseconds: 10_000) })
    harness.advance(milliseconds: 9_000)
    try await harness.expire()
    #expect(try await harness.status(lease.logID) == .inProgress)
    #expect(try await harness.status(waiting) == .queued)
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.status(lease.logID) == .queued)
    #expect(try await harness.status(waiting) == .timedOut)
  }

  @Test(
    "Steps that found no space add up, also with one that is stored",
    arguments: [3_600_000, -3_600_000] as [Int64], [true, false])
  func refusedSteps(step: Int64, isLastStored: Bool) async throws {
    let harness = try await Self.small()
    let lease = try await harness.acceptOne()
    try await harness.failToMoveClock(byMs: step)
    try await harness.failToMoveClock(byMs: step / 2)
    if isLastStored { try await harness.moveClock(byMs: step / 4) }
    harness.advance(milliseconds: 59_000)
    try await harness.expire()
    #expect(try await harness.status(lease.logID) == .inProgress)
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.status(lease.logID) == .queued)
  }

  @Test("A start after a step back that found no space counts it once", arguments: [true, false])
  func startAfterRefusedStep(isFullAtStart: Bool) async throws {
    let harness = try await Self.small()
    let lease = try await harness.acceptOne()
    try await harness.failToMoveClock(byMs: -3_600_000)
    await harness.store.close()
    var limits = StoreLimits()
    limits.maximumDatabaseBytes = 600_000
    let store = try SQLiteStore(directory: harness.scratch.file("data"), limits: limits)
    store.start(observer: harness.recorder)
    let again = harness.on(store)
    if isFullAtStart {
      try await again.failToMoveClock(byMs: 0)
    } else {
      try await again.moveClock(byMs: 0)
    }
    again.advance(milliseconds: 59_000)
    try await again.expire()
    #expect(try await again.status(lease.logID) == .inProgress)
    again.advance(milliseconds: 1_000)
    try await again.expire()
    #expect(try await again.status(lease.logID) == .queued)
    await store.close()
  }

  @Test("A rate whose step found no space opens when it would have", arguments: steps)
  func refusedRate(step: Int64) async throws {
    let harness = try await Self.small()
    _ = try await ControlTests.set(harness) {
      $0.rate = DeliveryRate(limit: 1, periodMs: 60_000)
    }
    for entity in ["1", "2"] { try await harness.request(entity: entity) }
    let lease = try await harness.leaseOne()
    try await harness.report(
      lease.logID, .completed, sequence: 1, Report(token: "\(lease.token)"))
    #expect(try await harness.lease().requests.isEmpty)
    harness.advance(milliseconds: 20_000)
    try await harness.failToMoveClock(byMs: step)
    let next = try await harness.expire().next
    #expect(next == harness.now.adding(milliseconds: 40_000))
    harness.advance(milliseconds: 40_000)
    _ = harness.takeAvailable()
    try await harness.expire()
    #expect(harness.takeAvailable().contains("export_order"))
  }
}

/// What a clock that was wrong must not bring about.
@Suite struct WrongClockTests {
  private static let hour: Int64 = 3_600_000
  private static let day: Int64 = 86_400_000

  @Test("Own work that a step back found times out in its time, however often the clock steps")
  func ownWork() async throws {
    let harness = try await StoreHarness(.sqlite)
    try await harness.moveClock(byMs: Self.hour)
    let own = harness.newID()
    try await harness.report(own, .inProgress, sequence: 1, Report(action: "export_quote"))
    harness.advance(milliseconds: 10_000)
    try await harness.moveClock(byMs: -Self.hour)
    try await harness.moveClock(byMs: 200)
    harness.advance(milliseconds: 20_000)
    try await harness.expire()
    #expect(try await harness.status(own) == .timedOut)
  }

  @Test("A request whose time a step has brought is offered for its queue timeout")
  func notBefore() async throws {
    let harness = try await StoreHarness(.sqlite)
    let id = try await harness.request(
      "export_quote", notBefore: harness.now.adding(milliseconds: Self.day)
    ).log.id
    try await harness.moveClock(byMs: 400 * Self.day)
    try await harness.expire()
    #expect(try await harness.status(id) == .queued)
    harness.advance(milliseconds: 59_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .queued)
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .timedOut)
  }

  @Test("What was begun while the clock was ahead can be ended behind a restart with a right one")
  func begunAhead() async throws {
    let harness = try await StoreHarness(.sqlite)
    harness.advance(milliseconds: Self.hour)
    let (begun, unsent) = (harness.newID(), harness.newID())
    try await harness.report(begun, .inProgress, sequence: 1)
    await harness.store.close()

    let again = harness.on(try SQLiteStore(directory: harness.scratch.file("data")))
    again.store.start(observer: CommitRecorder())
    again.advance(milliseconds: -Self.hour)
    _ = try await again.perform(.moveClock(byMs: 0))
    let ahead = Report(isAhead: true)
    try await again.report(begun, .inProgress, sequence: 1, ahead)
    try await again.report(begun, .completed, sequence: 2, ahead)
    try await again.report(unsent, .completed, sequence: 1, ahead)
    #expect(try await again.status(begun) == .completed)
    let never = LogID(at: again.now.adding(milliseconds: 3 * Self.hour), random: (1, 2))
    await again.expectFailure(.invalidArgument, "FIELD_INVALID") {
      try await again.report(never, .completed, sequence: 1, ahead)
    }
    await again.store.close()
  }

  @Test("A step that was read before a writer was held up leaves right times as they are")
  func heldUp() {
    let read = ContinuousClock.now - .seconds(2)
    let now = Instant(milliseconds: 1_790_000_000_000)
    let step = ClockStep(milliseconds: -Self.hour, now: now, seen: read)
    // Read two seconds behind the step: a writer that was held up takes it as it is.
    let time = now.adding(milliseconds: 2_000)
    #expect(step.settled(time) == time)
    let old = time.adding(milliseconds: Self.hour)
    #expect(step.settled(old) == time)
  }

  @Test("Nothing goes by its age while the clock is in doubt, also behind a restart")
  func retention() async throws {
    let harness = try await StoreHarness(.sqlite)
    for _ in 0..<3 { try await harness.report(harness.newID(), .completed, sequence: 1) }
    let rule = StoredRetentionRule(
      status: .completed, maximumAgeMs: UInt64(30 * Self.day), maximumBytes: 0)
    _ = try await harness.perform(.setRetention([rule]))
    try await harness.moveClock(byMs: 365 * Self.day)
    #expect(try await harness.prune() == 0)
    await harness.store.close()

    let again = harness.on(try SQLiteStore(directory: harness.scratch.file("data")))
    again.store.start(observer: CommitRecorder())
    again.advance(milliseconds: 365 * Self.day)
    _ = try await again.perform(.moveClock(byMs: 0))
    #expect(try await again.prune() == 0)
    // What is kept by its size goes all the same.
    let sized = StoredRetentionRule(status: .completed, maximumAgeMs: 0, maximumBytes: 1)
    _ = try await again.perform(.setRetention([sized]))
    #expect(try await again.prune() == 3)
    await again.store.close()
  }

  @Test("A server that rested for long removes nothing by its age until it has run for a day")
  func longRest() async throws {
    let harness = try await StoreHarness(.sqlite)
    try await harness.report(harness.newID(), .completed, sequence: 1)
    let rule = StoredRetentionRule(
      status: .completed, maximumAgeMs: UInt64(30 * Self.day), maximumBytes: 0)
    _ = try await harness.perform(.setRetention([rule]))
    harness.advance(milliseconds: 90 * Self.day)
    _ = try await harness.perform(.moveClock(byMs: 0))
    #expect(try await harness.prune() == 0)
    for _ in 0..<24 {
      harness.advance(milliseconds: Self.hour)
      #expect(try await harness.prune() == 0)
    }
    #expect(try await harness.prune() == 1)
  }
}

extension StoreHarness {
  /// Prunes to the end; how many logs went.
  fileprivate func prune() async throws -> UInt64 {
    var removed: UInt64 = 0
    while true {
      let outcome = try await perform(.prune(PruneBudget()))
      guard case .pruned(let step) = outcome else { throw Unexpected(outcome) }
      removed += step.removedLogs
      if step.isDone { return removed }
    }
  }

  /// Leases a new request and begins with it.
  fileprivate func acceptOne() async throws -> LeasedRequest {
    try await request()
    let lease = try await leaseOne()
    try await report(lease.logID, .inProgress, sequence: 1, Report(token: "\(lease.token)"))
    return lease
  }

  /// Sets the clock by a step whose batch has more in it than there is space.
  fileprivate func failToMoveClock(byMs step: Int64) async throws {
    advance(milliseconds: step)
    let (integration, now, id) = (integration, now, newID())
    await expectFailure(.resourceExhausted, "STORAGE_FULL") {
      try await self.submit { batch, origin in
        batch.append(.moveClock(byMs: step), now: now, origin: origin)
        let report = Report(result: String(repeating: "x", count: 900_000))
        let command = report.command(
          id, .completed, sequence: 1, integration: integration, in: &batch)
        batch.append(report: command, now: now, origin: .none)
      }
    }
  }

  /// Sets the clock by a step, as a server does that has noticed it; the next deadline.
  @discardableResult
  fileprivate func moveClock(byMs step: Int64) async throws -> Instant? {
    advance(milliseconds: step)
    let outcome = try await perform(.moveClock(byMs: step))
    guard case .clockMoved(let next, _) = outcome else { throw Unexpected(outcome) }
    return next
  }
}
