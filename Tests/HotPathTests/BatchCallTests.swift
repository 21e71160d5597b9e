import IntegrationAPI
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

/// Calls of many reports whose commit is under way while something happens to the call.
@Suite("Calls of many reports")
struct BatchCallTests {
  private static func request(_ reports: [LogReport]) -> ReportLogBatchRequest {
    var request = ReportLogBatchRequest()
    request.agentID = "agent-1"
    request.reports = reports
    return request
  }

  private static func report(_ logID: String? = nil) -> LogReport {
    var report = LogReport()
    report.logID = logID ?? IntegrationService.newLogID().description
    report.sequence = 1
    report.actionType = "export_quote"
    report.status = .completed
    return report
  }

  @Test("A call with refused reports may end before its commit: the others are kept")
  func endedBeforeCommit() async throws {
    let stage = try await Stage()
    let good = Self.report()
    let request = Self.request([Self.report("x"), good])
    let before = stage.store.commits
    stage.store.hold()
    let call = Task { try await stage.agent.reportLogBatch(request) }
    try await eventually("the reports are committed") {
      stage.store.commits > before ? true : nil
    }
    call.cancel()
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error?.code == .cancelled)
    try await eventually("the server knows of the end") {
      stage.service.unfinished.withLock { $0.isEmpty } ? true : nil
    }
    stage.store.release()
    let again = try await stage.agent.reportLogBatch(Self.request([good]))
    #expect(again.outcomes.map(\.duplicate) == [true])
    await stage.end()
  }

  @Test("Calls of one connection in one commit are each answered with their own outcomes")
  func sideBySide() async throws {
    let stage = try await Stage()
    let reports = (0..<3).map { _ in Self.report() }
    stage.store.hold()
    let before = stage.store.commits
    async let first = stage.agent.reportLogBatch(Self.request([reports[0]]))
    try await eventually("a commit is under way") { stage.store.commits > before ? true : nil }
    async let second = stage.agent.reportLogBatch(
      Self.request([Self.report("x"), reports[1], reports[1]]))
    async let third = stage.agent.reportLogBatch(
      Self.request([reports[1], Self.report("x"), reports[2]]))
    try await eventually("the refused are noted") {
      stage.service.unfinished.withLock { $0.count == 2 } ? true : nil
    }
    stage.store.release()
    #expect(try await first.outcomes.map(\.code) == [0])
    let others = try await [second, third].map(\.outcomes)
    #expect(others[0].map(\.code) == [3, 0, 0])
    #expect(others[1].map(\.code) == [0, 3, 0])
    #expect(others.joined().filter { $0.duplicate }.count == 2)
    await stage.end()
  }

  /// A report that is half of what is done at once of an integration.
  private static func longReport() -> LogReport {
    var report = report()
    report.errors = (0..<130).map { number in
      var error = RecordError()
      error.referenceID = "\(number)"
      error.message = "m"
      return error
    }
    return report
  }

  @Test("A call with very much in it is stored in pieces, and answered once, behind the last")
  func pieces() async throws {
    let stage = try await Stage()
    var reports = (0..<8).map { _ in Self.longReport() }
    reports[3].logID = "x"
    reports[7].logID = reports[0].logID
    let before = stage.store.commits
    let outcomes = try await stage.agent.reportLogBatch(Self.request(reports)).outcomes
    #expect(outcomes.map(\.code) == [0, 0, 0, 3, 0, 0, 0, 0])
    #expect(outcomes.map(\.duplicate) == (0..<8).map { $0 == 7 })
    #expect(outcomes.map(\.sequence) == (0..<8).map { $0 == 3 ? 0 : 1 })
    // Two reports each, and the last one alone; the service may have something to save beside.
    #expect(stage.store.commits >= before + 4)
    #expect(stage.service.unfinished.withLock { $0.isEmpty })
    await stage.end()
  }

  @Test("A call in pieces may end before its commits: all are kept, and nothing is left of it")
  func piecesEndedBefore() async throws {
    let stage = try await Stage()
    let request = Self.request((0..<6).map { _ in Self.longReport() })
    let before = stage.store.commits
    stage.store.hold()
    let call = Task { try await stage.agent.reportLogBatch(request) }
    try await eventually("the first are committed") { stage.store.commits > before ? true : nil }
    call.cancel()
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error?.code == .cancelled)
    #expect(stage.service.unfinished.withLock { $0.count } == 1)
    stage.store.release()
    let again = try await stage.agent.reportLogBatch(request)
    #expect(again.outcomes.map(\.duplicate) == [Bool](repeating: true, count: 6))
    #expect(stage.service.unfinished.withLock { $0.isEmpty })
    await stage.end()
  }
}
