import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

/// Bytes behind a good HELLO (or in place of it), and the GOAWAY that they cause.
struct Fault: Sendable, CustomTestStringConvertible {
  var name: String
  var bytes: [UInt8]
  var reason: String
  var needsHello = true

  var testDescription: String { name }
}

@Suite struct BadInputTests {
  static let textNotUTF8 = RawMessage().number(1, 1).number(2, 1).data(3, [0xc0, 0x80])

  static let faults: [Fault] = [
    Fault(
      name: "another protocol", bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8),
      reason: WireReason.preambleInvalid, needsHello: false),
    Fault(
      name: "a call before HELLO", bytes: RawFrame.preamble + RawFrame(.call, call: 1).bytes,
      reason: WireReason.helloMissing, needsHello: false),
    Fault(
      name: "an unknown kind before HELLO", bytes: RawFrame.preamble + RawFrame(kind: 50).bytes,
      reason: WireReason.helloMissing, needsHello: false),
    Fault(
      name: "a HELLO that is no message",
      bytes: RawFrame.preamble + RawFrame(.hello, [0xff, 0xff]).bytes,
      reason: WireReason.payloadInvalid, needsHello: false),
    Fault(
      name: "a HELLO with text that is not UTF-8",
      bytes: RawFrame.preamble
        + RawFrame(.hello, textNotUTF8.bytes).bytes,
      reason: WireReason.payloadInvalid, needsHello: false),
    Fault(
      name: "a HELLO of more than 16 KiB",
      bytes: RawFrame.preamble + [0, 0, 0x40, 1, 1], reason: WireReason.frameTooLong,
      needsHello: false),
    Fault(
      name: "versions of the future",
      bytes: RawFrame.preamble
        + RawFrame(.hello, RawMessage().number(1, 2).number(2, 9).bytes).bytes,
      reason: WireReason.protocolUnsupported, needsHello: false),
    Fault(
      name: "no version", bytes: RawFrame.preamble + RawFrame(.hello).bytes,
      reason: WireReason.protocolUnsupported, needsHello: false),
    Fault(
      name: "a second HELLO", bytes: RawFrame(.hello).bytes, reason: WireReason.helloRepeated),
    Fault(
      name: "a frame that is too long", bytes: [0, 0x40, 0, 1] + [2, 0, 0, 1],
      reason: WireReason.frameTooLong),
    Fault(
      name: "the longest length", bytes: [0xff, 0xff, 0xff, 0xff],
      reason: WireReason.frameTooLong),
    Fault(
      name: "a frame that is too short", bytes: [0, 0, 0, 11], reason: WireReason.frameTooShort),
    Fault(name: "no length", bytes: [0, 0, 0, 0], reason: WireReason.frameTooShort),
    Fault(
      name: "a reserved flag", bytes: RawFrame(kind: 2, flags: 1, number: 1, call: 1).bytes,
      reason: WireReason.flagsReserved),
    Fault(
      name: "all flags on an unknown kind", bytes: RawFrame(kind: 99, flags: 255).bytes,
      reason: WireReason.flagsReserved),
    Fault(
      name: "call 0", bytes: RawFrame(.call, number: 1, call: 0).bytes,
      reason: WireReason.callIDInvalid),
    Fault(
      name: "a call id twice",
      bytes: RawFrame(.call, number: 1, call: 7).bytes + RawFrame(.call, number: 1, call: 7).bytes,
      reason: WireReason.callIDInvalid),
  ]

  @Test(
    "A fault is named by GOAWAY, the connection closes, and others go on",
    arguments: SocketKind.allCases, faults)
  func fault(_ kind: SocketKind, _ fault: Fault) async throws {
    let running = try RunningServer(kind)
    let healthy = try await running.connect()
    let socket = try running.rawSocket(token: fault.needsHello ? TinyService.goodToken : nil)
    try socket.send(fault.bytes)
    let goAway = try #require(try socket.nextFrame(.goAway))
    #expect(goAway.goAwayReason == fault.reason)
    #expect(RawFields(goAway.payload)?.text(3).isEmpty == false)
    #expect(try socket.nextFrame() == nil)
    let reply = try await healthy.call(TinyService.echo, payload: [1], options: CallOptions())
    #expect(reply == [1])
  }

  @Test("A session sent byte by byte works like one sent at once", arguments: SocketKind.allCases)
  func byteByByte(_ kind: SocketKind) throws {
    let running = try RunningServer(kind)
    let socket = try running.rawSocket(token: nil)
    let hello = RawMessage().number(1, 1).number(2, 1).text(3, TinyService.goodToken)
    let session =
      RawFrame.preamble + RawFrame(.hello, hello.bytes).bytes
      + RawFrame(.call, number: 1, call: 1, [9, 8, 7]).bytes
    for byte in session { try socket.send([byte]) }
    #expect(try socket.nextFrame()?.kind == RawFrame.Kind.hello.rawValue)
    #expect(try socket.nextFrame() == RawFrame(.reply, call: 1, [9, 8, 7]))
  }

  @Test(
    "A wrong token answers each call UNAUTHENTICATED, says GOAWAY and closes",
    arguments: SocketKind.allCases)
  func wrongToken(_ kind: SocketKind) async throws {
    let running = try RunningServer(kind)
    let socket = try running.rawSocket(token: nil)
    let hello = RawMessage().number(1, 1).number(2, 1).text(3, "bad")
    try socket.send(
      RawFrame.preamble + RawFrame(.hello, hello.bytes).bytes
        + RawFrame(.call, number: 1, call: 1).bytes + RawFrame(.call, number: 1, call: 2).bytes)
    let answer = try #require(try socket.nextFrame())
    #expect(answer.kind == RawFrame.Kind.hello.rawValue)
    #expect(RawFields(answer.payload)?.text(6) == "")
    for call: UInt32 in 1...2 {
      let reply = try #require(try socket.nextFrame())
      #expect(reply.number == StatusCode.unauthenticated.rawValue)
      #expect(reply.call == call)
      #expect(reply.failureReason == WireReason.tokenInvalid)
    }
    #expect(try socket.nextFrame()?.goAwayReason == WireReason.tokenInvalid)
    let late = try socket.call(1, id: 3, [])
    #expect(late?.failureReason == WireReason.tokenInvalid)
    #expect(try socket.nextFrame() == nil)
    #expect(running.server.statistics.callsStarted == 0)
    #expect(running.service.state.withLock { $0.opened }.isEmpty)
  }

  @Test("One failed login too many is answered and closed at once", arguments: SocketKind.allCases)
  func tooManyFailedLogins(_ kind: SocketKind) async throws {
    // Another refused connection is kept so long that its calls are answered.
    var limits = TransportLimits()
    limits.lingerTimeout = .seconds(600)
    let running = try RunningServer(kind, limits: limits)
    let socket = try running.rawSocket(token: nil)
    let hello = RawMessage().number(1, 1).number(2, 1).text(3, TinyService.oneTooMany)
    try socket.send(
      RawFrame.preamble + RawFrame(.hello, hello.bytes).bytes
        + RawFrame(.call, number: 1, call: 1).bytes)
    #expect(try socket.nextFrame()?.kind == RawFrame.Kind.hello.rawValue)
    #expect(try socket.nextFrame()?.failureReason == WireReason.tooManyFailedLogins)
    #expect(try socket.nextFrame()?.goAwayReason == WireReason.tooManyFailedLogins)
    #expect(try socket.nextFrame() == nil)
    #expect(running.server.statistics.callsStarted == 0)
  }

  @Test("The client library throws UNAUTHENTICATED for a wrong token")
  func wrongTokenInLibrary() async throws {
    let running = try RunningServer(.unix)
    let error = await #expect(throws: RPCError.self) { try await running.connect(token: "bad") }
    #expect(error?.code == .unauthenticated)
    #expect(error?.reason == WireReason.tokenInvalid)
  }

  @Test(
    "The authenticator sees the token, the client's name and the peer",
    arguments: SocketKind.allCases)
  func credential(_ kind: SocketKind) async throws {
    let running = try RunningServer(kind)
    let connection = try await running.connect()
    let seen = try #require(running.service.state.withLock { $0.credentials.first })
    #expect(seen.token == Array(TinyService.goodToken.utf8))
    #expect(seen.clientName == "tests")
    switch seen.peer {
    case .unix(let userID, let processID):
      #expect(kind == .unix)
      #expect(userID == currentUserID())
      #expect(processID == currentProcessID())
    case .tcp(let text):
      #expect(kind == .tcp)
      #expect(text.hasPrefix("127.0.0.1:"))
    case .inProcess: Issue.record("a socket's peer is not in-process")
    }
    connection.close()
  }

  @Test(
    "Frames that mean nothing here are skipped",
    arguments: [
      RawFrame(kind: 0), RawFrame(kind: 77, payload: [1, 2, 3]), RawFrame(.pong), RawFrame(.goAway),
      RawFrame(.reply, call: 4), RawFrame(.message, call: 4), RawFrame(.cancel, call: 99),
      RawFrame(.credit, call: 99, time: .max),
    ])
  func skipped(_ frame: RawFrame) throws {
    let running = try RunningServer(.unix)
    let socket = try running.rawSocket()
    try socket.send(frame, RawFrame(.call, number: 1, call: 1, [5]))
    #expect(try socket.nextFrame(.reply) == RawFrame(.reply, call: 1, [5]))
  }

  @Test("PING is answered with its bytes, at most 64 of them")
  func ping() throws {
    let running = try RunningServer(.unix)
    let socket = try running.rawSocket()
    try socket.send(RawFrame(.ping, [1, 2]), RawFrame(.ping, [UInt8](repeating: 9, count: 100)))
    #expect(try socket.nextFrame(.pong) == RawFrame(.pong, [1, 2]))
    #expect(try socket.nextFrame(.pong)?.payload == [UInt8](repeating: 9, count: 64))
  }

  @Test("A call beyond the limit is RESOURCE_EXHAUSTED, and the connection goes on")
  func tooManyCalls() async throws {
    var limits = TransportLimits()
    limits.maximumCallsInFlight = 2
    let running = try RunningServer(.unix, limits: limits)
    let socket = try running.rawSocket()
    for id: UInt32 in 1...3 { try socket.send(RawFrame(.call, number: 2, call: id)) }
    let refused = try #require(try socket.nextFrame(.reply))
    #expect(refused.call == 3)
    #expect(refused.number == StatusCode.resourceExhausted.rawValue)
    #expect(refused.failureReason == WireReason.tooManyCalls)
    try socket.send(RawFrame(.cancel, call: 1))
    #expect(try socket.nextFrame(.reply)?.failureReason == WireReason.callCancelled)
    #expect(try socket.call(1, id: 4, [6]) == RawFrame(.reply, call: 4, [6]))
    #expect(running.service.endedCalls == [1])
  }

  @Test("The time in a CALL frame is its deadline")
  func deadlineOnTheWire() throws {
    let running = try RunningServer(.tcp)
    let socket = try running.rawSocket()
    try socket.send(
      RawFrame(.call, number: 2, call: 1, time: 60_000),
      RawFrame(.call, number: 2, call: 2, time: 20))
    let reply = try #require(try socket.nextFrame(.reply))
    #expect(reply.call == 2)
    #expect(reply.number == StatusCode.deadlineExceeded.rawValue)
    #expect(running.service.endedCalls == [2])
    running.service.answerHeld([3])
    #expect(try socket.nextFrame(.reply) == RawFrame(.reply, call: 1, [3]))
  }

  @Test("A client that goes away in the middle of a frame ends its calls and nothing else")
  func vanishes() async throws {
    let running = try RunningServer(.unix)
    do {
      let socket = try running.rawSocket()
      try socket.send(RawFrame(.call, number: 2, call: 1).bytes + [0, 0, 0])
      try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    }
    try await eventually("its call is ended") {
      running.service.endedCalls == [1] ? true : nil
    }
    running.service.answerHeld()
    try await eventually("no connection is left") {
      running.server.statistics.connections == 0 ? true : nil
    }
  }
}
