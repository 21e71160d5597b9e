import ProtobufRuntime
import RPCClient
import RPCEnvelope
import RPCTransport
import RPCWire
import Synchronization
import TestSupport
import Testing

/// What the function that hears of replies was told.
final class ReplyRecord: Sendable {
  struct Entry: Equatable {
    var tag: UInt64
    var outcome: String
  }

  private let entries = Mutex<[Entry]>([])

  var all: [Entry] { entries.withLock { $0 } }
  var outcomes: [String] { all.map(\.outcome) }

  func note(_ reply: CallReply<ServerHelloView, ServerHelloView>) {
    let outcome: String
    switch reply.result {
    case .success(let response): outcome = response.principal.string
    case .failure(let error): outcome = error.reason
    }
    entries.withLock { $0.append(Entry(tag: reply.tag, outcome: outcome)) }
  }
}

/// A caller with the envelope's messages, whose server echoes or is scripted.
private typealias EchoCaller = MethodCaller<ServerHelloView, ServerHelloView>
private typealias EchoReply = CallReply<ServerHelloView, ServerHelloView>

private func makeCaller(
  _ connection: RPCConnection, _ method: MethodDescriptor = TinyService.echo,
  options: CallOptions = CallOptions(), onReply: @escaping @Sendable (EchoReply) -> Void
) -> EchoCaller {
  MethodCaller(connection, method, options: options, onReply: onReply)
}

@Suite struct CallerTests {
  private func connect(_ server: ScriptedServer) async throws -> RPCConnection {
    let address = server.address
    let connecting = Task {
      try await RPCConnection.connect(
        to: address, hello: ClientIdentity(token: "t", clientName: "tests", clientVersion: "3"))
    }
    _ = try await server.accept()
    server.sayHello()
    return try await connecting.value
  }

  private func outcomes(_ record: ReplyRecord, _ count: Int) async throws -> [String] {
    try await eventually("\(count) calls end") {
      record.all.count >= count ? record.outcomes : nil
    }
  }

  @Test("Calls from other threads and from replies arrive whole, each with its tag")
  func calls() async throws {
    let running = try RunningServer(.tcp)
    let connection = try await running.connect()
    let record = ReplyRecord()
    let caller = makeCaller(connection) { reply in
      record.note(reply)
      #expect(reply.receivedNanoseconds > 0)
      guard reply.tag < 1000 else { return }
      // From within: straight into the output, once as a view and once as a value.
      let next = reply.tag + 1000
      if reply.tag % 2 == 0 {
        reply.caller.call(tag: next) { $0.setPrincipal("second \(next)") }
      } else {
        var request = ServerHello()
        request.principal = "second \(next)"
        reply.caller.call(tag: next, request)
      }
    }
    for tag in 0..<UInt64(100) { caller.call(tag: tag) { $0.setPrincipal("first \(tag)") } }
    _ = try await outcomes(record, 200)
    let expected =
      (0..<UInt64(100)).map { ReplyRecord.Entry(tag: $0, outcome: "first \($0)") }
      + (1000..<UInt64(1100)).map { ReplyRecord.Entry(tag: $0, outcome: "second \($0)") }
    #expect(record.all.sorted { $0.tag < $1.tag } == expected)
  }

