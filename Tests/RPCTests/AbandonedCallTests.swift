import RPCWire
import TestSupport
import Testing

@testable import RPCServer

@Suite("Calls that go on behind their end are counted", .limit(minutes: 1))
struct AbandonedCallTests {
  private static let maximum = UInt32(TransportLimits().maximumAbandonedCalls)

  private func job(_ call: UInt32, time: UInt32 = 0) -> [UInt8] {
    RawFrame(.call, number: TinyService.job.id, call: call, time: time).bytes
  }

  private func cancel(_ call: UInt32) -> [UInt8] { RawFrame(.cancel, call: call).bytes }

  private func expectRefused(_ socket: RawFrameSocket, _ call: UInt32) throws {
    let reply = try #require(try socket.nextFrame(.reply))
    #expect(reply.call == call && reply.number == StatusCode.resourceExhausted.rawValue)
    let status = try #require(RawFields(reply.payload))
    #expect(status.text(3) == "TOO_MANY_CALLS")
  }

  private func expectEcho(_ socket: RawFrameSocket, _ call: UInt32) throws {
    try socket.send(RawFrame(.call, number: TinyService.echo.id, call: call, [1]).bytes)
    let reply = try #require(try socket.nextFrame(.reply))
    #expect(reply.call == call && reply.number == 0)
  }

  /// Waits until a job has come to the service, and has it answered.
  private func expectJob(_ running: RunningServer, _ socket: RawFrameSocket, _ call: UInt32)
    async throws
  {
    try socket.send(job(call))
    try await eventually("the job has begun") { running.service.heldCount == 1 ? true : nil }
    running.service.answerHeld()
    let reply = try #require(try socket.nextFrame(.reply))
    #expect(reply.call == call && reply.number == 0)
  }

  @Test("Of those that were cancelled a few go on; when they are done, further ones begin")
  func cancelled() async throws {
    let running = try RunningServer(.tcp)
    let (socket, other) = (try running.rawSocket(), try running.rawSocket())
    try socket.send((1...Self.maximum).flatMap { job($0) + cancel($0) })
    for call in 1...Self.maximum { #expect(try socket.nextFrame(.reply)?.call == call) }
    try socket.send(job(Self.maximum + 1))
    try expectRefused(socket, Self.maximum + 1)
    // What begins nothing goes on, and so does everybody else.
    try expectEcho(socket, Self.maximum + 2)
    try other.send(job(1))
    try await eventually("the other's job has begun") {
      running.service.heldCount == Int(Self.maximum) + 1 ? true : nil
    }
    running.service.answerHeld()
    #expect(try other.nextFrame(.reply)?.number == 0)
    // Late answers were before it on the same reactor.
    try await expectJob(running, socket, Self.maximum + 3)
  }

  @Test("The limit is the one that was set", arguments: [1, 3])
  func limit(maximum: Int) async throws {
    var limits = TransportLimits()
    limits.maximumAbandonedCalls = maximum
    let running = try RunningServer(.tcp, limits: limits)
    let socket = try running.rawSocket()
    let count = UInt32(maximum)
    try socket.send((1...count).flatMap { job($0) + cancel($0) })
    for call in 1...count { #expect(try socket.nextFrame(.reply)?.call == call) }
    try socket.send(job(count + 1))
    try expectRefused(socket, count + 1)
  }

  @Test("Those whose time is over count like those that were cancelled")
  func expired() async throws {
    let running = try RunningServer(.tcp)
    let socket = try running.rawSocket()
    try socket.send((1...Self.maximum).flatMap { job($0, time: 1) })
    for _ in 1...Self.maximum {
      let reply = try socket.nextFrame(.reply)
      #expect(reply?.number == StatusCode.deadlineExceeded.rawValue)
    }
    try socket.send(job(Self.maximum + 1))
    try expectRefused(socket, Self.maximum + 1)
  }

  @Test("Those that wait for their answers are not counted, nor are calls that begin nothing")
  func waiting() async throws {
    let running = try RunningServer(.tcp)
    let socket = try running.rawSocket()
    try socket.send((1...200).flatMap { job($0) })
    let holds = (201...300).flatMap { call in
      RawFrame(.call, number: TinyService.hold.id, call: call).bytes + cancel(call)
    }
    try socket.send(holds)
    for call: UInt32 in 201...300 { #expect(try socket.nextFrame(.reply)?.call == call) }
    #expect(running.service.heldCount == 300)
    running.service.answerHeld()
    for call: UInt32 in 1...200 { #expect(try socket.nextFrame(.reply)?.call == call) }
    try await expectJob(running, socket, 301)
  }

  @Test("A message whose time was over before it was decoded has begun nothing")
  func undecoded() async throws {
    let running = try RunningServer(.tcp)
    let socket = try running.rawSocket()
    let payload = [UInt8](repeating: 7, count: 100_000)
    for number in 1...Self.maximum + 1 {
      try socket.send(
        RawFrame(.call, number: TinyService.long.id, call: number, time: 1, payload).bytes)
      let reply = try socket.nextFrame(.reply)
      #expect(reply?.number == StatusCode.deadlineExceeded.rawValue)
      running.service.decodeOne()
    }
    try await expectJob(running, socket, Self.maximum + 2)
  }

  @Test("Calls of connections that are gone are counted for their caller")
  func departed() async throws {
    var limits = TransportLimits()
    limits.maximumCallsInFlight = 20
    let running = try RunningServer(.tcp, limits: limits)
    // The first ten calls of each connection, some of them cancelled.
    for connection in 1...2 {
      var socket: RawFrameSocket? = try running.rawSocket()
      try socket?.send((1...10).flatMap { job($0) } + cancel(3))
      try await eventually("its jobs have begun") {
        running.service.heldCount == 10 * connection ? true : nil
      }
      #expect(socket != nil)
      socket = nil
      try await eventually("it is gone") {
        running.service.state.withLock { $0.closed.count } == connection ? true : nil
      }
    }
    let socket = try running.rawSocket()
    try socket.send(job(1))
    try expectRefused(socket, 1)
    try expectEcho(socket, 2)
    running.service.answerHeld()
    try await eventually("nothing goes on any more") {
      running.server.shared.departed.isEmpty ? true : nil
    }
    #expect(running.server.shared.departed.count(of: "operator:test") == 0)
    try await expectJob(running, socket, 3)
  }

  @Test("A connection that is closed for a fault, and lingers, leaves nothing counted")
  func lingering() async throws {
    let running = try RunningServer(.tcp)
    let socket = try running.rawSocket()
    // An id that was used: the server says why it closes, and waits for the peer to read that.
    try socket.send((1...10).flatMap { job($0) } + job(3))
    #expect(try socket.nextFrame(.goAway)?.goAwayReason == WireReason.callIDInvalid)
    let departed = running.server.shared.departed
    #expect(departed.count(of: "operator:test") == 10)
    running.service.answerHeld()
    try await eventually("nothing goes on any more") { departed.isEmpty ? true : nil }
    try await expectJob(running, try running.rawSocket(), 1)
    withExtendedLifetime(socket) {}
  }
}
