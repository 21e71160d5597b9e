import Glibc
import RPCClient
import RPCServer
import RPCTransport
import RPCWire
import TestSupport
import Testing

func currentUserID() -> UInt32 { getuid() }
func currentProcessID() -> Int32 { getpid() }

@Suite struct LimitTests {
  private func limits(_ change: (inout TransportLimits) -> Void) -> TransportLimits {
    var limits = TransportLimits()
    change(&limits)
    return limits
  }

  @Test(
    "A connection that says no HELLO in time is closed with HELLO_TIMEOUT",
    arguments: [
      [], Array("IMRPC".utf8), RawFrame.preamble, RawFrame.preamble + [0, 0, 0],
    ] as [[UInt8]])
  func helloTimeout(_ bytes: [UInt8]) throws {
    let running = try RunningServer(.tcp, limits: limits { $0.helloTimeout = .milliseconds(40) })
    let socket = try running.rawSocket(token: nil)
    try socket.send(bytes)
    #expect(try socket.nextFrame()?.goAwayReason == WireReason.helloTimeout)
    #expect(try socket.nextFrame() == nil)
  }

  @Test("A silent connection is pinged, and closed after three intervals")
  func keepalive() throws {
    let running = try RunningServer(
      .unix, limits: limits { $0.keepaliveInterval = .milliseconds(100) })
    let socket = try running.rawSocket()
    #expect(try socket.nextFrame()?.kind == RawFrame.Kind.hello.rawValue)
    #expect(try socket.nextFrame() == RawFrame(.ping))
    #expect(try socket.nextFrame(.goAway)?.goAwayReason == WireReason.keepaliveTimeout)
    #expect(try socket.nextFrame() == nil)
  }

  @Test("A client that answers PING keeps its connection and its waiting call")
  func answersPing() async throws {
    let running = try RunningServer(
      .unix, limits: limits { $0.keepaliveInterval = .milliseconds(200) })
    let socket = try running.rawSocket()
    try socket.send(RawFrame(.call, number: 2, call: 1))
    for _ in 0..<4 {
      #expect(try socket.nextFrame(.ping) != nil)
      try socket.send(RawFrame(.pong))
    }
    running.service.answerHeld([4])
    #expect(try socket.nextFrame(.reply) == RawFrame(.reply, call: 1, [4]))
  }

