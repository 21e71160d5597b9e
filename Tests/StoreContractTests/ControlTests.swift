import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

@Suite struct ControlTests {
  static func override(_ change: (inout ActionOverride) -> Void) -> ActionOverride {
    var override = ActionOverride()
    change(&override)
    return override
  }

  static func set(
    _ harness: StoreHarness, _ type: String = "export_order",
    clearing: Set<ActionOverride.Field> = [],
    _ change: (inout ActionOverride) -> Void = { _ in }
  ) async throws -> StoredAction {
    let outcome = try await harness.perform(
      .overridePolicy(
        OverridePolicy(
          integration: harness.integration, actionType: type, change: override(change),
          cleared: clearing)))
    guard case .action(let action) = outcome else { throw Unexpected(outcome) }
    return action
  }

  // MARK: - Pause

  @Test(
    "A paused action hands out nothing to any agent, others go out, and resuming wakes",
    arguments: StoreKind.all)
  func pause(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let waiting = try await harness.request()
    try await harness.perform(
      .pauseAction(harness.integration, type: "export_order", reason: "ERP is slow"))
    _ = harness.recorder.takeEvents()
    let other = try await harness.request("export_quote")
    let late = try await harness.request(entity: "43")
    #expect(harness.takeAvailable() == ["export_quote"])
    for agent in ["a", "b"] {
      #expect(try await harness.lease(agent: agent, ["export_order"]).requests.isEmpty)
    }
    #expect(try await harness.lease(agent: "c").requests.map(\.logID) == [other.log.id])
    _ = harness.recorder.takeEvents()
    try await harness.perform(.resumeAction(harness.integration, type: "export_order"))
    #expect(harness.takeAvailable() == ["export_order"])
    let leased = try await harness.lease(agent: "a")
    #expect(leased.requests.map(\.logID) == [waiting.log.id, late.log.id])
  }

  @Test(
    "Pauses of an integration and of an action end each for itself", arguments: StoreKind.all)
  func bothPauses(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request()
    try await harness.perform(
      .pauseAction(harness.integration, type: "export_order", reason: ""))
    try await harness.perform(.pauseIntegration(harness.integration, reason: "stock-taking"))
    try await harness.perform(.resumeIntegration(harness.integration))
    #expect(try await harness.lease().requests.isEmpty)
    try await harness.perform(.pauseIntegration(harness.integration, reason: "again"))
    try await harness.perform(.resumeAction(harness.integration, type: "export_order"))
    #expect(try await harness.lease().requests.isEmpty)
    try await harness.perform(.resumeIntegration(harness.integration))
    #expect(try await harness.lease().requests.count == 1)
  }

  @Test(
    "What runs goes on while its action is paused, and what waits still times out",
    arguments: StoreKind.all)
  func pauseAndTime(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let running = try await harness.request("export_quote", entity: "1").log.id
    let held = try await harness.leaseOne(["export_quote"])
    let waiting = try await harness.request("export_quote", entity: "2").log.id
    try await harness.perform(
      .pauseAction(harness.integration, type: "export_quote", reason: ""))
    try await harness.report(running, .completed, sequence: 1, Report(token: "\(held.token)"))
    #expect(try await harness.status(running) == .completed)
    harness.advance(milliseconds: 60_000)
    try await harness.expire()
    let detail = try await harness.detail(waiting)
    #expect(detail.log.status == .timedOut)
    #expect(detail.timeline.last?.cause == .queueTimeout)
  }

  @Test("An action that is not there is refused", arguments: StoreKind.all)
  func unknown(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    await harness.expectFailure(.notFound, "ACTION_UNKNOWN") {
      try await harness.perform(.pauseAction(harness.integration, type: "nothing", reason: ""))
    }
    await harness.expectFailure(.notFound, "INTEGRATION_UNKNOWN") {
      try await harness.perform(.resumeAction(999, type: "export_order"))
    }
    await harness.expectFailure(.notFound, "ACTION_UNKNOWN") {
      try await Self.set(harness, "nothing") { $0.maximumInFlight = 1 }
    }
  }

  // MARK: - Overrides

