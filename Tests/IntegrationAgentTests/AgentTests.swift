import IntegrationAPI
import IntegrationClient
import ProtobufRuntime
import RPCWire
import TestSupport
import Testing

@testable import IntegrationAgent

@Suite(.limit(minutes: 3)) struct AgentTests {
  let manager: ServerDouble
  let directory: ScratchDirectory

  init() throws {
    manager = try ServerDouble()
    directory = try ScratchDirectory()
  }

  private var configuration: AgentConfiguration {
    RunningAgent.configuration(manager, directory)
  }

  @Test("It declares its actions, phones home, and says goodbye when it stops")
  func lifeOfAnAgent() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export_order", name: "Export Order") {
        $0.entityType = "order"
      } handler: { _ in
        .completed("Done.")
      }
    }
    try await eventually("a heartbeat") { self.manager.state.withLock { $0.heartbeats.first } }
    let definition = try #require(manager.state.withLock { $0.definitions.first })
    #expect(definition.type == "export_order")
    #expect(definition.name == "Export Order")
    #expect(definition.entityType == "order")
    #expect(definition.canBeRequested)
    try await running.stop()
    let last = try #require(manager.state.withLock { $0.heartbeats.last })
    #expect(last.state == .stopped)
    #expect(last.agentID == "agent-1")
  }

  @Test("A request is accepted with its first report and ends with the handler's outcome")
  func request() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { job in
        .completed("Exported \(job.entity.id).", result: ["key": job.idempotencyKey])
      }
    }
    let log = manager.request("export", entity: "Q-7")
    let last = try await manager.wait(for: .completed, of: log)
    #expect(manager.statuses(of: log) == [.inProgress, .completed])
    #expect(last.statusMessage == "Exported Q-7.")
    #expect(last.result == "{\"key\":\"key-\(log)\"}")
    #expect(manager.reports(of: log).map(\.sequence) == [1, 2])
    #expect(manager.reports(of: log).allSatisfy { $0.leaseToken == "token-\(log)-1" })
    try await running.stop()
  }

  @Test("Progress, labels and record errors arrive before the end or with it, none twice")
  func progress() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("import", name: "Import") { job in
        await job.label("file", "a.csv")
        for number in 1...50 {
          try await job.progress(done: number, total: 50)
          if number % 10 == 0 { try await job.recordError("row \(number)", "It is wrong.") }
        }
        return .completed("Imported 50 records.")
      }
    }
    let log = manager.request("import")
    let last = try await manager.wait(for: .completed, of: log)
    #expect(last.recordsDone == 50)
    #expect(last.recordsTotal == 50)
    let reports = manager.reports(of: log)
    #expect(
      reports.flatMap(\.errors).map(\.referenceID)
        == ["row 10", "row 20", "row 30", "row 40", "row 50"])
    #expect(reports.compactMap { $0.labels["file"] } == ["a.csv"])
    #expect(reports.count < 50)
    try await running.stop()
  }

  @Test("More record errors than one report may hold go out in several")
  func manyErrors() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("import", name: "Import") { job in
        for number in 1...2500 { try await job.recordError("\(number)", "It is wrong.") }
        return .failed("All records are wrong.")
      }
    }
    let log = manager.request("import")
    try await manager.wait(for: .failed, of: log)
    let reports = manager.reports(of: log)
    #expect(reports.allSatisfy { $0.errors.count <= 1000 })
    #expect(reports.flatMap(\.errors).map(\.referenceID) == (1...2500).map(String.init))
    try await running.stop()
  }

  @Test("An error that a handler throws becomes the sentence of a failed log")
  func thrownError() async throws {
    struct WrongQuantity: Error, CustomStringConvertible {
      var description: String { "The quantity is -3; give 1 or more." }
    }
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in throw WrongQuantity() }
    }
    let log = manager.request("export")
    let last = try await manager.wait(for: .failed, of: log)
    #expect(last.statusMessage == "The quantity is -3; give 1 or more.")
    #expect(!last.retryable)
    try await running.stop()
  }

  @Test("A request for an action that nobody declared fails with a sentence")
  func undeclaredAction() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in .completed("Done.") }
    }
    let log = manager.request("import")
    let last = try await manager.wait(for: .failed, of: log)
    #expect(last.statusMessage.contains("import"))
    try await running.stop()
  }

  @Test("No more requests are worked on at once than the configuration allows")
  func boundedConcurrency() async throws {
    let gate = Gate()
    var configuration = configuration
    configuration.maximumJobs = 2
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in
        await gate.pass()
        return .completed("Done.")
      }
    }
    let logs = (1...5).map { manager.request("export", entity: "E-\($0)") }
    try await gate.waitForArrivals(2)
    #expect(manager.state.withLock { $0.queue.count } == 3)
    await gate.open()
    for log in logs { try await manager.wait(for: .completed, of: log) }
    #expect(await gate.arrivals == 5)
    try await running.stop()
  }

  @Test("Work that nobody queued gets a log with its action, record and trigger")
  func ownAttempt() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in .failed("The customer is missing.") }
    }
    try await eventually("a connection") { running.said.first { $0.hasPrefix("connected") } }
    var entity = Entity()
    entity.type = "order"
    entity.id = "O-1"
    let outcome = try await running.agent.attempt("export", entity: entity, trigger: .schedule)
    #expect(outcome.kind == .failed)
    let first = try await eventually("the report") {
      self.manager.state.withLock { $0.reports.first }
    }
    #expect(first.actionType == "export")
    #expect(first.entity?.id == "O-1")
    #expect(first.trigger == .schedule)
    #expect(first.leaseToken.isEmpty)
    try await manager.wait(for: .failed, of: first.logID)
    await #expect(throws: AgentError.actionUnknown(type: "nothing")) {
      try await running.agent.attempt("nothing")
    }
    try await running.stop()
    await #expect(throws: AgentError.notRunning) { try await running.agent.attempt("export") }
  }

  @Test("A wrong key ends the run with the server's refusal")
  func wrongKey() async throws {
    let running = RunningAgent(
      RunningAgent.configuration(manager, directory, key: "imk_wrong")
    ) { agent in
      agent.action("export", name: "Export") { _ in .completed("Done.") }
    }
    let error = await #expect(throws: AgentError.self) { try await running.end() }
    guard case .refused(let cause)? = error else {
      Issue.record("expected a refusal, got \(String(describing: error))")
      return
    }
    #expect(cause.reason == WireReason.tokenInvalid)
  }

  @Test("A last report that the server refuses is sent again without its details")
  func refusedResult() async throws {
    manager.state.withLock { state in
      state.refusal = { report in
        report.result.isEmpty
          ? nil : RPCError(.invalidArgument, "the result is no JSON", reason: "FIELD_INVALID")
      }
    }
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in .completed("Done.", result: "{broken") }
    }
    let log = manager.request("export")
    let last = try await manager.wait(for: .completed, of: log)
    #expect(last.statusMessage.contains("the result is no JSON"))
    #expect(running.said.contains { $0.contains("refused") })
    try await running.stop()
  }

  @Test("Own work of an agent whose clock is far ahead gets an id that the server takes")
  func clockAhead() async throws {
    // The same as an agent whose clock is an hour ahead of the server's.
    let (seconds, _) = WallClock.now()
    manager.state.withLock { $0.time = Timestamp(seconds: seconds - 3_600) }
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in .completed("Done.") }
    }
    try await eventually("two heartbeats") {
      self.manager.state.withLock { $0.heartbeats.count > 1 ? true : nil }
    }
    try await running.agent.attempt("export")
    let report = try await eventually("the report") {
      self.manager.state.withLock { $0.reports.first }
    }
    let time = UInt64(report.logID.filter { $0 != "-" }.prefix(12), radix: 16)
    let ahead = Int64(time ?? 0) / 1_000 - (seconds - 3_600)
    #expect((0..<600).contains(ahead))
    try await running.stop()
  }
}
