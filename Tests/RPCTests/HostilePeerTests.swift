import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@Suite struct HostilePeerTests {
  /// A whole session: HELLO, calls of every kind, credit, cancel and ping.
  static let session: [UInt8] = {
    let hello = RawMessage().number(1, 1).number(2, 1).text(3, TinyService.goodToken)
    return RawFrame.preamble
      + [
        RawFrame(.hello, hello.bytes), RawFrame(.call, number: 1, call: 1, time: 500, [1, 2, 3]),
        RawFrame(.call, number: 2, call: 2), RawFrame(.call, number: 3, call: 3, [9]),
        RawFrame(.credit, call: 3, time: 4), RawFrame(.call, number: 4, call: 4, [8]),
        RawFrame(.cancel, call: 2), RawFrame(.ping, [7]), RawFrame(.call, number: 5, call: 5, [6]),
      ].flatMap(\.bytes)
  }()

  /// Sends bytes and lets the connection go; then the server still serves another.
  private func survives(_ bytes: [UInt8]) async throws {
    let running = try RunningServer(.unix)
    do {
      let socket = try running.rawSocket(token: nil)
      // The server may close before it has read everything.
      try? socket.send(bytes)
      socket.finishSending()
      while let _ = try? socket.nextFrame() {}
    }
    let healthy = try await running.connect()
    let reply = try await healthy.call(TinyService.echo, payload: [1], options: CallOptions())
    #expect(reply == [1])
    try await eventually("the other connection is gone") {
      running.server.statistics.connections == 1 ? true : nil
    }
  }

  @Test("A session that ends after any byte harms nobody", arguments: 0...session.count)
  func cut(_ count: Int) async throws {
    try await survives(Array(Self.session.prefix(count)))
  }

  @Test("A session with wrong bytes harms nobody", arguments: 1...150)
  func mutated(_ seed: UInt64) async throws {
    var random = SeededGenerator(seed)
    var bytes = Self.session
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      let position = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[position] ^= 1 << UInt8.random(in: 0...7, using: &random)
      case 2: bytes.remove(at: position)
      default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: position)
      }
    }
    try await survives(bytes)
  }

  @Test("Noise harms nobody", arguments: 1...50)
  func noise(_ seed: UInt64) async throws {
    var random = SeededGenerator(seed)
    let head = Bool.random(using: &random) ? Array(Self.session.prefix(42)) : []
    let count = Int.random(in: 0...4096, using: &random)
    try await survives(head + (0..<count).map { _ in .random(in: 0...255, using: &random) })
  }

  @Test("A connection with much to do waits its turn behind those with little")
  func takesTurns() async throws {
    let running = try RunningServer(.tcp)
    let healthy = try await running.connect()
    let greedy = try running.rawSocket()
    // Two seconds of work, in one read.
    try greedy.send((1...2000).flatMap { RawFrame(.call, number: 7, call: $0).bytes })
    try await eventually("its first call is done") {
      running.server.statistics.callsStarted > 0 ? true : nil
    }
    for _ in 0..<5 {
      let reply = try await healthy.call(
        TinyService.echo, payload: [1], options: CallOptions(deadline: .seconds(30)))
      #expect(reply == [1])
    }
    // Not how long that takes on this machine: that it does not wait for all of them.
    #expect(running.server.statistics.callsStarted < 2000)
    // Each of its calls is answered all the same, in order.
    for id: UInt32 in 1...2000 { #expect(try greedy.nextFrame(.reply)?.call == id) }
  }

  @Test("A peer that floods with calls and never reads leaves the others their service")
  func flood() async throws {
    let running = try RunningServer(.tcp)
    let healthy = try await running.connect()
    let socket = try running.rawSocket()
    let flood = Task.detached {
      var id: UInt32 = 0
      while !Task.isCancelled {
        var calls: [UInt8] = []
        for _ in 0..<1000 {
          id += 1
          calls += RawFrame(.call, number: 5, call: id, [14]).bytes
        }
        guard (try? socket.send(calls)) != nil else { return }
      }
    }
    for _ in 0..<200 {
      let reply = try await healthy.call(
        TinyService.echo, payload: [1], options: CallOptions(deadline: .seconds(5)))
      #expect(reply == [1])
    }
    flood.cancel()
    running.server.stopNow()
    await flood.value
  }
}
