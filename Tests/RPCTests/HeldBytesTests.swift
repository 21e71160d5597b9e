import RPCWire
import TestSupport
import Testing

@testable import RPCServer
@testable import RPCTransport

@Suite("What connections hold for begun frames is bounded, by principal", .limit(minutes: 1))
struct HeldBytesTests {
  private func running(_ change: (inout TransportLimits) -> Void) throws -> RunningServer {
    var limits = TransportLimits()
    limits.maximumBufferedBytes = 1 << 20
    change(&limits)
    return try RunningServer(.tcp, limits: limits)
  }

  /// Connections of one principal, each with the beginning of a frame.
  private func begin(
    _ running: RunningServer, _ count: Int, bytes: Int, as name: String
  ) throws -> [RawFrameSocket] {
    let frame = RawFrame(
      .call, number: TinyService.echo.id, call: 1, [UInt8](repeating: 0, count: bytes + 5000))
    return try (0..<count).map { _ in
      let socket = try running.rawSocket(token: "good \(name)")
      #expect(try socket.nextFrame(.hello) != nil)
      try socket.send(Array(frame.bytes[..<bytes]))
      return socket
    }
  }

  private func expectEcho(_ running: RunningServer, bytes: Int, as name: String) throws {
    let socket = try running.rawSocket(token: "good \(name)")
    let payload = [UInt8](repeating: 9, count: bytes)
    try socket.send(RawFrame(.call, number: TinyService.echo.id, call: 1, payload))
    #expect(try socket.nextFrame(.reply)?.payload == payload)
  }

  private func expectConnections(_ running: RunningServer, _ count: Int) async throws {
    try await eventually("\(count) connections are left") {
      running.server.statistics.connections == count ? true : nil
    }
  }

  @Test("Many short begun frames of one principal end its own connections, and nobody else's")
  func oneOfMany() async throws {
    let running = try running { _ in }
    let sockets = try begin(running, 40, bytes: 30_000, as: "a")
    // 17 times 30,000 bytes are within half a mebibyte.
    try await expectConnections(running, 17)
    #expect(try sockets[0].nextFrame(.goAway)?.goAwayReason == WireReason.buffersFull)
    for _ in 0..<5 { try expectEcho(running, bytes: 250_000, as: "b") }
    try await expectConnections(running, 17)
    // The principal itself goes on too: what has waited for the longest makes room.
    try expectEcho(running, bytes: 40_000, as: "a")
    #expect(running.service.state.withLock { $0.closed.filter { $0 == "operator:b" }.count } == 5)
  }

  @Test("Above the whole limit the principal that holds most makes room")
  func most() async throws {
    let running = try running { _ in }
    let sockets =
      try begin(running, 9, bytes: 50_000, as: "a") + begin(running, 7, bytes: 50_000, as: "b")
      + begin(running, 5, bytes: 50_000, as: "c")
    try await expectConnections(running, 20)
    #expect(running.service.state.withLock { $0.closed } == ["operator:a"])
    #expect(sockets.count == 21)
  }

  @Test("Those that have not said HELLO hold half at most together, and a whole HELLO passes")
  func strangers() async throws {
    let running = try running { $0.helloTimeout = .seconds(3600) }
    let begun = RawFrame(.hello, [UInt8](repeating: 0, count: 16_000)).bytes[..<12_000]
    let sockets = try (0..<60).map { _ in
      let socket = try running.rawSocket(token: nil)
      try socket.send(RawFrame.preamble + begun)
      return socket
    }
    try await eventually("some of them are sent away") {
      running.server.statistics.connections <= 43 ? true : nil
    }
    try expectEcho(running, bytes: 100, as: "a")
    #expect(try sockets[0].nextFrame(.goAway)?.goAwayReason == WireReason.buffersFull)
  }

  @Test("A begun frame has a time for its length, however steadily single bytes come")
  func frameTimeout() async throws {
    let running = try running {
      $0.frameTimeout = .milliseconds(50)
      $0.frameBytesPerSecond = 1 << 30
    }
    let idle = try running.rawSocket(token: "good b")
    #expect(try idle.nextFrame(.hello) != nil)
    let socket = try running.rawSocket(token: "good a")
    #expect(try socket.nextFrame(.hello) != nil)
    let frame = RawFrame(.call, number: 1, call: 1, [UInt8](repeating: 0, count: 4_000_000)).bytes
    for byte in frame {
      if running.service.state.withLock({ !$0.closed.isEmpty }) { break }
      // It may be gone meanwhile.
      try? socket.send([byte])
    }
    #expect(try socket.nextFrame(.goAway)?.goAwayReason == WireReason.keepaliveTimeout)
    #expect(running.service.state.withLock { $0.closed } == ["operator:a"])
    try idle.send(RawFrame(.call, number: TinyService.echo.id, call: 1, [3]))
    #expect(try idle.nextFrame(.reply)?.payload == [3])
  }

  @Test("A slow line has minutes for the longest frame")
  func frameTime() {
    let limits = TransportLimits()
    #expect(StreamConnection.frameTime(of: 0, within: limits) == 30_000_000_000)
    #expect(
      StreamConnection.frameTime(of: limits.maximumFrameBytes, within: limits) == 542_000_000_000)
  }

  @Test("An account goes with the last connection of its principal")
  func accounts() {
    let accounts = PrincipalAccounts()
    let first = accounts.join("a")
    #expect(accounts.join("a") === first)
    #expect(accounts.join("b") !== first)
    for name in ["a", "b"] { accounts.leave(name) }
    #expect(accounts.count == 1)
    accounts.leave("a")
    #expect(accounts.count == 0)
  }
}
