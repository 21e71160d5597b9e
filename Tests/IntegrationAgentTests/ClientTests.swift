import IntegrationAPI
import RPCClient
import RPCWire
import TestSupport
import Testing

@testable import IntegrationClient

@Suite(.limit(minutes: 3)) struct ClientTests {
  let manager: ServerDouble

  init() throws {
    manager = try ServerDouble()
  }

  private func client(
    key: String = ServerDouble.goodKey,
    patience: ClientConfiguration.Patience = .waitsForServer
  ) -> IntegrationClient {
    var configuration = ClientConfiguration(
      server: manager.address,
      identity: ClientIdentity(token: key, clientName: "tests", clientVersion: "1"))
    configuration.patience = patience
    configuration.backoff = Backoff(initial: .milliseconds(5), maximum: .milliseconds(50))
    return IntegrationClient(configuration)
  }

  private var heartbeat: HeartbeatRequest {
    var request = HeartbeatRequest()
    request.agentID = "tests"
    return request
  }

  private var poll: PollRequestsRequest {
    var request = PollRequestsRequest()
    request.agentID = "tests"
    request.maximumRequests = 1
    return request
  }

  @Test("Many calls are in flight on one connection at once")
  func inFlight() async throws {
    let client = client()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 1...100 { group.addTask { _ = try await client.agents.heartbeat(heartbeat) } }
      for _ in 1...20 { group.addTask { _ = try await client.agents.pollRequests(poll) } }
      try await eventually("20 polls that wait and 100 heartbeats that do not") {
        self.manager.state.withLock { state in
          state.polls.count == 20 && state.heartbeats.count == 100 ? true : nil
        }
      }
      for number in 1...20 { _ = manager.request("export", entity: "E-\(number)") }
      try await group.waitForAll()
    }
    await client.close()
  }

  @Test("A call that a repeat cannot do twice goes on when the server is back")
  func repeatedAfterRestart() async throws {
    let client = client()
    async let response = client.agents.pollRequests(poll)
    try await eventually("the poll") { self.manager.state.withLock { $0.polls.first?.maximum } }
    await manager.stop()
    try manager.start()
    let log = manager.request("export")
    #expect(try await response.requests.map(\.logID) == [log])
    #expect(manager.state.withLock { $0.pollCount } == 2)
    await client.close()
  }

  @Test("A call whose repeat could do the work twice fails when its connection is lost")
  func notRepeated() async throws {
    let client = client()
    let method = MethodDescriptor(
      id: AgentServiceMethods.pollRequests.id, service: "integrationmanager.v1.OperatorService",
      name: "CreateKey", isServerStreaming: false, defaultDeadlineMs: 30_000)
    let payload = poll.serializedBytes()
    let call = Task { try await client.call(method, payload: payload, options: CallOptions()) }
    try await eventually("the call") { self.manager.state.withLock { $0.polls.first?.maximum } }
    await manager.stop()
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error?.code == .unavailable)
    #expect(error?.wasNotStarted == false)
    await client.close()
  }

  @Test("A patient call waits for a server that is not there yet")
  func waits() async throws {
    await manager.stop()
    let client = client()
    async let response = client.agents.heartbeat(heartbeat)
    try manager.start()
    _ = try await response
    await client.close()
  }

  @Test("A patient call gives up at its deadline and says that the server was not reached")
  func deadline() async throws {
    await manager.stop()
    let client = client()
    let error = await #expect(throws: RPCError.self) {
      try await client.agents.heartbeat(
        heartbeat, options: CallOptions(deadline: .milliseconds(60)))
    }
    #expect(error?.code == .unavailable)
    #expect(error?.reason == WireReason.serverUnreachable)
    await client.close()
  }

  @Test("An impatient call fails with the first try")
  func failsAtOnce() async throws {
    await manager.stop()
    let client = client(patience: .failsAtOnce)
    let error = await #expect(throws: RPCError.self) {
      try await client.agents.heartbeat(heartbeat)
    }
    #expect(error?.reason == WireReason.serverUnreachable)
    try manager.start()
    _ = try await client.agents.heartbeat(heartbeat)
    await client.close()
  }

  @Test("A refused token fails at once, however patient the client is")
  func refusedToken() async throws {
    let client = client(key: "imk_wrong")
    let error = await #expect(throws: RPCError.self) {
      try await client.agents.heartbeat(heartbeat)
    }
    #expect(error?.code == .unauthenticated)
    await client.close()
  }

  @Test("Cancelling the task ends a call that waits for the server")
  func cancelled() async throws {
    await manager.stop()
    let client = client()
    let call = Task { try await client.agents.heartbeat(heartbeat) }
    call.cancel()
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error?.code == .cancelled)
    await client.close()
  }

  @Test("After close() nothing goes through")
  func closed() async throws {
    let client = client()
    _ = try await client.agents.heartbeat(heartbeat)
    await client.close()
    await #expect(throws: RPCError.self) { try await client.agents.heartbeat(heartbeat) }
  }
}
