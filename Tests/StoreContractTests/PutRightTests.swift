import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

@Suite struct PutRightTests {
  static func failed(_ harness: StoreHarness, _ entity: String = "42") async throws -> LogID {
    let id = harness.newID()
    var report = Report(message: "no product")
    report.entity.id = entity
    try await harness.report(id, .failed, sequence: 1, report)
    return id
  }

  static func many(_ outcome: CommandOutcome) throws -> [CommandOutcome] {
    guard case .many(let outcomes) = outcome else { throw Unexpected(outcome) }
    return outcomes
  }

  static func word(_ outcome: CommandOutcome) -> String {
    switch outcome {
    case .requested(_, duplicate: false): "requested"
    case .requested(_, duplicate: true): "duplicate"
    case .cancelled(_, askedAgent: false): "cancelled"
    case .cancelled(_, askedAgent: true): "asked"
    case .done: "skipped"
    case .failed(let failure): failure.reason
    default: "\(outcome)"
    }
  }

  @Test("A retry has the edited input and the reason as its first entry", arguments: StoreKind.all)
  func editedRetry(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let old = try await harness.request(input: "{\"a\":1}").log.id
    _ = try await harness.perform(
      .cancelRequest(logID: old, reason: "", principal: "operator:local"))
    let new = harness.newID()
    _ = try await harness.perform(
      .retryLog(
        logID: old, newID: new, principal: "operator:eva", input: "{\"a\":2}", reason: "typo"))
    let detail = try await harness.detail(new)
    #expect(detail.request?.input == "{\"a\":2}")
    #expect(detail.timeline.first?.message == "typo")
    #expect(detail.timeline.first?.principal == "operator:eva")
    #expect(detail.log.retryOf == old)
  }

  @Test("A repeated retry of many does nothing, and each refusal is told", arguments: StoreKind.all)
  func retryLogs(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let failed = try await Self.failed(harness, "1")
    let handled = try await Self.failed(harness, "2")
    _ = try await harness.perform(
      .markHandled(logID: handled, isHandled: true, note: "by hand", principal: "operator:local"))
    let done = harness.newID()
    try await harness.report(done, .completed, sequence: 1)
    let logs = [failed, handled, done, harness.newID()].map {
      LogPosition(logID: $0, integration: harness.integration)
    }
    func step() async throws -> [String] {
      let items = logs.map { RetryLogs.Item(log: $0, newID: harness.newID()) }
      let outcome = try await harness.perform(
        .retryLogs(RetryLogs(items: items, reason: "", principal: "operator:local")))
      return try Self.many(outcome).map(Self.word)
    }
    #expect(try await step() == ["requested", "skipped", "RETRY_NOT_POSSIBLE", "skipped"])
    #expect(try await step() == ["skipped", "skipped", "RETRY_NOT_POSSIBLE", "skipped"])
    #expect(try await harness.detail(failed).retriedBy.count == 1)
  }

