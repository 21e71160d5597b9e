import IntegrationClient
import RPCWire
import Synchronization
import TestSupport

@testable import IntegrationAgent

/// An agent under test with an outbox of its own, quick in everything that takes time.
final class RunningAgent: Sendable {
  let agent: IntegrationAgent.Agent
  private let task: Task<Void, any Error>

  /// The configuration that tests begin with.
  static func configuration(
    _ manager: ServerDouble, _ directory: ScratchDirectory, key: String = ServerDouble.goodKey
  ) -> AgentConfiguration {
    var configuration = AgentConfiguration(
      server: manager.address, key: key, agentID: "agent-1", outboxPath: directory.file("outbox"))
    configuration.heartbeatInterval = .milliseconds(50)
    configuration.attentiveInterval = .milliseconds(20)
    configuration.progressInterval = .milliseconds(10)
    configuration.backoff = Backoff(initial: .milliseconds(5), maximum: .milliseconds(50))
    configuration.drainTimeout = .seconds(10)
    configuration.farewellTimeout = .milliseconds(500)
    return configuration
  }

  init(_ configuration: AgentConfiguration, _ declare: (IntegrationAgent.Agent) -> Void) {
    let seen = EventList()
    var configuration = configuration
    configuration.onEvent = { seen.add($0) }
    let agent = IntegrationAgent.Agent(configuration)
    declare(agent)
    self.agent = agent
    eventList = seen
    task = Task { try await agent.run(stopsOnSignals: false) }
  }

  private let eventList: EventList

  /// What the agent said so far.
  var said: [String] { eventList.texts }

  deinit { task.cancel() }

  /// Stops the agent and waits until `run()` has returned.
  func stop() async throws {
    agent.stop()
    try await task.value
  }

  /// Waits until `run()` has returned or thrown.
  func end() async throws {
    try await task.value
  }

  /// Ends the agent as a killed process ends: without a goodbye.
  func kill() async {
    task.cancel()
    _ = await task.result
  }
}

/// Events from whichever thread.
private final class EventList: Sendable {
  private let events = Mutex<[AgentEvent]>([])
  func add(_ event: AgentEvent) { events.withLock { $0.append(event) } }
  var texts: [String] { events.withLock { $0.map(\.description) } }
}

/// Lets a handler wait until the test says go on, and the test until a handler waits.
actor Gate {
  private var isOpen = false
  private var arrived = 0
  private var waiters: [CheckedContinuation<Void, Never>] = []

  /// Handlers that have come so far.
  var arrivals: Int { arrived }

  /// Waits until the gate is open or the task is cancelled.
  func pass() async {
    arrived += 1
    guard !isOpen else { return }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled { continuation.resume() } else { waiters.append(continuation) }
      }
    } onCancel: {
      Task { await self.open(forGood: false) }
    }
  }

  func open(forGood: Bool = true) {
    if forGood { isOpen = true }
    for waiter in waiters { waiter.resume() }
    waiters = []
  }

  nonisolated func waitForArrivals(_ count: Int) async throws {
    try await eventually("\(count) arrivals") { await self.arrivals >= count ? true : nil }
  }
}
