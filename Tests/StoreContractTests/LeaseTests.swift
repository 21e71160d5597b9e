import IntegrationModel
import IntegrationStore
import Testing

@Suite struct LeaseTests {
  @Test("A request is leased, accepted by a report, and completed", arguments: StoreKind.all)
  func happyPath(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let request = try await harness.request(key: "k-1", input: "{\"a\":1}")
    #expect(request.log.status == .queued)
    #expect(harness.takeAvailable() == ["export_order"])

    let leased = try await harness.leaseOne()
    #expect(leased.logID == request.log.id)
    #expect(leased.delivery == 1)
    #expect(leased.attempt == 1)
    #expect(leased.input == "{\"a\":1}")
    #expect(leased.idempotencyKey == "k-1")
    #expect(leased.requestedBy == "operator:local")
    #expect(leased.entity.displayName == "Order 42")
    #expect(leased.leaseExpiresAt == harness.now.adding(milliseconds: 60_000))
    #expect(try await harness.lease().requests.isEmpty)

    let token = "\(leased.token)"
    try await harness.report(leased.logID, .inProgress, sequence: 1, Report(token: token))
    let held = try await harness.detail(leased.logID)
    #expect(held.request?.isAccepted == true)
    #expect(held.request?.holder == "agent-1")
    #expect(try await harness.store.loadCatalog().holders.map(\.1) == ["agent-1"])
    try await harness.report(leased.logID, .completed, sequence: 2, Report(token: token))

    let detail = try await harness.detail(leased.logID)
    #expect(detail.log.status == .completed)
    #expect(detail.timeline.map(\.cause) == [.request, .leased, .report, .report])
    #expect(detail.timeline.map(\.principal).first == "operator:local")
    #expect(detail.request?.holder == "")
    #expect(try await harness.store.loadCatalog().holders.isEmpty)
  }

  @Test(
    "Requests go out oldest first over all actions, each to one agent", arguments: StoreKind.all)
  func oldestFirst(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var ids: [LogID] = []
    for (number, action) in ["export_order", "export_quote", "export_order"].enumerated() {
      harness.advance(milliseconds: 5)
      ids.append(try await harness.request(action, entity: "\(number)").log.id)
    }
    let first = try await harness.lease(agent: "a", maximum: 2)
    let second = try await harness.lease(agent: "b", maximum: 2)
    #expect(first.requests.map(\.logID) == Array(ids[..<2]))
    #expect(first.hasMore)
    #expect(second.requests.map(\.logID) == [ids[2]])
    #expect(!second.hasMore)
  }

  @Test("Only the named actions are leased", arguments: StoreKind.all)
  func namedActions(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request("export_order")
    let quote = try await harness.request("export_quote")
    let leased = try await harness.lease(["export_quote", "unknown"])
    #expect(leased.requests.map(\.logID) == [quote.log.id])
  }

  @Test(
    "Not accepted in time: back to the queue, the delivery's number stays", arguments: StoreKind.all
  )
  func notAccepted(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let first = try await harness.leaseOne()
    _ = harness.recorder.takeEvents()
    harness.advance(milliseconds: 10_000)
    try await harness.expire()
    #expect(harness.takeAvailable() == ["export_order"])
    await harness.expectFailure(.aborted, "LEASE_LOST") {
      try await harness.report(id, .completed, sequence: 1, Report(token: "\(first.token)"))
    }
    let second = try await harness.leaseOne(agent: "agent-2")
    #expect(second.delivery == 1)
    #expect(second.token != first.token)
    await harness.expectFailure(.aborted, "LEASE_LOST") {
      try await harness.report(id, .completed, sequence: 1, Report(token: "\(first.token)"))
    }
    try await harness.report(id, .completed, sequence: 1, Report(token: "\(second.token)"))
    let causes = try await harness.detail(id).timeline.map(\.cause)
    #expect(causes == [.request, .leased, .notAccepted, .leased, .report])
  }

  @Test(
    "A lease that its holder never heard of goes back at once, an accepted one stays",
    arguments: StoreKind.all)
  func returned(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let first = try await harness.leaseOne()
    _ = harness.recorder.takeEvents()
    _ = try await harness.perform(.returnLease(harness.integration, id, first.token))
    #expect(harness.takeAvailable() == ["export_order"])
    let second = try await harness.leaseOne(agent: "agent-2")
    #expect(second.delivery == 1)
    // The first token is stale, and the second is accepted: neither is returned any more.
    _ = try await harness.perform(.returnLease(harness.integration, id, first.token))
    try await harness.report(id, .inProgress, sequence: 1, Report(token: "\(second.token)"))
    _ = try await harness.perform(.returnLease(harness.integration, id, second.token))
    try await harness.report(id, .completed, sequence: 2, Report(token: "\(second.token)"))
    let causes = try await harness.detail(id).timeline.map(\.cause)
    #expect(causes == [.request, .leased, .notAccepted, .leased, .report, .report])
  }

  @Test(
    "An accepted lease that runs out is delivered again up to the limit, then it failed",
    arguments: StoreKind.all)
  func redelivery(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    for delivery in UInt32(1)...5 {
      let leased = try await harness.leaseOne()
      #expect(leased.delivery == delivery)
      #expect(leased.attempt == 1)
      try await harness.report(id, .inProgress, sequence: 1, Report(token: "\(leased.token)"))
      harness.advance(milliseconds: 60_000)
      try await harness.expire()
    }
    let detail = try await harness.detail(id)
    #expect(detail.log.status == .failed)
    #expect(detail.timeline.last?.cause == .deliveriesSpent)
    #expect(detail.timeline.last?.principal == "server")
    #expect(detail.timeline.filter { $0.cause == .leaseExpired }.count == 4)
    #expect(try await harness.lease().requests.isEmpty)
  }

