import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@Suite("Long messages are decoded beside the reactor", .limit(minutes: 1))
struct LongMessageTests {
  private func long(_ call: UInt32, time: UInt32 = 0) -> [UInt8] {
    let payload = [UInt8](repeating: 7, count: 100_000)
    return RawFrame(.call, number: TinyService.long.id, call: call, time: time, payload).bytes
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
}
