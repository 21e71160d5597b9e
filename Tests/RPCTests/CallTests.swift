import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@Suite struct CallTests {
  @Test(
    "A call answered at once, from another thread and through a batch comes back whole",
    arguments: SocketKind.allCases,
    [TinyService.echo, TinyService.elsewhere, TinyService.batch])
  func answers(_ kind: SocketKind, _ method: MethodDescriptor) async throws {
    let running = try RunningServer(kind)
    let connection = try await running.connect()
    let payload = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let reply = try await connection.call(method, payload: payload, options: CallOptions())
    #expect(reply == payload)
    #expect(connection.principal == "operator:test")
    #expect(connection.serverVersion == "9.8.7")
  }

  @Test("Many calls on one connection each get their own reply", arguments: SocketKind.allCases)
  func manyInFlight(_ kind: SocketKind) async throws {
    let running = try RunningServer(kind, reactors: 2)
    let connection = try await running.connect()
    let methods = [TinyService.echo, TinyService.elsewhere, TinyService.batch]
    let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<600 {
        group.addTask {
          let payload = [UInt8(truncatingIfNeeded: number), UInt8(number >> 8)]
          let reply = try await connection.call(
            methods[number % 3], payload: payload, options: CallOptions())
          return reply != payload
        }
      }
      return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(wrong == 0)
  }

  @Test("A payload just within the frame limit passes both ways", arguments: SocketKind.allCases)
  func largest(_ kind: SocketKind) async throws {
    let running = try RunningServer(kind)
    let connection = try await running.connect()
    let payload = [UInt8](repeating: 3, count: (4 << 20) - 12)
    let reply = try await connection.call(
      TinyService.echo, payload: payload, options: CallOptions())
    #expect(reply == payload)
  }

  @Test("A call that is too long for a frame is refused here, and the connection goes on")
  func tooLongToSend() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let error = await #expect(throws: RPCError.self) {
      try await connection.call(
        TinyService.echo, payload: [UInt8](repeating: 3, count: (4 << 20) - 11),
        options: CallOptions())
    }
    #expect(error?.reason == WireReason.frameTooLong)
    #expect(error?.wasNotStarted == true)
    _ = try await connection.call(TinyService.echo, payload: [1], options: CallOptions())
  }

  @Test("A reply above the client's limit becomes REPLY_TOO_LONG")
  func replyTooLong() async throws {
    let running = try RunningServer(.unix)
    var limits = TransportLimits()
    limits.maximumFrameBytes = 4096
    let connection = try await running.connect(limits: limits)
    let error = await #expect(throws: RPCError.self) {
      try await connection.call(TinyService.large, payload: [12], options: CallOptions())
    }
    #expect(error?.reason == WireReason.replyTooLong)
    let fits = try await connection.call(TinyService.large, payload: [11], options: CallOptions())
    #expect(fits.count == 2048)
  }

  @Test("An unknown method is UNIMPLEMENTED")
  func unknownMethod() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let error = await #expect(throws: RPCError.self) {
      try await connection.call(
        TinyService.method(999, "Newer"), payload: [], options: CallOptions())
    }
    #expect(error?.code == .unimplemented)
    #expect(error?.reason == WireReason.methodUnknown)
  }

  @Test("A deadline ends the call on both sides, and the service is told")
  func deadline() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let error = await #expect(throws: RPCError.self) {
      try await connection.call(
        TinyService.hold, payload: [], options: CallOptions(deadline: .milliseconds(30)))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(error?.reason == WireReason.deadlineExceeded)
    try await eventually("the service hears of the deadline") {
      running.service.endedCalls == [1] ? true : nil
    }
  }

  @Test("Cancelling the task cancels the call at the server")
  func cancellation() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let task = Task {
      try await connection.call(TinyService.hold, payload: [], options: CallOptions())
    }
    try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    task.cancel()
    let error = await #expect(throws: RPCError.self) { try await task.value }
    #expect(error?.reason == WireReason.callCancelled)
    try await eventually("the service hears of it") {
      running.service.endedCalls == [1] ? true : nil
    }
    running.service.answerHeld([1])
    let reply = try await connection.call(
      TinyService.echo, payload: [5], options: CallOptions())
    #expect(reply == [5])
  }

  @Test("The callback form completes and cancels without a task")
  func callbacks() async throws {
    let running = try RunningServer(.tcp)
    let connection = try await running.connect()
    let reply: Result<[UInt8], RPCError> = await withCheckedContinuation { continuation in
      connection.startCall(TinyService.echo, payload: [1, 2]) { continuation.resume(returning: $0) }
    }
    #expect(reply == .success([1, 2]))
    let cancelled: Result<[UInt8], RPCError> = await withCheckedContinuation { continuation in
      let ticket = connection.startCall(TinyService.hold, payload: []) {
        continuation.resume(returning: $0)
      }
      connection.cancel(ticket)
    }
    guard case .failure(let error) = cancelled else {
      Issue.record("a cancelled call succeeded")
      return
    }
    #expect(error.code == .cancelled)
  }

  @Test("The in-process channel reaches the same handlers as the given principal")
  func inProcess() async throws {
    let running = try RunningServer(.unix)
    let channel = running.server.makeInProcessChannel(
      as: Principal(name: "integration:inside", kind: .agent, id: 7, credentialID: ""))
    let reply = try await channel.call(TinyService.batch, payload: [9], options: CallOptions())
    #expect(reply == [9])
    #expect(running.service.state.withLock { $0.opened } == ["integration:inside"])
  }

  @Test("One batch answers and refuses calls of several connections on several reactors")
  func batchOverReactors() async throws {
    let running = try RunningServer(.unix, reactors: 2)
    let connections = try await [running.connect(), running.connect(), running.connect()]
    let calls = connections.map { connection in
      Task { try await connection.call(TinyService.hold, payload: [], options: CallOptions()) }
    }
    try await eventually("the calls arrive") { running.service.heldCount == 3 ? true : nil }
    let held = running.service.state.withLock { $0.held }
    #expect(Set(held.map { $0.token.connectionBits >> 48 }).count == 2)
    var batch = ReplyBatch()
    for (number, call) in held.dropLast().enumerated() {
      batch.reply(call.token, capacity: 8) { target in
        target[0] = UInt8(number)
        return 1
      }
      batch.reply(call.token, bytes: [99])
    }
    batch.fail(held[2].token, RPCError(.aborted, "lost", reason: "LEASE_LOST"))
    batch.reply(CallToken(connectionBits: 0, callBits: 1), bytes: [1])
    batch.flush()
    var answers: [UInt8] = []
    var reasons: [String] = []
    for call in calls {
      do {
        answers += try await call.value
      } catch let error as RPCError {
        reasons.append(error.reason)
      }
    }
    #expect(answers.sorted() == [0, 1])
    #expect(reasons == ["LEASE_LOST"])
  }

  @Test("An error arrives whole: code, message, reason, fields, advice and facts")
  func wholeError() async throws {
    let running = try RunningServer(.tcp)
    let connection = try await running.connect()
    let call = Task {
      try await connection.call(TinyService.hold, payload: [], options: CallOptions())
    }
    try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    var sent = RPCError(
      .invalidArgument, "two fields are wrong", reason: "FIELD_INVALID",
      violations: [
        FieldViolation(field: "a.b", description: "expected 1, came 2"),
        FieldViolation(field: "c", description: "too long"),
      ]
    ).retryAfter(milliseconds: 250)
    sent.metadata["limit"] = "7"
    running.service.state.withLock { $0.held }.first?.fail(sent)
    let error = await #expect(throws: RPCError.self) { try await call.value }
    #expect(error == sent)
  }

  @Test("A server that is not there is SERVER_UNREACHABLE, and nothing was started")
  func unreachable() async throws {
    let directory = try ScratchDirectory()
    let identity = ClientIdentity(token: "", clientName: "tests", clientVersion: "1")
    let error = await #expect(throws: RPCError.self) {
      try await RPCConnection.connect(to: .unix(path: directory.file("none")), hello: identity)
    }
    #expect(error?.reason == WireReason.serverUnreachable)
    #expect(error?.wasNotStarted == true)
  }

  @Test("Closing ends open calls and later ones are refused as not started")
  func closing() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let held = Task {
      try await connection.call(TinyService.hold, payload: [], options: CallOptions())
    }
    try await eventually("the call arrives") { running.service.heldCount == 1 ? true : nil }
    connection.close()
    await #expect(throws: RPCError.self) { try await held.value }
    #expect(await connection.closed.reason == WireReason.connectionLost)
    #expect(!connection.isOpen)
    let error = await #expect(throws: RPCError.self) {
      try await connection.call(TinyService.echo, payload: [], options: CallOptions())
    }
    #expect(error?.wasNotStarted == true)
    try await eventually("the server hears of the end") {
      running.service.state.withLock { $0.closed } == ["operator:test"] ? true : nil
    }
    #expect(running.service.endedCalls == [1])
  }
}