  @Test("Many requests are asked for in one commit, each alone", arguments: StoreKind.all)
  func createRequests(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    func wish(_ entity: String, key: String = "", action: String = "export_order") -> CreateRequest
    {
      CreateRequest(
        integration: harness.integration, actionType: action, logID: harness.newID(),
        entity: EntityReference(type: "order", id: entity), input: "", idempotencyKey: key,
        notBefore: nil, principal: "operator:local")
    }
    let before = harness.recorder.batches.count
    let outcome = try await harness.perform(
      .createRequests([
        wish("1", key: "k"), wish("1", key: "k"), wish("2", key: "k"),
        wish("3", action: "watch_folder"), wish("4"),
      ]))
    #expect(
      try Self.many(outcome).map(Self.word) == [
        "requested", "duplicate", "IDEMPOTENCY_KEY_USED", "ACTION_NOT_REQUESTABLE", "requested",
      ])
    #expect(harness.recorder.batches.count == before + 1)
    #expect(harness.takeAvailable().count == 2)
    let open = try await harness.store.openRequests(LogQuery()).requests.map {
      LogPosition(logID: $0.log.id, integration: $0.log.integration)
    }
    let cancelled = try await harness.perform(
      .cancelRequests(open, reason: "outdated", principal: "operator:local"))
    #expect(try Self.many(cancelled).map(Self.word) == ["cancelled", "cancelled"])
    let again = try await harness.perform(
      .cancelRequests(open, reason: "outdated", principal: "operator:local"))
    #expect(try Self.many(again).map(Self.word) == ["skipped", "skipped"])
  }

  @Test("A request expires when nobody takes it, and says so", arguments: StoreKind.all)
  func expires(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let wish = CreateRequest(
      integration: harness.integration, actionType: "export_order", logID: harness.newID(),
      entity: EntityReference(type: "order", id: "1"), input: "", idempotencyKey: "",
      notBefore: nil, expiresAt: harness.now.adding(milliseconds: 5_000), principal: "operator")
    _ = try await harness.perform(.createRequest(wish))
    harness.advance(milliseconds: 4_999)
    try await harness.expire()
    #expect(try await harness.status(wish.logID) == .queued)
    harness.advance(milliseconds: 1)
    try await harness.expire()
    let detail = try await harness.detail(wish.logID)
    #expect(detail.log.status == .timedOut)
    #expect(detail.log.message.contains("expired"))
    #expect(detail.request?.expiresAt == wish.expiresAt)
  }

  // MARK: - Notes and marks

  @Test("A note stands in the timeline and changes nothing else", arguments: StoreKind.all)
  func notes(kind: StoreKind) async throws {
    var limits = StoreLimits()
    limits.model.maximumNotes = 2
    let harness = try await StoreHarness(kind, limits: limits)
    let id = try await Self.failed(harness)
    let before = try await harness.store.counts([harness.integration], now: harness.now)[0]
    harness.advance(milliseconds: 10)
    for text in ["called them", "they fix it"] {
      let outcome = try await harness.perform(
        .addNote(logID: id, note: text, principal: "operator:eva"))
      guard case .log(let log) = outcome else { throw Unexpected(outcome) }
      #expect(log.status == .failed)
      #expect(log.message == "no product")
    }
    let timeline = try await harness.detail(id).timeline
    #expect(timeline.map(\.cause) == [.report, .note, .note])
    #expect(timeline.map(\.message) == ["no product", "called them", "they fix it"])
    #expect(timeline[0].at < timeline[1].at)
    #expect(timeline[1].principal == "operator:eva")
    let after = try await harness.store.counts([harness.integration], now: harness.now)[0]
    #expect(after == before)
    await harness.expectFailure(.resourceExhausted, "TOO_MANY_NOTES") {
      try await harness.perform(.addNote(logID: id, note: "more", principal: "operator:eva"))
    }
    await harness.expectFailure(.notFound, "LOG_UNKNOWN") {
      try await harness.perform(.addNote(logID: harness.newID(), note: "x", principal: "o"))
    }
  }

  @Test("What is handled leaves the failures of the day and comes back", arguments: StoreKind.all)
  func handled(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let ids = [try await Self.failed(harness, "1"), try await Self.failed(harness, "2")]
    func failedDay() async throws -> UInt64 {
      try await harness.store.counts([harness.integration], now: harness.now)[0].failedDay
    }
    func selected(_ isHandled: Bool) async throws -> [LogID] {
      var selection = LogSelection()
      selection.isHandled = isHandled
      return try await harness.store.logs(LogQuery(selection)).logs.map(\.id)
    }
    func mark(_ isHandled: Bool) async throws {
      _ = try await harness.perform(
        .markHandled(logID: ids[0], isHandled: isHandled, note: "n", principal: "operator:eva"))
    }
    #expect(try await failedDay() == 2)
    try await mark(true)
    try await mark(true)
    #expect(try await failedDay() == 1)
    #expect(try await selected(true) == [ids[0]])
    #expect(try await selected(false) == [ids[1]])
    #expect(try await harness.detail(ids[0]).log.isHandled)
    try await mark(false)
    #expect(try await failedDay() == 2)
    let causes = try await harness.detail(ids[0]).timeline.map(\.cause)
    #expect(causes == [.report, .handled, .reopened])
    let open = try await harness.request().log.id
    await harness.expectFailure(.failedPrecondition, "NOT_A_FAILURE") {
      try await harness.perform(
        .markHandled(logID: open, isHandled: true, note: "", principal: "operator:eva"))
    }
  }
}
