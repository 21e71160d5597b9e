import Glibc
import RPCClient
import RPCTransport
import RPCWire
import TestSupport
import Testing

/// A server that says what the test tells it to, to one client.
final class ScriptedServer {
  let address: ListenAddress
  private let listening: Int32
  private var connected: Int32 = -1
  private var received: [UInt8] = []

  init() throws {
    let socket = try Sockets.listen(on: .tcp(host: "127.0.0.1", port: 0), fileMode: 0o600)
    address = socket.address
    listening = socket.descriptor
  }

  deinit {
    close(listening)
    if connected >= 0 { close(connected) }
  }

  /// Takes the client's connection and reads its preamble and HELLO.
  func accept() async throws -> RawFrame? {
    connected = try await eventually("the client connects") {
      let descriptor = Glibc.accept(listening, nil, nil)
      return descriptor >= 0 ? descriptor : nil
    }
    while received.count < RawFrame.preamble.count { try await receive() }
    received.removeFirst(RawFrame.preamble.count)
    return try await nextFrame()
  }

  func send(_ frames: RawFrame...) {
    let bytes = frames.flatMap(\.bytes)
    #expect(Glibc.send(connected, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
  }

  func sayHello(maximumFrameBytes: UInt64 = 0) {
    send(
      RawFrame(
        .hello, RawMessage().number(1, 1).number(3, maximumFrameBytes).text(6, "scripted").bytes))
  }

  /// The client's next frame.
  func nextFrame() async throws -> RawFrame? {
    while true {
      if let frame = RawFrame(from: &received) { return frame }
      try await receive()
    }
  }

  private func receive() async throws {
    let bytes = try await eventually("the client sends") {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let got = recv(connected, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      return got > 0 ? Array(buffer.prefix(got)) : nil
    }
    received += bytes
  }
}

@Suite struct ClientTests {
  private let identity = ClientIdentity(token: "t", clientName: "tests", clientVersion: "3")

  private func connect(
    _ server: ScriptedServer, limits: TransportLimits = TransportLimits()
  ) async throws -> RPCConnection {
    let (address, identity) = (server.address, identity)
    let connecting = Task {
      try await RPCConnection.connect(to: address, hello: identity, limits: limits)
    }
    let hello = try #require(try await server.accept())
    let fields = try #require(RawFields(hello.payload))
    #expect(hello.kind == RawFrame.Kind.hello.rawValue)
    #expect([fields.text(3), fields.text(4), fields.text(5)] == ["t", "tests", "3"])
    server.sayHello()
    return try await connecting.value
  }

  @Test("A server that falls silent is pinged, and given up after three intervals")
  func keepalive() async throws {
    let server = try ScriptedServer()
    var limits = TransportLimits()
    limits.keepaliveInterval = .milliseconds(100)
    let connection = try await connect(server, limits: limits)
    #expect(try await server.nextFrame()?.kind == RawFrame.Kind.ping.rawValue)
    #expect(await connection.closed.reason == WireReason.keepaliveTimeout)
  }

  @Test("GOAWAY fails the calls above its last one as not started; the others are answered")
  func goAway() async throws {
    let server = try ScriptedServer()
    let connection = try await connect(server)
    let first = Task {
      try await connection.call(TinyService.echo, payload: [1], options: CallOptions())
    }
    #expect(try await server.nextFrame()?.call == 1)
    let second = Task {
      try await connection.call(TinyService.echo, payload: [2], options: CallOptions())
    }
    #expect(try await server.nextFrame()?.call == 2)
    server.send(
      RawFrame(.goAway, RawMessage().number(1, 1).text(2, WireReason.shuttingDown).bytes))
    let error = await #expect(throws: RPCError.self) { try await second.value }
    #expect(error?.code == .unavailable)
    #expect(error?.wasNotStarted == true)
    server.send(RawFrame(.reply, call: 1, [7]))
    #expect(try await first.value == [7])
    #expect(await connection.closed.reason == WireReason.shuttingDown)
  }

  @Test("A connection that is lost leaves open calls in doubt: not marked as not started")
  func lost() async throws {
    var server: ScriptedServer? = try ScriptedServer()
    let connection = try await connect(try #require(server))
    let call = Task {
      try await connection.call(TinyService.echo, payload: [1], options: CallOptions())
    }
    #expect(try await server?.nextFrame()?.call == 1)
    server = nil
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error?.reason == WireReason.connectionLost)
    #expect(error?.wasNotStarted == false)
  }

  @Test(
    "What a server should not send ends the connection or is skipped",
    arguments: [
      (RawFrame(kind: 77), nil), (RawFrame(.reply, call: 9), nil),
      (RawFrame(.message, call: 9), nil),
      (RawFrame(.hello), WireReason.helloRepeated),
      (RawFrame(kind: 3, flags: 4, call: 1), WireReason.flagsReserved),
    ] as [(RawFrame, String?)])
  func misbehaviour(_ frame: RawFrame, _ reason: String?) async throws {
    let server = try ScriptedServer()
    let connection = try await connect(server)
    let call = Task {
      try await connection.call(TinyService.echo, payload: [1], options: CallOptions())
    }
    #expect(try await server.nextFrame()?.call == 1)
    server.send(frame, RawFrame(.reply, call: 1, [5]))
    guard let reason else {
      #expect(try await call.value == [5])
      return
    }
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error?.reason == reason)
  }

  @Test("A failed reply without a readable payload keeps its code")
  func unreadableStatus() async throws {
    let server = try ScriptedServer()
    let connection = try await connect(server)
    let call = Task {
      try await connection.call(TinyService.echo, payload: [1], options: CallOptions())
    }
    #expect(try await server.nextFrame()?.call == 1)
    server.send(RawFrame(.reply, number: 10, call: 1, [0xff, 0xff]))
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error?.code == .aborted)
    #expect(error?.reason == WireReason.payloadInvalid)
  }

  @Test("A call carries its deadline, the method's own when none is named")
  func deadlines() async throws {
    let server = try ScriptedServer()
    let connection = try await connect(server)
    connection.startCall(TinyService.echo, payload: []) { _ in }
    #expect(try await server.nextFrame()?.time == 10_000)
    connection.startCall(
      TinyService.echo, payload: [], options: CallOptions(deadline: .milliseconds(1500))
    ) { _ in }
    #expect(try await server.nextFrame()?.time == 1500)
  }
}
