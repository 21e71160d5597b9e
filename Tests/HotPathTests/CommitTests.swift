import IntegrationAPI
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

/// How many commits, and so how many waits for the disk, a hot path takes.
@Suite("Commits of the hot paths")
struct CommitTests {
  @Test("A request that an agent waits for is stored and leased in one commit")
  func dispatch() async throws {
    let stage = try await Stage()
    async let polled = stage.poll()
    try await stage.untilPollWaits()
    let before = stage.store.commits
    let log = try await stage.request("Q-1")
    #expect(try await polled.requests.map(\.logID) == [log.id])
    #expect(stage.store.commits == before + 1)
    await stage.end()
  }

  @Test("A request that is refused leaves the poll waiting for the next one")
  func refused() async throws {
    let stage = try await Stage()
    async let first = stage.poll()
    try await stage.untilPollWaits()
    _ = try await stage.request("Q-1", key: "order-1")
    #expect(try await first.requests.count == 1)
    async let second = stage.poll()
    try await stage.untilPollWaits()
    // The key belongs to another record's request.
    let refusal = await #expect(throws: RPCError.self) {
      try await stage.request("Q-2", key: "order-1")
    }
    #expect(refusal?.reason == "IDEMPOTENCY_KEY_USED")
    try await stage.untilPollWaits()
    let log = try await stage.request("Q-3")
    #expect(try await second.requests.map(\.logID) == [log.id])
    await stage.end()
  }

  @Test("A repeat of a request leaves the poll waiting for the next one")
  func repeated() async throws {
    let stage = try await Stage()
    async let first = stage.poll()
    try await stage.untilPollWaits()
    let log = try await stage.request("Q-1", key: "order-1")
    #expect(try await first.requests.map(\.logID) == [log.id])
    async let second = stage.poll()
    try await stage.untilPollWaits()
    #expect(try await stage.request("Q-1", key: "order-1").id == log.id)
    try await stage.untilPollWaits()
    let next = try await stage.request("Q-2")
    #expect(try await second.requests.map(\.logID) == [next.id])
    await stage.end()
  }

  @Test("A poll brings a request that was stored before its lease, though after its call came")
  func pollBehindRequest() async throws {
    let stage = try await Stage()
    stage.store.keepOut()
    async let polled = stage.poll(waitMs: 3_000)
    try await eventually("the lease is on its way") {
      stage.store.waitingSubmits == 1 ? true : nil
    }
    // The store keeps milliseconds: the request is of a later one than the poll.
    let came = ServerClock.now
    try await eventually("a later millisecond") { ServerClock.now > came ? true : nil }
    let log = await stage.storeRequest()
    stage.store.admit()
    #expect(try await polled.requests.map(\.logID) == [log])
    await stage.end()
  }

  @Test("Heartbeats without leases commit nothing")
  func heartbeat() async throws {
    let stage = try await Stage()
    try await stage.heartbeat()
    let before = stage.store.commits
    for _ in 0..<20 { try await stage.heartbeat() }
    #expect(stage.store.commits == before)
    await stage.end()
  }
}