  @Test(
    "A heartbeat accepts and renews what it names, and says what is lost", arguments: StoreKind.all)
  func renewal(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let leased = try await harness.leaseOne()
    let held = [(id, "\(leased.token)")]
    for _ in 0..<5 {
      harness.advance(milliseconds: 9_000)
      #expect(try await harness.renew(held) == RenewOutcome())
      try await harness.expire()
    }
    #expect(try await harness.detail(id).request?.isAccepted == true)
    let stranger = harness.newID()
    let outcome = try await harness.renew([
      (stranger, "\(leased.token)"), (id, "000000010000000000000000"), (id, "nonsense"),
    ])
    #expect(outcome.lost == [stranger, id, id])
    harness.advance(milliseconds: 60_000)
    try await harness.expire()
    #expect(try await harness.renew(held).lost == [id])
  }

  @Test("An agent that stops gives everything back at once", arguments: StoreKind.all)
  func stopped(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let leased = try await harness.leaseOne()
    try await harness.report(id, .inProgress, sequence: 1, Report(token: "\(leased.token)"))
    try await harness.renew([], .stopped)
    let detail = try await harness.detail(id)
    #expect(detail.log.status == .queued)
    #expect(detail.timeline.last?.cause == .agentStopped)
    #expect(try await harness.leaseOne(agent: "agent-2").delivery == 2)
  }

  @Test(
    "A lost connection ends leases after the grace time, unless the agent is back",
    arguments: StoreKind.all, [false, true])
  func connectionLost(kind: StoreKind, isBack: Bool) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let leased = try await harness.leaseOne()
    try await harness.report(id, .inProgress, sequence: 1, Report(token: "\(leased.token)"))
    try await harness.perform(.connectionLost(harness.integration, agentID: "agent-1"))
    harness.advance(milliseconds: 14_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .inProgress)
    if isBack {
      try await harness.perform(.connectionRestored(harness.integration, agentID: "agent-1"))
    }
    harness.advance(milliseconds: 1_000)
    try await harness.expire()
    #expect(try await harness.status(id) == (isBack ? .inProgress : .queued))
    if !isBack {
      #expect(try await harness.detail(id).timeline.last?.cause == .connectionLost)
    }
  }

  @Test("The sequence begins again with each delivery", arguments: StoreKind.all)
  func sequencePerDelivery(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let first = try await harness.leaseOne()
    try await harness.report(id, .inProgress, sequence: 1, Report(token: "\(first.token)"))
    try await harness.report(id, nil, sequence: 2, Report(token: "\(first.token)"))
    try await harness.renew([], .stopped)
    #expect(
      try await harness.report(id, nil, sequence: 2, Report(token: "\(first.token)")).isDuplicate)
    let second = try await harness.leaseOne()
    let outcome = try await harness.report(
      id, .inProgress, sequence: 1, Report(token: "\(second.token)"))
    #expect(!outcome.isDuplicate)
    await harness.expectFailure(.aborted, "LEASE_LOST") {
      try await harness.report(id, nil, sequence: 2, Report(token: "\(first.token)"))
    }
  }

  @Test("Work from a request needs its lease", arguments: StoreKind.all)
  func leaseRequired(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    _ = try await harness.leaseOne()
    await harness.expectFailure(.failedPrecondition, "LEASE_REQUIRED") {
      try await harness.report(id, .completed, sequence: 1)
    }
    await harness.expectFailure(.aborted, "LEASE_LOST") {
      try await harness.report(id, .completed, sequence: 1, Report(token: "nonsense"))
    }
  }

  @Test(
    "At most so many are in flight, and the next goes out when one ends", arguments: StoreKind.all)
  func inFlight(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    for number in 0..<3 { _ = try await harness.request("export_quote", entity: "\(number)") }
    let leased = try await harness.lease(["export_quote"])
    #expect(leased.requests.count == 2)
    #expect(try await harness.lease(agent: "b", ["export_quote"]).requests.isEmpty)
    _ = harness.recorder.takeEvents()
    let token = "\(leased.requests[0].token)"
    try await harness.report(
      leased.requests[0].logID, .completed, sequence: 1, Report(token: token))
    #expect(harness.takeAvailable() == ["export_quote"])
    #expect(try await harness.lease(agent: "b", ["export_quote"]).requests.count == 1)
  }

  @Test("A paused integration hands out nothing until it is resumed", arguments: StoreKind.all)
  func pause(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    _ = try await harness.request()
    try await harness.perform(.pauseIntegration(harness.integration, reason: "stock-taking"))
    #expect(try await harness.lease().requests.isEmpty)
    _ = harness.recorder.takeEvents()
    try await harness.perform(.resumeIntegration(harness.integration))
    #expect(harness.takeAvailable() == ["export_order"])
    #expect(try await harness.lease().requests.count == 1)
  }

  @Test("An agent holds no more than one heartbeat can name", arguments: StoreKind.all)
  func heldLimit(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let (integration, now) = (harness.integration, harness.now)
    let ids = (0..<1_001).map { _ in harness.newID() }
    let taken = harness.store.submit { batch in
      for id in ids {
        let request = CreateRequest(
          integration: integration, actionType: "export_order", logID: id,
          entity: EntityReference(type: "order", id: "1"), input: "", idempotencyKey: "",
          notBefore: nil, principal: "operator:local")
        batch.append(.createRequest(request), now: now, origin: .none)
      }
    }
    #expect(taken)
    #expect(try await harness.lease(maximum: 1_000).requests.count == 1_000)
    #expect(try await harness.lease(maximum: 1_000).requests.isEmpty)
    #expect(try await harness.lease(agent: "agent-2", maximum: 1_000).requests.count == 1)
  }
}
