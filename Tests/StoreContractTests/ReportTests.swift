import IntegrationModel
import IntegrationStore
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
    #expect(detail.log.entity.id == "42")
    #expect(detail.log.agentID == "agent-1")
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
    try await harness.report(id, .inProgress, sequence: 1, Report(message: "Begun"))
    harness.advance(milliseconds: 1_000)
    try await harness.report(id, nil, sequence: 2, Report(message: "Half", done: 5, total: 10))
    harness.advance(milliseconds: 1_000)
    try await harness.report(id, .completed, sequence: 3, Report(done: 10))

    let detail = try await harness.detail(id)
    #expect(detail.log.recordsDone == 10)
    #expect(detail.log.recordsTotal == 10)
    #expect(detail.log.message == "Half")
    #expect(detail.log.sequence == 3)
    #expect(detail.timeline.map(\.to) == [.inProgress, .inProgress, .completed])
    #expect(detail.timeline.map(\.from) == [nil, .inProgress, .inProgress])
    #expect(detail.timeline.map(\.message) == ["Begun", "Half", ""])
  }
}
