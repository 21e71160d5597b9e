import IntegrationModel
import IntegrationStore
import Testing

@Suite struct RequestTests {
  @Test("The same idempotency key makes one request", arguments: StoreKind.all)
  func idempotency(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let first = try await harness.request(key: "order-42")
    let second = try await harness.request(key: "order-42")
    #expect(!first.duplicate)
    #expect(second.duplicate)
    #expect(second.log.id == first.log.id)
    await harness.expectFailure(.failedPrecondition, "IDEMPOTENCY_KEY_USED") {
      try await harness.request(entity: "43", key: "order-42")
    }
    #expect(try await harness.leaseOne().idempotencyKey == "order-42")
  }

  @Test("Without a key the log's id is the key", arguments: StoreKind.all)
  func defaultKey(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    #expect(try await harness.leaseOne().idempotencyKey == "\(id)")
  }

  @Test(
    "What cannot be asked for is refused", arguments: StoreKind.all,
    [
      ("unknown", "ACTION_UNKNOWN"), ("watch_folder", "ACTION_NOT_REQUESTABLE"),
      ("retired", "ACTION_RETIRED"),
    ])
  func refused(kind: StoreKind, bad: (action: String, reason: String)) async throws {
    let harness = try await StoreHarness(kind)
    try await harness.register([ActionDeclaration(type: "retired", canBeRequested: true)])
    try await harness.register(StoreHarness.actions, retiresUndeclared: true)
    await harness.expectFailure(nil, bad.reason) { try await harness.request(bad.action) }
  }

  @Test("One open request for a record where the action says so", arguments: StoreKind.all)
  func oneOpen(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let first = try await harness.request("export_quote", entity: "Q-1")
    await harness.expectFailure(.failedPrecondition, "REQUEST_OPEN_FOR_ENTITY") {
      try await harness.request("export_quote", entity: "Q-1")
    }
    _ = try await harness.request("export_quote", entity: "Q-2")
    try await harness.perform(
      .cancelRequest(logID: first.log.id, reason: "", principal: "operator:local"))
    _ = try await harness.request("export_quote", entity: "Q-1")
  }

  @Test(
    "A request is not delivered before its time, and is announced then", arguments: StoreKind.all)
  func notBefore(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let at = harness.now.adding(milliseconds: 5_000)
    _ = try await harness.request(notBefore: at)
    #expect(harness.takeAvailable().isEmpty)
    #expect(try await harness.lease().requests.isEmpty)
    let (_, next) = try await harness.expire()
    #expect(next == at)
    harness.advance(milliseconds: 5_000)
    try await harness.expire()
    #expect(harness.takeAvailable() == ["export_order"])
    #expect(try await harness.lease().requests.count == 1)
  }

  @Test("A queued request is withdrawn at once", arguments: StoreKind.all)
  func cancelQueued(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let outcome = try await harness.perform(
      .cancelRequest(logID: id, reason: "wrong customer", principal: "operator:local"))
    guard case .cancelled(let log, askedAgent: false) = outcome else { throw Unexpected(outcome) }
    #expect(log.status == .cancelled)
    #expect(log.message == "wrong customer")
    #expect(try await harness.lease().requests.isEmpty)
    await harness.expectFailure(.failedPrecondition, "REQUEST_NOT_OPEN") {
      try await harness.perform(.cancelRequest(logID: id, reason: "", principal: "operator:local"))
    }
    let stranger = harness.newID()
    await harness.expectFailure(.notFound, "LOG_UNKNOWN") {
      try await harness.perform(
        .cancelRequest(logID: stranger, reason: "", principal: "operator:local"))
    }
  }

  @Test("An agent's own log does not hide another integration's request", arguments: StoreKind.all)
  func sharedID(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let other = try await harness.addIntegration("southwind")
    let id = harness.newID()
    let wanted = CreateRequest(
      integration: other, actionType: "export_order", logID: id,
      entity: EntityReference(type: "order", id: "42"), input: "", idempotencyKey: "",
      notBefore: nil, principal: "operator:local")
    _ = try await harness.perform(.createRequest(wanted))
    try await harness.report(id, .completed, sequence: 1)
    #expect(try await harness.detail(id).log.integration == other)
    let outcome = try await harness.perform(
      .cancelRequest(logID: id, reason: "", principal: "operator:local"))
    guard case .cancelled(let log, askedAgent: false) = outcome else { throw Unexpected(outcome) }
    #expect(log.integration == other && log.status == .cancelled)
  }

  @Test("A running one is asked to stop; the agent decides how it ends", arguments: StoreKind.all)
  func cancelRunning(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    let leased = try await harness.leaseOne()
    let token = "\(leased.token)"
    try await harness.report(id, .inProgress, sequence: 1, Report(token: token))
    _ = harness.recorder.takeEvents()
    let outcome = try await harness.perform(
      .cancelRequest(logID: id, reason: "too late", principal: "operator:local"))
    guard case .cancelled(let log, askedAgent: true) = outcome else { throw Unexpected(outcome) }
    #expect(log.status == .inProgress)
    #expect(log.isCancelWanted)
    let wish = CancelWish(
      integration: harness.integration, agentID: "agent-1", logID: id, reason: "too late",
      requestedBy: "operator:local")
    #expect(harness.takeCancelWishes() == [wish])
    #expect(try await harness.renew([(id, token)]).cancels == [wish])
    #expect(try await harness.store.loadCatalog().cancelWishes == [wish])
    #expect(try await harness.report(id, nil, sequence: 2, Report(token: token)).isCancelWanted)

    try await harness.report(id, .cancelled, sequence: 3, Report(token: token))
    #expect(try await harness.status(id) == .cancelled)
    #expect(try await harness.store.loadCatalog().cancelWishes.isEmpty)
  }

