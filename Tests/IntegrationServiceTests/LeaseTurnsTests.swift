import IntegrationAPI
import RPCServer
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Turns of polls to ask the store", .limit(minutes: 1))
struct LeaseTurnsTests {
  typealias Turns = LeaseTurns<String, Int>

  @Test("Who does not go never waits")
  func free() {
    var turns = Turns(maximum: 1)
    let isNow = (1...100).map { turns.begin($0, of: "a") { _ in true } }
    #expect(isNow.allSatisfy(\.self) && turns.owners == 0)
  }

  @Test("Behind so many that have gone the others of their owner wait, and follow one for one")
  func order() {
    var turns = Turns(maximum: 2)
    turns.left(of: "a")
    #expect(turns.begin(1, of: "a") { _ in true })
    turns.left(of: "a")
    let isNow = (2...4).map { turns.begin($0, of: "a") { _ in true } }
    #expect(isNow == [false, false, false])
    #expect(turns.begin(9, of: "b") { _ in true }, "another owner does not wait")
    let next = (1...5).map { _ in turns.end(of: "a") { _ in true } }
    #expect(next == [[2], [3], [4], [], []])
    #expect(turns.owners == 0)
  }

  @Test("Who has gone has no turn, and those above the number come before any")
  func gone() {
    var turns = Turns(maximum: 1)
    for _ in 1...3 { turns.left(of: "a") }
    for number in 1...5 { _ = turns.begin(number, of: "a") { _ in true } }
    let next = (1...3).map { _ in turns.end(of: "a", isThere: { $0 >= 4 }) }
    #expect(next == [[], [], [4]])
    #expect(turns.end(of: "a", isThere: { $0 == 9 }).isEmpty)
    #expect(turns.owners == 0)
  }

  @Test("A store that takes nothing leaves the turn to the others that are under way")
  func refused() {
    var turns = Turns(maximum: 2)
    for _ in 1...2 { turns.left(of: "a") }
    for number in 1...4 { _ = turns.begin(number, of: "a") { _ in true } }
    #expect(turns.end(of: "a", leavesTurn: true) { _ in true } == [])
    #expect(turns.end(of: "a", leavesTurn: true) { _ in true } == [1, 2], "nobody else is")
    #expect(turns.end(of: "a") { _ in true } == [3])
  }

  @Test("Callers that go without end take no room")
  func swept() {
    var turns = Turns(maximum: 1)
    turns.left(of: "a")
    for number in 1...10_000 { _ = turns.begin(number, of: "a") { $0 % 1_000 == 0 } }
    #expect(turns.waiting <= 64)
    let next = (1...11).map { _ in turns.end(of: "a") { $0 % 1_000 == 0 } }
    #expect(next == (1...10).map { [$0 * 1_000] } + [[]])
  }
}

@Suite("The desk of polls, beside callers who cancel", .limit(minutes: 1))
struct PollDeskTests {
  private static let maximum = UInt64(ServiceLimits.maximumGoneLeases)

  private func poll(_ call: UInt64, of integration: Int64 = 1) -> PollDesk.Poll {
    PollDesk.Poll(
      token: CallToken(connectionBits: UInt64(integration), callBits: call),
      session: AgentSession(integration: integration), agent: WaitingPollsTests.agent, actions: nil,
      maximumRequests: 1, leaseMs: 60_000, due: 100)
  }

  /// A desk with as many leases of polls that have gone as it lets pass.
  private func deskWithGone() -> PollDesk {
    let desk = PollDesk()
    for call in 1...Self.maximum {
      #expect(desk.add(poll(call), maximum: 100) == .now)
      desk.remove(poll(call).token)
    }
    return desk
  }

