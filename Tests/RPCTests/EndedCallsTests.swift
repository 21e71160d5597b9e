import RPCTransport
import RPCWire
import TestSupport
import Testing

@testable import RPCServer

@Suite("Many calls that end at once are told of in pieces", .limit(minutes: 1))
struct EndedCallsTests {
  private static let principal = Principal(
    name: "operator:test", kind: .operator, id: 1, credentialID: "key")

  /// Holds calls on connections until all have come to the service.
  private func hold(
    _ running: RunningServer, calls: Int, time: UInt32 = 0, on sockets: [RawFrameSocket]
  ) async throws {
    for socket in sockets {
      try socket.send(
        (1...UInt32(calls)).flatMap { call in
          RawFrame(.call, number: TinyService.hold.id, call: call, time: time).bytes
        })
    }
    try await eventually("all calls are held") {
      running.service.heldCount == calls * sockets.count ? true : nil
    }
  }

  /// Does something with the ends of calls of a reactor that runs nothing else.
  private func onReactor<Value: Sendable>(
    _ service: TinyService, _ body: @escaping @Sendable (EndedCalls, isolated Reactor) -> Value
  ) async throws -> Value {
    let reactor = try Reactor(label: "test")
    defer { reactor.post { $0.stop() } }
    return await withCheckedContinuation { done in
      reactor.post { reactor in done.resume(returning: body(EndedCalls(service), reactor)) }
    }
  }

  @Test("A round tells of a part, in order, and of a connection's end behind its calls")
  func pieces() async throws {
    let service = TinyService()
    let most = EndedCalls.callsInRound
    let all = Array(1...UInt32(most))
    let counts = try await onReactor(service) { ended, reactor in
      var counts: [Int] = []
      // The second connection ends in the same round.
      for connection: UInt64 in 1...2 {
        ended.connectionEnded(connection, of: Self.principal, with: all, on: reactor)
        counts += [service.endedCalls.count, service.state.withLock { $0.closed.count }]
      }
      counts.append(ended.waiting)
      // One with a few calls does not wait for those.
      ended.connectionEnded(3, of: Self.principal, with: [7], on: reactor)
      counts += [service.endedCalls.count, service.state.withLock { $0.closed.count }]
      ended.finish()
      return counts + [ended.waiting]
    }
    #expect(counts == [most, 1, most, 1, most, most + 1, 2, 0])
    #expect(service.endedCalls == all + [7] + all)
    #expect(service.state.withLock { $0.closed.count } == 3)
  }

  @Test("Of many that wait a round tells of more")
  func share() async throws {
    let waiting = EndedCalls.callsInRound * EndedCalls.shareOfWaiting * 2
    let count = try await onReactor(TinyService()) { ended, reactor in
      ended.connectionEnded(1, of: nil, with: Array(1...UInt32(waiting)), on: reactor)
      return ended.take(waiting, in: ServerTime.read())
    }
    let inFirst = waiting / EndedCalls.shareOfWaiting
    #expect(count == (waiting - inFirst) / EndedCalls.shareOfWaiting)
    #expect(count > EndedCalls.callsInRound)
  }

  @Test("All are told of, where connections end together")
  func connections() async throws {
    let running = try RunningServer(.tcp)
    var sockets = try (0..<5).map { _ in try running.rawSocket() }
    try await hold(running, calls: 300, on: sockets)
    sockets = []
    try await eventually("all are closed") {
      running.service.state.withLock { $0.closed.count } == 5 ? true : nil
    }
    #expect(running.service.endedCalls.count == 1_500)
    #expect(Set(running.service.state.withLock { $0.ended }).count == 1_500)
  }

  @Test("All are told of, where the server stops")
  func stop() async throws {
    let running = try RunningServer(.tcp)
    let sockets = try (0..<5).map { _ in try running.rawSocket() }
    try await hold(running, calls: 300, on: sockets)
    running.server.stopNow()
    await running.server.waitUntilStopped()
    #expect(Set(running.service.state.withLock { $0.ended }).count == 1_500)
    #expect(running.service.state.withLock { $0.closed.count } == 5)
  }

  @Test("Each call whose time is over gets its answer, and others are answered meanwhile")
  func deadlines() async throws {
    let running = try RunningServer(.tcp)
    let sockets = try (0..<3).map { _ in try running.rawSocket() }
    try await hold(running, calls: 700, time: 150, on: sockets)
    for socket in sockets {
      var answered: Set<UInt32> = []
      for _ in 1...700 {
        let reply = try #require(try socket.nextFrame(.reply))
        #expect(reply.number == StatusCode.deadlineExceeded.rawValue)
        answered.insert(reply.call)
      }
      #expect(answered.count == 700)
    }
    #expect(Set(running.service.state.withLock { $0.ended }).count == 2_100)
  }
}
