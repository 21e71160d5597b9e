import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

@Suite struct CatalogTests {
  private func key(_ id: String, _ integration: IntegrationID, _ now: Instant) -> StoredKey {
    StoredKey(
      id: id, integration: integration, secretHash: [UInt8](repeating: 7, count: 32),
      sealedSecret: [1, 2, 3], createdAt: now, createdBy: "operator:local")
  }

  @Test("An integration's name is taken once", arguments: StoreKind.all)
  func uniqueName(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    await harness.expectFailure(.alreadyExists, "INTEGRATION_EXISTS") {
      try await harness.addIntegration("northwind")
    }
  }

  @Test("What is stored comes back with the catalog after a restart", arguments: StoreKind.all)
  func catalog(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let now = harness.now
    var change = IntegrationChange(integration: harness.integration)
    change.supportContact = "+49 30 1234"
    try await harness.perform(.updateIntegration(change))
    try await harness.perform(.pauseIntegration(harness.integration, reason: "audit"))
    try await harness.perform(.createKey(key("aaaaaaaa", harness.integration, now)))
    let use = CredentialUse(at: now, from: "192.0.2.7")
    try await harness.perform(.saveKeyUses(["aaaaaaaa": use, "nobody00": use]))
    var agent = StoredAgent(
      integration: harness.integration, agentID: "agent-9", firstSeenAt: now)
    agent.host = "office-pc"
    agent.condition = .degraded
    agent.clockSkewMs = -1_500
    agent.lastPollAt = now
    agent.drainReason = "maintenance"
    try await harness.perform(.saveAgents([agent]))
    _ = try await harness.request()
    let before = try await harness.store.loadCatalog()
    await harness.store.close()

    let store = try kind.open(harness.scratch.file("data"), .init())
    let catalog = try await store.loadCatalog()
    #expect(catalog.integrations == before.integrations)
    #expect(catalog.integrations.first?.supportContact == "+49 30 1234")
    #expect(catalog.integrations.first?.isPaused == true)
    #expect(catalog.integrations.first?.pauseReason == "audit")
    #expect(catalog.keys.map(\.lastUse) == [use])
    #expect(catalog.keys.first?.sealedSecret == [1, 2, 3])
    #expect(catalog.actions.map(\.declaration) == StoreHarness.actions)
    #expect(catalog.agents == [agent])
    #expect(try await store.agent(harness.integration, "agent-9") == agent)
    #expect(catalog.queuedActions.map(\.1) == ["export_order"])
    #expect(catalog.nextDue != nil)
    await store.close()
  }

  @Test(
    "The same declaration changes nothing; another raises the revision", arguments: StoreKind.all)
  func revisions(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let same = try await harness.register([StoreHarness.actions[0]])
    #expect(same.0.map(\.revision) == [1])
    #expect(harness.recorder.takeEvents().isEmpty)
    var changed = StoreHarness.actions[0]
    changed.policy.maximumInFlight = 4
    let other = try await harness.register([changed])
    #expect(other.0.map(\.revision) == [2])
    #expect(other.0.first?.declaration == changed)
    #expect(!harness.recorder.takeEvents().isEmpty)
  }

  @Test(
    "What a complete list leaves out is retired, and served again later", arguments: StoreKind.all)
  func retire(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request("export_order")
    let rest = Array(StoreHarness.actions.dropFirst())
    let (_, unservable) = try await harness.register(rest, retiresUndeclared: true)
    #expect(unservable == 1)
    #expect(try await harness.lease().requests.isEmpty)
    let id = harness.newID()
    try await harness.report(id, .completed, sequence: 1)
    #expect(try await harness.status(id) == .completed)
    _ = harness.recorder.takeEvents()
    let (_, served) = try await harness.register(StoreHarness.actions)
    #expect(served == 0)
    #expect(harness.takeAvailable() == ["export_order"])
    #expect(try await harness.lease().requests.count == 1)
  }

  @Test("An integration has at most two live keys", arguments: StoreKind.all)
  func keyLimit(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    for id in ["aaaaaaaa", "bbbbbbbb"] {
      try await harness.perform(.createKey(key(id, harness.integration, harness.now)))
    }
    await harness.expectFailure(.failedPrecondition, "TOO_MANY_KEYS") {
      try await harness.perform(
        .createKey(self.key("cccccccc", harness.integration, harness.now)))
    }
    let outcome = try await harness.perform(.revokeKey(id: "aaaaaaaa"))
    guard case .key(let revoked) = outcome else { throw Unexpected(outcome) }
    #expect(revoked.revokedAt == harness.now)
    try await harness.perform(.createKey(key("cccccccc", harness.integration, harness.now)))
    await harness.expectFailure(.notFound, "KEY_UNKNOWN") {
      try await harness.perform(.revokeKey(id: "dddddddd"))
    }
  }

  @Test("A key's id is taken once", arguments: StoreKind.all)
  func keyID(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let key = key("aaaaaaaa", harness.integration, harness.now)
    try await harness.perform(.createKey(key))
    await harness.expectFailure(.alreadyExists, "KEY_EXISTS") {
      try await harness.perform(.createKey(key))
    }
  }

  @Test("Agents of one integration are bounded", arguments: StoreKind.all)
  func agentLimit(kind: StoreKind) async throws {
    var limits = StoreLimits()
    limits.maximumAgents = 2
    let harness = try await StoreHarness(kind, limits: limits)
    for agent in ["a", "b", "a"] {
      try await harness.report(harness.newID(), .completed, sequence: 1, Report(agent: agent))
    }
    await harness.expectFailure(.resourceExhausted, "TOO_MANY_AGENTS") {
      try await harness.report(harness.newID(), .completed, sequence: 1, Report(agent: "c"))
    }
  }

  @Test("An unknown integration is refused by every command", arguments: StoreKind.all)
  func unknownIntegration(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let commands: [StoreCommand] = [
      .updateIntegration(IntegrationChange(integration: 99)),
      .pauseIntegration(99, reason: ""), .resumeIntegration(99),
      .createKey(key("aaaaaaaa", 99, harness.now)),
      .registerActions(RegisterActions(integration: 99, actions: [], retiresUndeclared: false)),
    ]
    for command in commands {
      await harness.expectFailure(.notFound, "INTEGRATION_UNKNOWN") {
        try await harness.perform(command)
      }
    }
  }

  @Test("Changed logs are told only to who wants them", arguments: StoreKind.all, [false, true])
  func logEvents(kind: StoreKind, isWanted: Bool) async throws {
    let harness = try await StoreHarness(kind, wantsLogEvents: isWanted)
    let id = harness.newID()
    try await harness.report(id, .inProgress, sequence: 1)
    try await harness.report(id, .completed, sequence: 2)
    let changed = harness.recorder.takeEvents().compactMap { event in
      if case .logChanged(let log, _) = event { log } else { nil }
    }
    #expect(changed.map(\.status) == (isWanted ? [.inProgress, .completed] : []))
    #expect(changed.allSatisfy { $0.id == id })
  }
}