  @Test("A poll waits behind the leases of those that were cancelled, and costs nothing if it goes")
  func waits() {
    let desk = deskWithGone()
    let calls = Self.maximum + 1...Self.maximum + 3
    for call in calls { #expect(desk.add(poll(call), maximum: 100) == .later) }
    #expect(desk.add(poll(1, of: 2), maximum: 100) == .now)
    desk.remove(poll(calls.lowerBound).token)
    let turns = (1...Self.maximum).flatMap {
      desk.leaseEnded(poll($0).token, of: 1).map(\.token.callBits)
    }
    #expect(turns == [calls.lowerBound + 1, calls.upperBound])
    // Its own end gives no turn twice, and it waits like any other then.
    #expect(desk.leaseEnded(poll(calls.upperBound).token, of: 1).isEmpty)
    desk.remove(poll(calls.upperBound).token)
    #expect(desk.add(poll(100), maximum: 100) == .now)
    #expect(desk.queuedCount == 0)
  }

  @Test("A poll that is answered counts for nothing, nor does one that goes while it waits")
  func answered() {
    let desk = PollDesk()
    for call in 1...10 * Self.maximum {
      #expect(desk.add(poll(call), maximum: 100) == .now)
      #expect(desk.leaseEnded(poll(call).token, of: 1).isEmpty)
      if call % 2 == 0 { _ = desk.returned(poll(call).token, nowMs: 0) }
      desk.remove(poll(call).token)
    }
    #expect(desk.add(poll(10_000), maximum: 100) == .now)
  }

  @Test("A poll that was woken and goes is counted too")
  func woken() {
    let desk = PollDesk()
    for call in 1...Self.maximum {
      #expect(desk.add(poll(call), maximum: 100) == .now)
      _ = desk.leaseEnded(poll(call).token, of: 1)
      _ = desk.returned(poll(call).token, nowMs: 0)
      #expect(desk.wake([(1, "a")]).map(\.token) == [poll(call).token])
      desk.remove(poll(call).token)
    }
    #expect(desk.add(poll(100), maximum: 100) == .later)
  }

  @Test("Many polls of one connection all wait, and each gets its request")
  func many() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let count = 160
    let polls = (0..<count).map { _ in Task { try await agent.poll(waitMs: 60_000) } }
    try await harness.untilPollsWait(count)
    var wanted: Set<String> = []
    for number in 0..<count { wanted.insert(try await harness.request("Q-\(number)").id) }
    var got: Set<String> = []
    for poll in polls { got.formUnion(try await poll.value.requests.map(\.logID)) }
    #expect(got == wanted)
  }

  @Test("What a busy store did not lease is offered again with its next commit")
  func owed() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let service = harness.service
    let id = try #require(service.catalogue.integration(named: "customsoft")).id
    let polled = Task { try await agent.poll(waitMs: 60_000) }
    try await harness.untilPollsWait(1)
    // Woken, and its lease is on its way: another request wakes nobody.
    let woken = try #require(service.polls.wake([(id, "export_quote")]).first)
    let queued = try await harness.request()
    // The lease was refused, as below, and the poll waits again.
    #expect(service.polls.leaseEnded(woken.token, of: id).isEmpty)
    _ = service.polls.returned(woken.token, nowMs: 0)
    service.owedWakes.withLock { $0 = [(id, "export_quote")] }
    _ = try await agent.report { _ in }
    #expect(try await polled.value.requests.map(\.logID) == [queued.id])
  }

  @Test("A poll that was woken waits on where the store refuses it, one that has just come fails")
  func leftBehind() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let service = harness.service
    let id = try #require(service.catalogue.integration(named: "customsoft")).id
    let polled = Task { try await agent.poll(waitMs: 60_000) }
    try await harness.untilPollsWait(1)
    let woken = service.polls.wake([(id, "export_quote")])
    await harness.store.close()
    service.lease(woken)
    #expect(service.polls.count == 1 && service.polls.waitingCount == 1)
    let refused = try await failure { try await agent.poll(waitMs: 60_000) }
    #expect(refused.reason == "STORE_BUSY" && service.polls.count == 1)
    polled.cancel()
    let owed = service.owedWakes.withLock { $0.map { "\($0.integration) \($0.action)" } }
    #expect(owed == ["\(id) export_quote"])
  }

  @Test("Beside an agent that polls and cancels the others get their requests")
  func cancelled() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [.exportQuote, .bulkImport])
    let others = TestAgent(id: "agent-2", channel: try harness.connection())
    let flood = Task {
      while !Task.isCancelled {
        let poll = Task { try await agent.poll(waitMs: 60_000, actions: ["bulk_import"]) }
        await Task.yield()
        poll.cancel()
        _ = await poll.result
      }
    }
    for number in 0..<50 {
      let polled = Task { try await others.poll(waitMs: 60_000, actions: ["export_quote"]) }
      let queued = try await harness.request("Q-\(number)")
      let got = try #require(try await polled.value.requests.first)
      #expect(got.logID == queued.id)
      _ = try await others.report(on: got, .completed)
    }
    flood.cancel()
    await flood.value
  }
}
