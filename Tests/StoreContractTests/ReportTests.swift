import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

@Suite struct ReportTests {
  @Test("A whole attempt in one report is a log with one timeline entry", arguments: StoreKind.all)
  func wholeAttempt(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    let outcome = try await harness.report(
      id, .completed, sequence: 1,
      Report(message: "Exported as SO-7", labels: ["tier": "gold"], result: "{\"so\":7}"))
    #expect(
      outcome
        == ReportOutcome(
          status: .completed, sequence: 1, isDuplicate: false, isCancelWanted: false))

    let detail = try await harness.detail(id)
    #expect(detail.log.status == .completed)
    #expect(detail.log.actionType == "export_order")
    #expect(detail.log.entity == EntityReference(type: "order", id: "42", displayName: "Order 42"))
    #expect(detail.log.agentID == "agent-1")
    #expect(detail.log.trigger == .event)
    #expect(detail.log.labels == ["tier": "gold"])
    #expect(detail.log.result == "{\"so\":7}")
    #expect(detail.log.finishedAt == harness.now)
    #expect(
      detail.timeline == [
        StoredTimelineEntry(
          at: harness.now, from: nil, to: .completed, principal: "integration:northwind",
          agentID: "agent-1", cause: .report, message: "Exported as SO-7", isLate: false)
      ])
    #expect(detail.request == nil)
  }

  @Test("Progress, counters and the end stand in the timeline", arguments: StoreKind.all)
  func progress(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    try await harness.report(
      id, .inProgress, sequence: 1, Report(message: "Begun", labels: ["a": "1", "b": "1"]))
    harness.advance(milliseconds: 1_000)
    try await harness.report(
      id, nil, sequence: 2, Report(message: "Half", labels: ["b": "2"], done: 5, total: 10))
    harness.advance(milliseconds: 1_000)
    try await harness.report(id, .completed, sequence: 3, Report(done: 10))

    let detail = try await harness.detail(id)
    #expect(detail.log.recordsDone == 10)
    #expect(detail.log.recordsTotal == 10)
    #expect(detail.log.message == "Half")
    #expect(detail.log.labels == ["a": "1", "b": "2"])
    #expect(detail.log.sequence == 3)
    #expect(detail.timeline.map(\.to) == [.inProgress, .inProgress, .completed])
    #expect(detail.timeline.map(\.from) == [nil, .inProgress, .inProgress])
    #expect(detail.timeline.map(\.message) == ["Begun", "Half", ""])
  }

  @Test(
    "A repeat changes nothing and is answered as a duplicate, also when the log is final",
    arguments: StoreKind.all, [Status.inProgress, .completed])
  func duplicate(kind: StoreKind, status: Status) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    let report = Report(
      message: "once",
      errors: [
        StoredRecordError(referenceID: "r", message: "m", cause: "c", isRetryable: false)
      ])
    try await harness.report(id, status, sequence: 1, report)
    let before = try await harness.detail(id)
    harness.advance(milliseconds: 500)
    let outcome = try await harness.report(id, status, sequence: 1, report)
    #expect(outcome.isDuplicate)
    #expect(outcome.status == status)
    #expect(outcome.sequence == 1)
    let after = try await harness.detail(id)
    #expect(after.log == before.log)
    #expect(after.timeline == before.timeline)
    #expect(after.recordErrors.count == 1)
  }

  @Test("A repeat is a duplicate after a restart", arguments: StoreKind.all)
  func duplicateAfterRestart(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    try await harness.report(id, .completed, sequence: 1)
    await harness.store.close()
    let again = try kind.open(harness.scratch.file("data"), .init())
    again.start(observer: CommitRecorder())
    let second = harness.on(again)
    #expect(try await second.report(id, .completed, sequence: 1).isDuplicate)
    #expect(try await second.status(id) == .completed)
    await again.close()
  }

  @Test(
    "Reports out of order are refused and change nothing", arguments: StoreKind.all,
    [(stored: UInt64(0), sent: UInt64(2)), (1, 3), (1, .max)])
  func sequenceGap(kind: StoreKind, numbers: (stored: UInt64, sent: UInt64)) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    if numbers.stored > 0 { try await harness.report(id, .inProgress, sequence: numbers.stored) }
    await harness.expectFailure(.failedPrecondition, "SEQUENCE_GAP") {
      try await harness.report(id, .completed, sequence: numbers.sent)
    }
    let stored = try await harness.store.log(id, errorsAfter: 0, errorLimit: 1)
    #expect(stored?.log.status == (numbers.stored > 0 ? .inProgress : nil))
  }

  @Test("A different report after the end is refused and kept as late", arguments: StoreKind.all)
  func late(kind: StoreKind) async throws {
    var limits = StoreLimits()
    limits.model.maximumLateEntries = 2
    let harness = try await StoreHarness(kind, limits: limits)
    let id = harness.newID()
    try await harness.report(id, .completed, sequence: 1, Report(message: "done"))
    for _ in 0..<4 {
      await harness.expectFailure(.failedPrecondition, "LOG_FINAL") {
        try await harness.report(id, .failed, sequence: 2, Report(message: "no, it failed"))
      }
    }
    let detail = try await harness.detail(id)
    #expect(detail.log.status == .completed)
    #expect(detail.log.message == "done")
    #expect(detail.timeline.map(\.isLate) == [false, true, true])
    #expect(detail.timeline.map(\.to) == [.completed, .failed, .failed])
  }

  @Test("An uncounted repeat of the last report is a duplicate", arguments: StoreKind.all)
  func uncounted(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    try await harness.report(id, .completed, sequence: 0, Report(message: "done"))
    #expect(
      try await harness.report(id, .completed, sequence: 0, Report(message: "done")).isDuplicate)
    await harness.expectFailure(.failedPrecondition, "LOG_FINAL") {
      try await harness.report(id, .failed, sequence: 0)
    }
  }

  @Test(
    "What a first report must not say is refused", arguments: StoreKind.all,
    [
      (Report(action: "unknown"), Status.completed, "ACTION_UNKNOWN"),
      (Report(action: ""), .completed, "FIELD_INVALID"),
      (Report(), .queued, "STATUS_INVALID"),
      (Report(token: "00000001000000000000000a"), .completed, "LOG_UNKNOWN"),
    ] as [(Report, Status, String)])
  func badFirst(kind: StoreKind, bad: (report: Report, status: Status, reason: String)) async throws
  {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    await harness.expectFailure(nil, bad.reason) {
      try await harness.report(id, bad.status, sequence: 1, bad.report)
    }
    #expect(try await harness.store.log(id, errorsAfter: 0, errorLimit: 1) == nil)
  }

  @Test(
    "The agent's clock counts only between the log's creation and now", arguments: StoreKind.all)
  func occurrence(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    let created = harness.now
    harness.advance(milliseconds: 60_000)
    let real = created.adding(milliseconds: 20_000)
    try await harness.report(id, .inProgress, sequence: 1, Report(occurredAt: real))
    let future = harness.now.adding(milliseconds: 60_000)
    try await harness.report(id, .completed, sequence: 2, Report(occurredAt: future))
    let log = try await harness.detail(id).log
    #expect(log.createdAt == created)
    #expect(log.startedAt == real)
    #expect(log.finishedAt == harness.now)
  }

  @Test("Labels merge up to the limit and not beyond", arguments: StoreKind.all)
  func labelLimit(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    let many = Dictionary(uniqueKeysWithValues: (0..<32).map { ("k\($0)", "v") })
    try await harness.report(id, .inProgress, sequence: 1, Report(labels: many))
    await harness.expectFailure(.invalidArgument, "FIELD_INVALID") {
      try await harness.report(id, nil, sequence: 2, Report(labels: ["one_more": "v"]))
    }
    try await harness.report(id, nil, sequence: 2, Report(labels: ["k3": "new"]))
    #expect(try await harness.detail(id).log.labels["k3"] == "new")
  }

  @Test("A refused report does not disturb others of its batch", arguments: StoreKind.all)
  func together(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let ids = (0..<3).map { _ in harness.newID() }
    let (integration, now) = (harness.integration, harness.now)
    let taken = harness.store.submit { batch in
      for (number, action) in ["export_order", "unknown", "export_order"].enumerated() {
        let command = Report(action: action).command(
          ids[number], .completed, sequence: 1, integration: integration, in: &batch)
        batch.append(report: command, now: now, origin: .token(UInt64(number), 0))
      }
    }
    #expect(taken)
    // A command behind them in the queue is committed after them.
    try await harness.expire()
    let answers = harness.recorder.answers
    #expect(answers.count == 3)
    guard case .reported = answers[0], case .failed = answers[1], case .reported = answers[2] else {
      Issue.record("outcomes are not in the order of the commands: \(answers)")
      return
    }
    #expect(try await harness.store.log(ids[1], errorsAfter: 0, errorLimit: 1) == nil)
  }
}
