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
