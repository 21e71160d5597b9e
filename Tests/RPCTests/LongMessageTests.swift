import RPCClient
import RPCWire
import TestSupport
import Testing

@testable import RPCServer
@testable import RPCTransport

@Suite("Long messages are decoded beside the reactor", .limit(minutes: 1))
struct LongMessageTests {
  private func long(_ call: UInt32, time: UInt32 = 0) -> [UInt8] {
    let payload = [UInt8](repeating: 7, count: 100_000)
    return RawFrame(.call, number: TinyService.long.id, call: call, time: time, payload).bytes
  }

  /// Connects as a principal and sends a long message that begins with `mark`; returns once
  /// `held` connections hold their input.
  private func send(
    _ mark: UInt8, as name: String, to running: RunningServer, held: Int,
    method: UInt16 = TinyService.long.id
  ) async throws -> RawFrameSocket {
    let socket = try running.rawSocket(token: "good \(name)")
    let payload = [UInt8](repeating: mark, count: 100_000)
    try socket.send(RawFrame(.call, number: method, call: 1, payload))
    let reactor = running.server.state.withLock { $0.reactors[0] }
    try await eventually("\(held) connections hold their input") {
      await count(on: reactor) { $0.isHeld } == held ? true : nil
    }
    return socket
  }

  private func count(
    on reactor: isolated Reactor, _ isMeant: (StreamConnection) -> Bool
  ) -> Int {
    reactor.sources.count { ($0 as? StreamConnection).map(isMeant) ?? false }
  }

  private func echo(_ call: UInt32) -> [UInt8] {
    RawFrame(.call, number: TinyService.echo.id, call: call, [5]).bytes
  }

  /// Whether others are answered now.
  private func expectService(_ running: RunningServer) async throws {
    let healthy = try await running.connect()
    let reply = try await healthy.call(
      TinyService.echo, payload: [1], options: CallOptions(deadline: .seconds(20)))
    #expect(reply == [1])
  }

  private func expectDecoding(_ running: RunningServer, _ count: Int) async throws {
    try await eventually("\(count) have begun") {
      running.service.longCount == count ? true : nil
    }
  }

  @Test("Others are answered meanwhile, one is decoded at a time, a connection's calls keep order")
  func order() async throws {
    let running = try RunningServer(.tcp)
    let first = try running.rawSocket()
    try first.send(long(1) + echo(2))
    try await expectDecoding(running, 1)
    let second = try running.rawSocket()
    try second.send(long(1) + echo(2))
    try await expectService(running)
    #expect(running.service.longCount == 1)
    running.service.decodeOne()
    #expect(try first.nextFrame(.reply)?.call == 1)
    #expect(try first.nextFrame(.reply)?.call == 2)
    try await expectDecoding(running, 2)
    try await expectService(running)
    running.service.decodeOne()
    #expect(try second.nextFrame(.reply)?.call == 1)
    #expect(try second.nextFrame(.reply)?.call == 2)
  }

  @Test(
    "What stands behind a message of any length is whole", arguments: [100_000, 400_000, 1 << 20])
  func behind(bytes: Int) async throws {
    let running = try RunningServer(.tcp)
    let socket = try running.rawSocket()
    let payload = (0..<(bytes - 12)).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    let message = RawFrame(.call, number: TinyService.long.id, call: 1, time: 0, payload).bytes
    // The beginning alone, then the rest with what comes behind it in the same read.
    try socket.send(Array(message.prefix(70_000)))
    try socket.send(Array(message.dropFirst(70_000)) + echo(2) + long(3) + echo(4))
    for call: UInt32 in [1, 3] {
      try await expectDecoding(running, call == 1 ? 1 : 2)
      running.service.decodeOne()
      let reply = try #require(try socket.nextFrame(.reply))
      #expect(reply.call == call)
      if call == 1 { #expect(reply.payload == payload) }
      #expect(try socket.nextFrame(.reply)?.call == call + 1)
    }
  }

  @Test("A connection that ends meanwhile leaves its place, decoded or waiting")
  func ended() async throws {
    let running = try RunningServer(.tcp)
    var sockets: [RawFrameSocket] = []
    for number in 0..<3 {
      let socket = try running.rawSocket()
      try socket.send(long(1, time: number == 0 ? 50 : 0))
      sockets.append(socket)
      if number == 0 { try await expectDecoding(running, 1) }
    }
    // Its deadline passes; it is answered by nobody else.
    #expect(try sockets[0].nextFrame(.reply)?.number == StatusCode.deadlineExceeded.rawValue)
    sockets.removeSubrange(0..<2)
    for _ in 0..<3 { running.service.decodeOne() }
    #expect(try sockets[0].nextFrame(.reply)?.call == 1)
    try await eventually("two of the three are gone") {
      running.server.statistics.connections == 1 ? true : nil
    }
    try await expectService(running)
  }

  @Test("The place goes round the principals, and round the connections of each in their order")
  func principals() async throws {
    let running = try RunningServer(.tcp)
    var sockets: [RawFrameSocket] = []
    for mark: UInt8 in [10, 11, 12, 13, 20, 21, 30] {
      let name = ["a", "b", "c"][Int(mark) / 10 - 1]
      sockets.append(try await send(mark, as: name, to: running, held: sockets.count + 1))
    }
    for _ in sockets { running.service.decodeOne() }
    for socket in sockets { #expect(try socket.nextFrame(.reply)?.call == 1) }
    #expect(running.service.state.withLock { $0.longOrder } == [10, 20, 30, 11, 21, 12, 13])
  }

  @Test("A connection that has nothing to decode when its turn comes leaves it to the next")
  func unused() async throws {
    let running = try RunningServer(.tcp)
    let first = try await send(1, as: "a", to: running, held: 1)
    let unknown = try await send(2, as: "b", to: running, held: 2, method: 999)
    let last = try await send(3, as: "c", to: running, held: 3)
    for _ in 0..<2 { running.service.decodeOne() }
    #expect(try first.nextFrame(.reply)?.number == 0)
    #expect(try unknown.nextFrame(.reply)?.number == StatusCode.unimplemented.rawValue)
    #expect(try last.nextFrame(.reply)?.number == 0)
    #expect(running.service.state.withLock { $0.longOrder } == [1, 3])
  }

  @Test("Turns go round, whoever comes and goes, and nobody has two while another waits")
  func turns() {
    var turns = LongMessageTurns()
    #expect(turns.next() == nil)
    turns.begin(of: "a")
    for connection: UInt64 in 1...3 { turns.wait(connection, of: "a") }
    turns.wait(9, of: "b")
    #expect(turns.next() == 9)
    turns.wait(8, of: "b")
    // Comes while b is served, and waits for one of a alone.
    turns.wait(7, of: "c")
    #expect([1, 7, 8, 2, 3].allSatisfy { turns.next() == $0 })
    #expect(turns.next() == nil)
    // A turn without waiting, while others wait, puts its principal behind them too.
    turns.wait(4, of: "a")
    turns.wait(5, of: "b")
    turns.begin(of: "a")
    turns.wait(6, of: "a")
    #expect([5, 4, 6].allSatisfy { turns.next() == $0 })
    #expect(turns.next() == nil)
  }
}