  @Test("A wanted cancel ends a log whose holder is lost", arguments: StoreKind.all)
  func cancelLost(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request().log.id
    _ = try await harness.leaseOne()
    try await harness.perform(.cancelRequest(logID: id, reason: "", principal: "operator:local"))
    harness.advance(milliseconds: 10_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .cancelled)
  }

  @Test("Own work that runs can be asked to stop as well", arguments: StoreKind.all)
  func cancelOwnWork(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    try await harness.report(id, .inProgress, sequence: 1)
    try await harness.perform(.cancelRequest(logID: id, reason: "", principal: "operator:local"))
    #expect(try await harness.report(id, nil, sequence: 2).isCancelWanted)
  }

  // MARK: - Retry

  @Test("A retryable failure makes a linked log after the backoff", arguments: StoreKind.all)
  func automaticRetry(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request("export_quote", key: "k", input: "{}").log.id
    let leased = try await harness.leaseOne(["export_quote"])
    try await harness.report(
      id, .failed, sequence: 1, Report(message: "busy", token: "\(leased.token)", isRetryable: true)
    )
    let detail = try await harness.detail(id)
    let retryID = try #require(detail.retriedBy.first)
    #expect(detail.retriedBy.count == 1)
    let retry = try await harness.detail(retryID)
    #expect(retry.log.status == .queued)
    #expect(retry.log.attempt == 2)
    #expect(retry.log.retryOf == id)
    #expect(retry.log.trigger == .retry)
    #expect(retry.timeline.first?.cause == .retry)
    #expect(try await harness.lease(["export_quote"]).requests.isEmpty)
    harness.advance(milliseconds: 1_000)
    let again = try await harness.leaseOne(["export_quote"])
    #expect(again.logID == retryID)
    #expect(again.attempt == 2)
    #expect(again.idempotencyKey == "k")
    #expect(again.input == "{}")
  }

  @Test(
    "There is no retry after the last attempt or without being retryable", arguments: StoreKind.all)
  func noRetry(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var id = try await harness.request("export_quote").log.id
    for attempt in 1...3 {
      harness.advance(milliseconds: 10_000)
      let leased = try await harness.leaseOne(["export_quote"])
      #expect(leased.attempt == UInt32(attempt))
      id = leased.logID
      try await harness.report(
        id, .failed, sequence: 1, Report(token: "\(leased.token)", isRetryable: true))
    }
    #expect(try await harness.detail(id).retriedBy.isEmpty)
    let plain = harness.newID()
    try await harness.report(plain, .failed, sequence: 1, Report(action: "export_quote"))
    #expect(try await harness.detail(plain).retriedBy.isEmpty)
  }

  @Test("An operator retries what did not complete", arguments: StoreKind.all)
  func operatorRetry(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let failed = harness.newID()
    try await harness.report(failed, .failed, sequence: 1)
    let outcome = try await harness.perform(
      .retryLog(logID: failed, newID: harness.newID(), principal: "operator:local"))
    guard case .requested(let retry, duplicate: false) = outcome else { throw Unexpected(outcome) }
    #expect(retry.retryOf == failed)
    #expect(retry.requestedBy == "operator:local")
    #expect(retry.entity.id == "42")
    #expect(try await harness.leaseOne().idempotencyKey == "\(failed)")

    let done = harness.newID()
    try await harness.report(done, .completed, sequence: 1)
    await harness.expectFailure(.failedPrecondition, "RETRY_NOT_POSSIBLE") {
      try await harness.perform(
        .retryLog(logID: done, newID: harness.newID(), principal: "operator:local"))
    }
  }

  // MARK: - Timeouts

  @Test("Nobody takes it: it times out in the queue", arguments: StoreKind.all)
  func queueTimeout(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = try await harness.request("export_quote").log.id
    harness.advance(milliseconds: 59_999)
    try await harness.expire()
    #expect(try await harness.status(id) == .queued)
    harness.advance(milliseconds: 1)
    try await harness.expire()
    let detail = try await harness.detail(id)
    #expect(detail.log.status == .timedOut)
    #expect(detail.timeline.last?.cause == .queueTimeout)
  }

  @Test(
    "Own work that is not heard of times out; reports and heartbeats count",
    arguments: StoreKind.all)
  func progressTimeout(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    try await harness.report(id, .inProgress, sequence: 1, Report(action: "export_quote"))
    harness.advance(milliseconds: 20_000)
    try await harness.report(id, nil, sequence: 2)
    harness.advance(milliseconds: 20_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .inProgress)
    try await harness.renew([(id, "")])
    harness.advance(milliseconds: 20_000)
    try await harness.expire()
    #expect(try await harness.status(id) == .inProgress)
    harness.advance(milliseconds: 10_000)
    try await harness.expire()
    let detail = try await harness.detail(id)
    #expect(detail.log.status == .timedOut)
    #expect(detail.timeline.last?.cause == .progressTimeout)
  }

  @Test("Expiry does a bounded number and says when to come again", arguments: StoreKind.all)
  func boundedExpiry(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    for number in 0..<5 { _ = try await harness.request("export_quote", entity: "\(number)") }
    let due = harness.now.adding(milliseconds: 60_000)
    #expect(try await harness.store.loadCatalog().nextDue == due)
    harness.advance(milliseconds: 60_000)
    let first = try await harness.expire(maximum: 3)
    #expect(first.count == 3)
    #expect(first.next == due)
    let second = try await harness.expire(maximum: 3)
    #expect(second.count == 2)
    #expect(second.next == nil)
  }
}
