import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@Suite struct ShutdownTests {
  @Test(
    "Draining says GOAWAY, refuses new calls, finishes open ones and closes",
    arguments: SocketKind.allCases)
  func drains(_ kind: SocketKind) async throws {
    let running = try RunningServer(kind, reactors: 2)
    let idle = try running.rawSocket()
    let busy = try running.rawSocket()
    #expect(try idle.nextFrame(.hello) != nil)
    try busy.send(RawFrame(.call, number: 2, call: 3))
    try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    running.server.beginGracefulShutdown()
    #expect(try idle.nextFrame()?.goAwayReason == WireReason.shuttingDown)
    #expect(try idle.nextFrame() == nil)
    let goAway = try #require(try busy.nextFrame(.goAway))
    #expect(RawFields(goAway.payload)?.number(1) == 3)
    #expect(try busy.call(1, id: 4, [])?.failureReason == WireReason.shuttingDown)
    try await eventually("the service is told to let waiting calls go") {
      running.service.state.withLock { $0.drains } == 1 ? true : nil
    }
    running.service.answerHeld([8])
    #expect(try busy.nextFrame(.reply) == RawFrame(.reply, call: 3, [8]))
    #expect(try busy.nextFrame(.reply) == nil)
    await running.server.waitUntilStopped()
    #expect(running.server.statistics.connections == 0)
  }

  @Test("A call that never ends is cut off at the drain timeout")
  func drainTimeout() async throws {
    var limits = TransportLimits()
    limits.drainTimeout = .milliseconds(50)
    let running = try RunningServer(.unix, limits: limits)
    let connection = try await running.connect()
    let held = Task {
      try await connection.call(TinyService.hold, payload: [], options: CallOptions())
    }
    try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    running.server.beginGracefulShutdown()
    await running.server.waitUntilStopped()
    await #expect(throws: RPCError.self) { try await held.value }
    #expect(running.service.endedCalls == [1])
  }

  @Test("The client library finishes what was started and marks what was not")
  func clientSide() async throws {
    let running = try RunningServer(.tcp)
    let connection = try await running.connect()
    let held = Task {
      try await connection.call(TinyService.hold, payload: [], options: CallOptions())
    }
    try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    running.server.beginGracefulShutdown()
    try await eventually("the client hears of it") { connection.isOpen ? nil : true }
    let error = await #expect(throws: RPCError.self) {
      try await connection.call(TinyService.echo, payload: [], options: CallOptions())
    }
    #expect(error?.reason == WireReason.shuttingDown)
    #expect(error?.wasNotStarted == true)
    running.service.answerHeld([1])
    #expect(try await held.value == [1])
    await running.server.waitUntilStopped()
  }

  @Test("A server that was stopped, gracefully or at once, is freed", arguments: [true, false])
  func isFreed(isGraceful: Bool) async throws {
    weak var server: RPCServer?
    do {
      let running = try RunningServer(.unix)
      server = running.server
      let idle = try running.rawSocket()
      #expect(try idle.nextFrame(.hello) != nil)
      if isGraceful { running.server.beginGracefulShutdown() } else { running.server.stopNow() }
      await running.server.waitUntilStopped()
    }
    try await eventually("nobody holds the server") { server == nil ? true : nil }
  }

  @Test("Stopping at once ends open calls")
  func stopNow() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let held = Task {
      try await connection.call(TinyService.hold, payload: [], options: CallOptions())
    }
    try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    running.server.stopNow()
    await running.server.waitUntilStopped()
    let error = await #expect(throws: RPCError.self) { try await held.value }
    #expect(error?.reason == WireReason.connectionLost)
  }

  @Test("Disconnecting ends the connections that are meant, with the reason")
  func disconnect() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    running.server.disconnect(where: { $0.name == "nobody" }, reason: WireReason.tokenRevoked)
    let reply = try await connection.call(TinyService.echo, payload: [1], options: CallOptions())
    #expect(reply == [1])
    running.server.disconnect(
      where: { $0.credentialID == "key-1" }, reason: WireReason.tokenRevoked)
    let end = await connection.closed
    #expect(end.reason == WireReason.tokenRevoked)
    #expect(end.code == .unauthenticated)
  }
}