  @Test("The client library closes a connection whose server falls silent")
  func silentServer() async throws {
    let listening = try Sockets.listen(on: .tcp(host: "127.0.0.1", port: 0), fileMode: 0o600)
    defer { close(listening.descriptor) }
    let identity = ClientIdentity(token: "", clientName: "tests", clientVersion: "1")
    let error = await #expect(throws: RPCError.self) {
      try await RPCConnection.connect(
        to: listening.address, hello: identity,
        limits: self.limits { $0.helloTimeout = .milliseconds(50) })
    }
    #expect(error?.reason == WireReason.helloTimeout)
  }

  @Test("Connections beyond the limit get GOAWAY, and there is room again when one leaves")
  func tooManyConnections() async throws {
    let running = try RunningServer(.tcp, limits: limits { $0.maximumConnections = 2 })
    var first: RawFrameSocket? = try running.rawSocket()
    let second = try running.rawSocket()
    #expect(try first?.nextFrame(.hello) != nil)
    #expect(try second.nextFrame(.hello) != nil)
    let third = try running.rawSocket()
    #expect(try third.nextFrame()?.goAwayReason == WireReason.tooManyConnections)
    #expect(try third.nextFrame() == nil)
    let error = await #expect(throws: RPCError.self) { try await running.connect() }
    #expect(error?.code == .resourceExhausted)
    first = nil
    let connection = try await eventually("there is room again") { try await running.connect() }
    let reply = try await connection.call(TinyService.echo, payload: [1], options: CallOptions())
    #expect(reply == [1])
    #expect(running.server.statistics.connectionsRefused >= 2)
  }

  @Test("On the Unix socket the server's own user finds room when strangers have taken all")
  func reservedConnections() async throws {
    let running = try RunningServer(
      .unix,
      limits: limits {
        $0.maximumConnections = 1
        $0.reservedConnections = 1
      })
    let first = try running.rawSocket()
    #expect(try first.nextFrame(.hello) != nil)
    let second = try running.rawSocket()
    #expect(try second.nextFrame(.hello) != nil)
    let third = try running.rawSocket()
    #expect(try third.nextFrame()?.goAwayReason == WireReason.tooManyConnections)
  }

  @Test("A reader that does not read is not read from, and the others go on")
  func slowReaderIsPaused() async throws {
    let running = try RunningServer(
      .unix, limits: limits { $0.writeStallTimeout = .milliseconds(100) })
    let healthy = try await running.connect()
    let socket = try running.rawSocket()
    // Each call is answered with a megabyte that nobody reads.
    for id: UInt32 in 1...200 {
      try socket.send(RawFrame(.call, number: 5, call: id, [20]))
    }
    let reply = try await healthy.call(TinyService.echo, payload: [1], options: CallOptions())
    #expect(reply == [1])
    #expect(running.server.statistics.callsStarted < 20)
    try await eventually("the reader that stands still is closed") {
      running.server.statistics.connections == 1 ? true : nil
    }
  }

  @Test("Begun frames of all connections together have a limit; small calls go on beside them")
  func buffersFull() async throws {
    let running = try RunningServer(.tcp, limits: limits { $0.maximumBufferedBytes = 1 << 20 })
    let healthy = try await running.connect()
    let frame = RawFrame(.call, number: 1, call: 1, [UInt8](repeating: 0, count: 2 << 20)).bytes
    // Each is well below the limit, and at most two have room below it.
    let sockets = try (0..<4).map { _ in try running.rawSocket() }
    for socket in sockets {
      #expect(try socket.nextFrame(.hello) != nil)
      try socket.send(Array(frame[..<400_000]))
    }
    try await eventually("some of the four are closed") {
      running.server.statistics.connections <= 3 ? true : nil
    }
    let greedy = try running.rawSocket()
    // It may be gone before it has sent all.
    try? greedy.send(Array(frame[..<1_500_000]))
    #expect(try greedy.nextFrame(.goAway)?.goAwayReason == WireReason.buffersFull)
    let reply = try await healthy.call(TinyService.echo, payload: [1], options: CallOptions())
    #expect(reply == [1])
  }

  @Test("A slow reader that comes back gets everything")
  func slowReaderResumes() throws {
    let running = try RunningServer(.tcp)
    let socket = try running.rawSocket()
    var calls: [UInt8] = []
    for id: UInt32 in 1...100 {
      calls += RawFrame(.call, number: 5, call: id, [18]).bytes
    }
    try socket.send(calls)
    for id: UInt32 in 1...100 {
      let reply = try #require(try socket.nextFrame(.reply))
      #expect(reply.call == id)
      #expect(reply.payload.count == 1 << 18)
    }
  }

  @Test("Answers that pile up above the hard mark end the connection with SLOW_READER")
  func hardMark() async throws {
    let running = try RunningServer(
      .unix, limits: limits { $0.hardMarkBytes = 2 << 20 })
    let socket = try running.rawSocket()
    for id: UInt32 in 1...40 { try socket.send(RawFrame(.call, number: 2, call: id)) }
    try await eventually("the calls arrive") { running.service.heldCount == 40 ? true : nil }
    running.service.answerHeld([UInt8](repeating: 1, count: 1 << 18))
    try await eventually("the connection's calls end") {
      running.service.state.withLock { $0.closed.count } == 1 ? true : nil
    }
    #expect(try socket.nextFrame(.goAway)?.goAwayReason == WireReason.slowReader)
  }
}