  @Test("A request that is built inside another's building leaves that one as it is")
  func nestedBuilding() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let record = ReplyRecord()
    let caller = makeCaller(connection) { reply in
      record.note(reply)
      guard reply.tag == 0 else { return }
      reply.caller.call(tag: 1) { outer in
        outer.setServerVersion(String(repeating: "v", count: 500))
        reply.caller.call(tag: 2) { inner in inner.setPrincipal("inner") }
        outer.setPrincipal("outer")
      }
    }
    caller.call(tag: 0) { $0.setPrincipal("first") }
    #expect(try await outcomes(record, 3).sorted() == ["first", "inner", "outer"])
  }

  @Test("A call ends once: with a refusal, an undecodable reply, its deadline or a cancellation")
  func ends() async throws {
    let server = try ScriptedServer()
    let connection = try await connect(server)
    let record = ReplyRecord()
    let caller = makeCaller(connection) { record.note($0) }
    caller.call(tag: 1) { $0.setPrincipal("a") }
    caller.call(tag: 2) { $0.setPrincipal("b") }
    let cancelled = caller.call(tag: 3) { $0.setPrincipal("c") }
    let hasty = makeCaller(connection, options: CallOptions(deadline: .milliseconds(1))) {
      record.note($0)
    }
    hasty.call(tag: 4) { $0.setPrincipal("d") }
    for id in 1...4 { #expect(try await server.nextFrame()?.call == UInt32(id)) }
    _ = try await outcomes(record, 1)
    connection.cancel(cancelled)
    #expect(try await server.nextFrame()?.kind == RawFrame.Kind.cancel.rawValue)
    let status = RawMessage().number(1, 10).text(2, "no").text(3, "LEASE_LOST").bytes
    for _ in 1...2 {
      // The second time, and for calls that are over, a reply finds nothing.
      server.send(
        RawFrame(.reply, number: 10, call: 1, status), RawFrame(.reply, call: 2, [0xff]),
        RawFrame(.reply, call: 3), RawFrame(.reply, call: 4))
    }
    caller.call(tag: 5) { $0.setPrincipal("e") }
    #expect(try await server.nextFrame()?.call == 5)
    server.send(RawFrame(.reply, call: 5, RawMessage().text(6, "last").bytes))
    _ = try await outcomes(record, 5)
    let expected = [
      WireReason.deadlineExceeded, WireReason.callCancelled, "LEASE_LOST",
      WireReason.payloadInvalid, "last",
    ]
    #expect(record.outcomes == expected)
  }

  @Test("A call that a reply has started is cancelled by its ticket")
  func cancelFromReply() async throws {
    let running = try RunningServer(.tcp)
    let connection = try await running.connect()
    let record = ReplyRecord()
    let holding = makeCaller(connection, TinyService.hold) { record.note($0) }
    let caller = makeCaller(connection) { reply in
      let ticket = holding.call(tag: 7) { $0.setPrincipal("held") }
      reply.caller.connection.cancel(ticket)
    }
    caller.call { $0.setPrincipal("first") }
    #expect(try await outcomes(record, 1) == [WireReason.callCancelled])
    try await eventually("the service hears of it") {
      running.service.endedCalls == [2] ? true : nil
    }
  }

  @Test("GOAWAY and the end of the connection end each call once, also those started in answer")
  func connectionEnds() async throws {
    var server: ScriptedServer? = try ScriptedServer()
    let connection = try await connect(try #require(server))
    let record = ReplyRecord()
    let caller = makeCaller(connection) { reply in
      record.note(reply)
      // A program that tries at once again: it hears of it later, not inside of its own call.
      if reply.tag < 10 { reply.caller.call(tag: reply.tag + 10) { $0.setPrincipal("again") } }
    }
    caller.call(tag: 1) { $0.setPrincipal("a") }
    caller.call(tag: 2) { $0.setPrincipal("b") }
    for id in 1...2 { #expect(try await server?.nextFrame()?.call == UInt32(id)) }
    server?.send(
      RawFrame(.goAway, RawMessage().number(1, 1).text(2, WireReason.shuttingDown).bytes))
    _ = try await outcomes(record, 2)
    server = nil
    _ = try await outcomes(record, 4)
    caller.call(tag: 20) { $0.setPrincipal("late") }
    _ = try await outcomes(record, 5)
    #expect(record.all.map(\.tag).sorted() == [1, 2, 11, 12, 20])
  }

  @Test("A request that is longer than a frame may be is refused where it was made")
  func tooLong() async throws {
    let running = try RunningServer(.unix)
    var limits = TransportLimits()
    limits.maximumFrameBytes = 1000
    let connection = try await running.connect(limits: limits)
    let record = ReplyRecord()
    let caller = makeCaller(connection) { record.note($0) }
    caller.call(tag: 1) { $0.setPrincipal(String(repeating: "x", count: 2000)) }
    caller.call(tag: 2) { $0.setPrincipal("short") }
    #expect(try await outcomes(record, 2).sorted() == [WireReason.frameTooLong, "short"])
  }

  @Test("A caller lets go of its connection with its last call, which closes it")
  func lifetime() async throws {
    let running = try RunningServer(.unix)
    let record = ReplyRecord()
    try await { () async throws in
      let connection = try await running.connect()
      let caller = makeCaller(connection) { record.note($0) }
      caller.call(tag: 1) { $0.setPrincipal("only") }
    }()
    #expect(try await outcomes(record, 1) == ["only"])
    try await eventually("the connection closes") {
      running.service.state.withLock { $0.closed.isEmpty } ? nil : true
    }
  }
}
