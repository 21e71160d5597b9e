import IntegrationAPI
import TestSupport
import Testing

@testable import IntegrationAgent

/// What survives when the server or the agent goes away.
@Suite(.limit(minutes: 3)) struct AgentOutageTests {
  let manager: ServerDouble
  let directory: ScratchDirectory

  init() throws {
    manager = try ServerDouble()
    directory = try ScratchDirectory()
  }

  private var configuration: AgentConfiguration {
    RunningAgent.configuration(manager, directory)
  }

  private func entity(_ number: Int) -> Entity {
    var entity = Entity()
    entity.type = "order"
    entity.id = "O-\(number)"
    return entity
  }

  private func declare(_ agent: IntegrationAgent.Agent) {
    agent.action("export", name: "Export") { job in .completed("Exported \(job.entity.id).") }
  }

  /// The ids of the records whose logs ended, in the order in which their first reports came.
  private var finished: [String] {
    manager.state.withLock { state in
      let final = Set(state.reports.filter { $0.status == .completed }.map(\.logID))
      return state.reports.compactMap { report in
        final.contains(report.logID) ? report.entity?.id : nil
      }
    }
  }

  @Test("Reports made while the server is away arrive in order when it is back")
  func serverAway() async throws {
    let running = RunningAgent(configuration, declare)
    try await eventually("a connection") { running.said.first { $0.hasPrefix("connected") } }
    await manager.stop()
    for number in 1...20 { try await running.agent.attempt("export", entity: entity(number)) }
    #expect(manager.state.withLock { $0.reports.isEmpty })
    try manager.start()
    try await eventually("all reports") { self.finished.count == 20 ? true : nil }
    #expect(finished == (1...20).map { "O-\($0)" })
    for report in manager.state.withLock({ $0.reports }) {
      #expect(manager.reports(of: report.logID).map(\.sequence) == [1, 2])
    }
    try await running.stop()
  }

  @Test("An agent without its server says so once, and again after the next loss")
  func unreachable() async throws {
    await manager.stop()
    let running = RunningAgent(configuration, declare)
    let cannot = "cannot reach \(manager.address): "
    for outages in 1...2 {
      try await eventually("outage \(outages)") {
        running.said.filter { $0.hasPrefix(cannot) }.count == outages ? true : nil
      }
      try manager.start()
      try await eventually("connection \(outages)") {
        running.said.filter { $0.hasPrefix("connected") }.count == outages ? true : nil
      }
      #expect(running.said.filter { $0.hasPrefix(cannot) }.count == outages)
      await manager.stop()
    }
    try await eventually("the last outage") {
      running.said.filter { $0.hasPrefix(cannot) }.count == 3 ? true : nil
    }
    try await running.agent.attempt("export", entity: entity(1))
    try await running.stop()
    let path = configuration.outboxPath
    let kept = "2 reports stay in \(path) until the next start reaches the server"
    #expect(running.said.contains(kept))
  }

  @Test("An outage is said at its first failure and once a minute")
  func outageNotice() {
    let notice = OutageNotice()
    let start = ContinuousClock.now
    #expect(notice.isDue(at: start))
    #expect(!notice.isDue(at: start + .seconds(59)))
    #expect(notice.isDue(at: start + .seconds(60)))
    #expect(!notice.isDue(at: start + .seconds(61)))
    notice.end()
    #expect(notice.isDue(at: start + .seconds(62)))
  }

  @Test("Reports that the server never had survive the agent's own restart")
  func agentRestarted() async throws {
    await manager.stop()
    let first = RunningAgent(configuration, declare)
    try await eventually("the agent runs") {
      try await first.agent.attempt("export", entity: self.entity(1))
    }
    for number in 2...5 { try await first.agent.attempt("export", entity: entity(number)) }
    try await first.stop()
    try manager.start()
    let second = RunningAgent(configuration, declare)
    try await eventually("all reports") { self.finished.count == 5 ? true : nil }
    #expect(finished == (1...5).map { "O-\($0)" })
    try await second.stop()
  }

  @Test("Stopped before it has a connection, it still sends what waits if the server is there")
  func stoppedAtOnce() async throws {
    await manager.stop()
    let first = RunningAgent(configuration, declare)
    try await eventually("the agent runs") {
      try await first.agent.attempt("export", entity: self.entity(1))
    }
    try await first.stop()
    try manager.start()
    let second = RunningAgent(configuration, declare)
    try await second.stop()
    #expect(finished == ["O-1"])
  }

  @Test("An agent that was killed ends its own open attempts and gives its leases back")
  func agentKilled() async throws {
    let gate = Gate()
    let first = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in
        await gate.pass()
        try Task.checkCancellation()
        return .completed("Done.")
      }
    }
    let requested = manager.request("export")
    try await gate.waitForArrivals(1)
    let attempt = Task { [agent = first.agent] in try await agent.attempt("export") }
    try await gate.waitForArrivals(2)
    let own = try await eventually("both logs in progress") {
      self.manager.state.withLock { state in
        state.reports.count < 2 ? nil : state.reports.first { $0.leaseToken.isEmpty }?.logID
      }
    }
    // A process that is killed writes nothing more: the outbox as it stands is what is left.
    let copy = try directory.copyOfOutbox()
    let before = try #require(manager.state.withLock { $0.heartbeats.last?.instanceID })
    await first.kill()
    _ = await attempt.result

    manager.state.withLock { $0.heartbeats = [] }
    var configuration = configuration
    configuration.outboxPath = copy
    let second = RunningAgent(configuration, declare)
    let last = try await manager.wait(for: .failed, of: own)
    #expect(last.statusMessage.contains("ended before this attempt"))
    #expect(last.sequence == 2)
    try await eventually("the goodbye of the process before") {
      self.manager.state.withLock { state in
        state.heartbeats.first { $0.state == .stopped && $0.instanceID == before }
      }
    }
    _ = manager.request("export", delivery: 2, logID: requested)
    try await manager.wait(for: .completed, of: requested)
    try await second.stop()
  }

  @Test("A reply that is lost makes a repeat, which changes nothing")
  func drainingServer() async throws {
    let running = RunningAgent(configuration, declare)
    try await eventually("a connection") { running.said.first { $0.hasPrefix("connected") } }
    for round in 1...3 {
      for number in 1...5 {
        try await running.agent.attempt("export", entity: entity(round * 10 + number))
      }
      await manager.drain()
      try manager.start()
    }
    try await eventually("all reports") { self.finished.count == 15 ? true : nil }
    #expect(finished == (1...3).flatMap { round in (1...5).map { "O-\(round * 10 + $0)" } })
    try await running.stop()
  }

  @Test("With a full outbox nothing new begins, and what began still ends")
  func outboxFull() async throws {
    await manager.stop()
    var configuration = configuration
    configuration.outboxLimits = OutboxLimits(maximumReports: 6, maximumBytes: 1 << 20)
    let running = RunningAgent(configuration, declare)
    try await eventually("the agent runs") {
      try await running.agent.attempt("export", entity: self.entity(1))
    }
    try await running.agent.attempt("export", entity: entity(2))
    try await running.agent.attempt("export", entity: entity(3))
    let error = await #expect(throws: AgentError.self) {
      try await running.agent.attempt("export", entity: entity(4))
    }
    #expect(error?.description.contains("6 reports") == true)
    try manager.start()
    try await eventually("all reports") { self.finished.count == 3 ? true : nil }
    try await running.agent.attempt("export", entity: entity(5))
    try await running.stop()
    #expect(finished == ["O-1", "O-2", "O-3", "O-5"])
  }
}
