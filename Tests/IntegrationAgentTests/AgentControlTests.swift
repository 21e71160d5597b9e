import IntegrationAPI
import TestSupport
import Testing

@testable import IntegrationAgent

/// What operators and a lost lease do to work that is held.
@Suite(.limit(minutes: 3)) struct AgentControlTests {
  let manager: ServerDouble
  let directory: ScratchDirectory
  let gate = Gate()

  init() throws {
    manager = try ServerDouble()
    directory = try ScratchDirectory()
  }

  private var configuration: AgentConfiguration {
    RunningAgent.configuration(manager, directory)
  }

  /// An agent whose only action waits at the gate and heeds its cancellation.
  private func startWaiting(_ configuration: AgentConfiguration) -> RunningAgent {
    RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { [gate] job in
        await gate.pass()
        try Task.checkCancellation()
        return .completed("Done.")
      }
    }
  }

  private func cancel(_ log: String) {
    var cancel = CancelLog()
    cancel.logID = log
    cancel.reason = "wrong file"
    cancel.requestedBy = "operator:local"
    manager.direct(.cancel(cancel))
  }

  @Test(
    "A cancel reaches the handler and the log ends CANCELLED with reason and name",
    arguments: [1, 4])
  func cancelRunning(maximumJobs: Int) async throws {
    var configuration = configuration
    configuration.maximumJobs = maximumJobs
    let running = startWaiting(configuration)
    let log = manager.request("export")
    try await gate.waitForArrivals(1)
    cancel(log)
    let last = try await manager.wait(for: .cancelled, of: log)
    #expect(last.statusMessage == "Cancelled by operator:local: wrong file")
    try await running.stop()
  }

  @Test("A handler that finishes in spite of a cancel is reported as it says")
  func finishedDespiteCancel() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { [gate] job in
        await gate.pass()
        return .completed("It was too late to stop.")
      }
    }
    let log = manager.request("export")
    try await gate.waitForArrivals(1)
    cancel(log)
    try await manager.wait(for: .completed, of: log)
    try await running.stop()
  }

  @Test("A lost lease cancels the handler, and nothing more is reported")
  func leaseLost() async throws {
    let running = startWaiting(configuration)
    let log = manager.request("export")
    try await gate.waitForArrivals(1)
    try await manager.wait(for: .inProgress, of: log)
    manager.state.withLock { $0.lostLeases = [log] }
    try await eventually("the attempt is abandoned") {
      running.said.first { $0.contains("abandoned") && $0.contains("lease") }
    }
    #expect(manager.statuses(of: log) == [.inProgress])
    try await running.stop()
  }

  @Test("A report that comes back LEASE_LOST ends the attempt too")
  func reportFenced() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { [gate] job in
        await gate.pass()
        for number in 1... {
          try await job.progress(done: number, total: 0)
          try await Task.sleep(for: .milliseconds(1))
        }
        return .completed("Done.")
      }
    }
    let log = manager.request("export")
    try await gate.waitForArrivals(1)
    manager.state.withLock { $0.leases[log] = "somebody else's" }
    await gate.open()
    try await eventually("the attempt is abandoned") {
      running.said.first { $0.contains("abandoned") }
    }
    try await running.stop()
  }

  @Test("A request that comes again while its handler runs starts anew after the old one has ended")
  func redelivered() async throws {
    let running = startWaiting(configuration)
    let log = manager.request("export")
    try await gate.waitForArrivals(1)
    _ = manager.request("export", delivery: 2, logID: log)
    try await gate.waitForArrivals(2)
    await gate.open()
    let last = try await manager.wait(for: .completed, of: log)
    #expect(last.leaseToken == "token-\(log)-2")
    #expect(last.sequence == 2)
    try await running.stop()
  }

  @Test("While paused nothing is taken; a resume takes what waited")
  func pause() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in .completed("Done.") }
    }
    var pause = Pause()
    pause.reason = "month end"
    manager.direct(.pause(pause))
    try await eventually("paused") { running.said.first { $0 == "paused: month end" } }
    #expect(await running.agent.isPaused)
    let log = manager.request("export")
    let heartbeats = manager.state.withLock { $0.heartbeats.count }
    try await eventually("three heartbeats") {
      self.manager.state.withLock { $0.heartbeats.count > heartbeats + 3 ? true : nil }
    }
    #expect(manager.state.withLock { $0.queue.count } == 1)
    manager.direct(.resume(Resume()))
    try await manager.wait(for: .completed, of: log)
    try await running.stop()
  }

  @Test("The end of a pause is heard soon, however seldom the agent phones home")
  func pauseBetweenHeartbeats() async throws {
    var patient = configuration
    patient.heartbeatInterval = .seconds(600)
    let running = RunningAgent(patient) { agent in
      agent.action("export", name: "Export") { _ in .completed("Done.") }
    }
    try await eventually("a heartbeat, and a poll that waits") {
      self.manager.state.withLock { $0.heartbeats.isEmpty || $0.polls.isEmpty ? nil : true }
    }
    manager.direct(.pause(Pause()))
    try await eventually("paused") { running.said.first { $0.hasPrefix("paused") } }
    manager.direct(.resume(Resume()))
    let log = manager.request("export")
    try await manager.wait(for: .completed, of: log)
    try await running.stop()
  }

  @Test("A pause that ends while the server is away does not outlast the next connection")
  func pauseForgotten() async throws {
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in .completed("Done.") }
    }
    manager.direct(.pause(Pause()))
    try await eventually("paused") { running.said.first { $0.hasPrefix("paused") } }
    await manager.stop()
    manager.state.withLock { $0.isPaused = false }
    try manager.start()
    let log = manager.request("export")
    try await manager.wait(for: .completed, of: log)
    try await running.stop()
  }

  @Test("A drain finishes what is held, takes nothing new, and ends the run")
  func drain() async throws {
    let running = startWaiting(configuration)
    let log = manager.request("export")
    try await gate.waitForArrivals(1)
    var drain = Drain()
    drain.reason = "maintenance"
    manager.direct(.drain(drain))
    try await eventually("a draining heartbeat") {
      self.manager.state.withLock { $0.heartbeats.last?.state == .draining ? true : nil }
    }
    _ = manager.request("export", entity: "E-2")
    await gate.open()
    try await running.end()
    #expect(manager.statuses(of: log) == [.inProgress, .completed])
    #expect(manager.state.withLock { $0.queue.count } == 1)
    #expect(manager.state.withLock { $0.heartbeats.last?.state } == .stopped)
  }

  @Test("Stopped twice, it gives back what it holds instead of ending it")
  func stopAtOnce() async throws {
    let running = startWaiting(configuration)
    let log = manager.request("export")
    try await gate.waitForArrivals(1)
    try await manager.wait(for: .inProgress, of: log)
    running.agent.stop()
    try await running.stop()
    #expect(manager.statuses(of: log) == [.inProgress])
    #expect(manager.state.withLock { $0.heartbeats.last?.state } == .stopped)
  }

  @Test("A handler that heeds nothing cannot keep the agent from stopping")
  func deafHandler() async throws {
    var configuration = configuration
    configuration.drainTimeout = .milliseconds(20)
    configuration.farewellTimeout = .milliseconds(100)
    let never = Gate()
    let running = RunningAgent(configuration) { agent in
      agent.action("export", name: "Export") { _ in
        await Task { await never.pass() }.value
        return .completed("Done.")
      }
    }
    _ = manager.request("export")
    try await never.waitForArrivals(1)
    try await running.stop()
    await never.open()
  }
}
