import IntegrationAPI
import IntegrationModel
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Tailing logs")
struct TailTests {
  @Test("A tail begins with the newest logs, oldest first, then follows what changes")
  func follows() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var earlier: [String] = []
    for _ in 0..<3 { earlier.append(try await agent.report { _ in }.logID) }
    var request = TailLogsRequest()
    request.recent = 2
    var tail = harness.operators.tailLogs(request).makeAsyncIterator()
    var seen = [try await tail.next()?.log?.id, try await tail.next()?.log?.id]
    #expect(seen == earlier.sorted().suffix(2))
    let next = try await agent.report { $0.status = .inProgress }
    _ = try await agent.report {
      $0.logID = next.logID; $0.sequence = 2
    }
    seen = []
    let changes = [try await tail.next()?.log, try await tail.next()?.log]
    #expect(changes.map(\.?.id) == [next.logID, next.logID])
    #expect(changes.map(\.?.status) == [.inProgress, .completed])
  }

  @Test("A tail shows only what its filter takes")
  func filters() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var request = TailLogsRequest()
    request.filter = LogFilter()
    request.filter?.statuses = [.failed]
    let filter = request
    let reader = Task { () -> String? in
      for try await item in harness.operators.tailLogs(filter) { return item.log?.id }
      return nil
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    _ = try await agent.report { _ in }
    let failed = try await agent.report { $0.status = .failed }
    #expect(try await reader.value == failed.logID)
  }

  @Test("A tail whose caller is gone is forgotten")
  func ends() async throws {
    let harness = try await Harness()
    let reader = Task {
      for try await _ in harness.operators.tailLogs(TailLogsRequest()) {}
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    reader.cancel()
    _ = await reader.result
    try await eventually("nobody tails") { harness.service.tails.isWatched ? nil : true }
  }

  @Test("More tails than the limit are refused")
  func limit() async throws {
    var limits = ServiceLimits()
    limits.maximumTails = 1
    let harness = try await Harness(limits: limits)
    let reader = Task {
      for try await _ in harness.operators.tailLogs(TailLogsRequest()) {}
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    let refused = try await failure {
      for try await _ in harness.operators.tailLogs(TailLogsRequest()) {}
    }
    #expect(refused.reason == "TOO_MANY_TAILS")
    reader.cancel()
  }

  @Test("A reader that gives no credit loses nothing of a burst")
  func burst() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let reader = Task { () -> Set<String> in
      var ids: Set<String> = []
      for try await item in harness.operators.tailLogs(TailLogsRequest()) {
        ids.insert(item.log?.id ?? "")
        if ids.count == 1_000 { break }
      }
      return ids
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    var request = ReportLogBatchRequest()
    request.agentID = agent.id
    request.reports = (0..<1_000).map { _ in LogReport.attempt() }
    _ = try await agent.client.reportLogBatch(request)
    #expect(try await reader.value == Set(request.reports.map(\.logID)))
  }
}