  @Test(
    "Overrides and pauses survive new declarations and a restart", arguments: StoreKind.all)
  func kept(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness, "export_quote") {
      $0.retry = RetryRule(
        maximumAttempts: 7, initialBackoffMs: 1, maximumBackoffMs: 2, multiplier: 3)
      $0.queueTimeoutMs = 0
      $0.progressTimeoutMs = 5_000
      $0.maximumInFlight = 1
      $0.oneOpenPerEntity = false
      $0.rate = DeliveryRate(limit: 9, periodMs: 1_000)
      $0.canBeRequested = false
    }
    try await harness.perform(
      .pauseAction(harness.integration, type: "export_quote", reason: "why"))
    var declared = StoreHarness.actions[1]
    declared.policy.maximumInFlight = 50
    let (stored, _) = try await harness.register([declared])
    let before = try #require(stored.first)
    #expect(before.declaration.policy.maximumInFlight == 50)
    #expect(before.effective.policy.maximumInFlight == 1)
    #expect(before.override.fields == ActionOverride.Field.allCases)
    await harness.store.close()
    let again = harness.on(try kind.open(harness.scratch.file("data"), StoreLimits()))
    again.store.start(observer: CommitRecorder())
    let catalog = try await again.store.loadCatalog()
    let after = catalog.actions.first { $0.declaration.type == "export_quote" }
    #expect(after == before)
    #expect(after?.pauseReason == "why")
    #expect(after?.effective.canBeRequested == false)
    await again.store.close()
  }

  @Test("Cleared rules are as declared again", arguments: StoreKind.all)
  func cleared(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness, "export_quote") {
      $0.maximumInFlight = 1
      $0.oneOpenPerEntity = false
    }
    let action = try await Self.set(harness, "export_quote", clearing: [.maximumInFlight])
    #expect(action.effective.policy.maximumInFlight == 2)
    #expect(action.override.fields == [.oneOpenPerEntity])
    let plain = try await Self.set(harness, "export_quote", clearing: [.oneOpenPerEntity])
    #expect(plain.override.isEmpty)
    #expect(plain.effective == plain.declaration)
  }

  @Test(
    "A limit in flight that is set holds over several agents, and a higher one wakes",
    arguments: StoreKind.all)
  func inFlight(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness) { $0.maximumInFlight = 3 }
    for number in 0..<6 { _ = try await harness.request(entity: "\(number)") }
    #expect(try await harness.lease(agent: "a", maximum: 2).requests.count == 2)
    #expect(try await harness.lease(agent: "b", maximum: 2).requests.count == 1)
    #expect(try await harness.lease(agent: "c", maximum: 2).requests.isEmpty)
    _ = harness.recorder.takeEvents()
    _ = try await Self.set(harness) { $0.maximumInFlight = 4 }
    #expect(harness.takeAvailable() == ["export_order"])
    #expect(try await harness.lease(agent: "c", maximum: 2).requests.count == 1)
    _ = try await Self.set(harness) { $0.maximumInFlight = 0 }
    #expect(try await harness.lease(agent: "c", maximum: 10).requests.count == 2)
  }

  @Test(
    "Whether people may ask, and one open per record, are as operators say",
    arguments: StoreKind.all)
  func requests(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness) {
      $0.oneOpenPerEntity = true
      $0.canBeRequested = true
    }
    _ = try await harness.request()
    await harness.expectFailure(.failedPrecondition, "REQUEST_OPEN_FOR_ENTITY") {
      try await harness.request()
    }
    _ = try await Self.set(harness) { $0.canBeRequested = false }
    await harness.expectFailure(.failedPrecondition, "ACTION_NOT_REQUESTABLE") {
      try await harness.request(entity: "43")
    }
    _ = try await Self.set(harness, "watch_folder") { $0.canBeRequested = true }
    _ = try await harness.request("watch_folder")
  }

  @Test(
    "A queue timeout that is set holds for new requests; those that wait keep theirs",
    arguments: StoreKind.all)
  func newDeadlines(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let before = try await harness.request("export_quote", entity: "1").log.id
    _ = try await Self.set(harness, "export_quote") { $0.queueTimeoutMs = 1_000 }
    let after = try await harness.request("export_quote", entity: "2").log.id
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.status(before) == .queued)
    #expect(try await harness.status(after) == .timedOut)
  }

  @Test("Retries are made as operators say", arguments: StoreKind.all)
  func retries(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness) { $0.retry = RetryRule(maximumAttempts: 2) }
    let id = try await harness.request().log.id
    let held = try await harness.leaseOne()
    try await harness.report(
      id, .failed, sequence: 1, Report(token: "\(held.token)", isRetryable: true))
    let retry = try await harness.leaseOne()
    #expect(retry.attempt == 2)
  }

  // MARK: - Rates

  @Test(
    "Never more than the limit go out in a period, over agents, and the next deadline says when",
    arguments: StoreKind.all)
  func rate(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness) { $0.rate = DeliveryRate(limit: 3, periodMs: 10_000) }
    for number in 0..<8 { _ = try await harness.request(entity: "\(number)") }
    #expect(try await harness.lease(agent: "a", maximum: 2).requests.count == 2)
    harness.advance(milliseconds: 4_000)
    let second = try await harness.lease(agent: "b", maximum: 2)
    #expect(second.requests.count == 1)
    #expect(!second.hasMore)
    #expect(try await harness.lease(agent: "c").requests.isEmpty)
    _ = harness.recorder.takeEvents()
    // What is offered and not accepted counts all the same: it was delivered.
    harness.advance(milliseconds: 5_999)
    let due = try await harness.expire().next
    #expect(due == harness.now.adding(milliseconds: 1))
    #expect(try await harness.lease(agent: "c").requests.isEmpty)
    harness.advance(milliseconds: 1)
    _ = harness.recorder.takeEvents()
    try await harness.expire()
    #expect(Set(harness.takeAvailable()) == ["export_order"])
    #expect(try await harness.lease(agent: "c").requests.count == 2)
    #expect(try await harness.lease(agent: "c").requests.isEmpty)
  }

  @Test("A rate is counted over a restart", arguments: StoreKind.all)
  func rateOverRestart(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness) { $0.rate = DeliveryRate(limit: 2, periodMs: 60_000) }
    for number in 0..<4 { _ = try await harness.request(entity: "\(number)") }
    #expect(try await harness.lease(agent: "a").requests.count == 2)
    await harness.store.close()
    let again = harness.on(try kind.open(harness.scratch.file("data"), StoreLimits()))
    again.store.start(observer: CommitRecorder())
    again.advance(milliseconds: 59_999)
    #expect(try await again.lease(agent: "b").requests.isEmpty)
    again.advance(milliseconds: 1)
    #expect(try await again.lease(agent: "b").requests.count == 2)
    await again.store.close()
  }

  @Test("A rate that is raised, or taken away, wakes at once", arguments: StoreKind.all)
  func rateRaised(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness) { $0.rate = DeliveryRate(limit: 1, periodMs: 60_000) }
    for number in 0..<4 { _ = try await harness.request(entity: "\(number)") }
    #expect(try await harness.lease().requests.count == 1)
    _ = harness.recorder.takeEvents()
    _ = try await Self.set(harness) { $0.rate = DeliveryRate(limit: 2, periodMs: 60_000) }
    #expect(harness.takeAvailable() == ["export_order"])
    #expect(try await harness.lease().requests.count == 1)
    _ = try await Self.set(harness, clearing: [.rateLimit])
    #expect(harness.takeAvailable() == ["export_order"])
    #expect(try await harness.lease().requests.count == 2)
  }

  @Test("An action at its rate holds back no other", arguments: StoreKind.all)
  func otherActions(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await Self.set(harness) { $0.rate = DeliveryRate(limit: 1, periodMs: 60_000) }
    for number in 0..<3 { _ = try await harness.request(entity: "\(number)") }
    _ = try await harness.request("export_quote", entity: "9")
    let leased = try await harness.lease(maximum: 10).requests
    #expect(leased.map(\.actionType) == ["export_order", "export_quote"])
  }

  // MARK: - What an agent holds

  @Test("What an agent holds is found, and nothing of others", arguments: StoreKind.all)
  func held(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    for number in 0..<3 { _ = try await harness.request(entity: "\(number)", input: "{}") }
    let mine = try await harness.lease(agent: "a", maximum: 2).requests.map(\.logID)
    _ = try await harness.lease(agent: "b", maximum: 1)
    let held = try await harness.store.held(harness.integration, agentID: "a", limit: 1_000)
    #expect(held.map(\.log.id) == mine.sorted())
    #expect(held.allSatisfy { $0.holder == "a" && $0.input == "{}" })
    #expect(try await harness.store.held(harness.integration, agentID: "z", limit: 9).isEmpty)
    #expect(
      try await harness.store.held(harness.integration, agentID: "a", limit: 1).count == 1)
  }
}
