import IntegrationAPI
import IntegrationStore
import RPCServer
import Testing

@testable import IntegrationService

/// What polls may take, of memory and of others' time.
@Suite("Places of polls")
struct PollPlacesTests {
  private static func poll(
    _ call: Int, _ actions: [String]? = nil, integration: Int64 = 1
  ) -> PollDesk.Poll {
    PollDesk.Poll(
      token: CallToken(connectionBits: UInt64(integration), callBits: UInt64(call)),
      session: AgentSession(integration: integration), agent: WaitingPollsTests.agent,
      actions: actions, maximumRequests: 1, leaseMs: 60_000, due: 100)
  }

  @Test("One integration has half of the places, and another still polls", arguments: [10, 11])
  func half(maximum: Int) {
    let desk = PollDesk()
    let half = (maximum + 1) / 2
    for call in 0..<half { #expect(desk.add(Self.poll(call), maximum: maximum) == .now) }
    #expect(desk.add(Self.poll(half), maximum: maximum) == .never(ofIntegration: true))
    for call in 0..<maximum - half {
      #expect(desk.add(Self.poll(call, integration: 2), maximum: maximum) == .now)
    }
    let third = Self.poll(0, integration: 3)
    #expect(desk.add(third, maximum: maximum) == .never(ofIntegration: false))
    desk.remove(Self.poll(0).token)
    #expect(desk.add(third, maximum: maximum) == .now)
    desk.remove(Self.poll(1).token)
    #expect(desk.add(Self.poll(half), maximum: maximum) == .now)
  }

  @Test("Four actions that a poll names count as one poll more")
  func named() {
    let desk = PollDesk()
    let three = ["a", "b", "c"]
    #expect(Self.poll(0, three).places == 1)
    #expect(Self.poll(0, three + ["d"]).places == 2)
    #expect(Self.poll(0, Array(repeating: "a", count: 100)).places == 26)
    for call in 0..<2 {
      #expect(desk.add(Self.poll(call, three + ["d"]), maximum: 8) == .now)
    }
    #expect(desk.add(Self.poll(2), maximum: 8) == .never(ofIntegration: true))
    desk.remove(Self.poll(0).token)
    #expect(desk.add(Self.poll(2), maximum: 8) == .now)
  }

  @Test("A connection that ends with thousands of polls leaves the others in their order")
  func ended() {
    var polls = WaitingPollsTests.waiting((0..<5_000).map { WaitingPollsTests.poll($0, nil) })
    for token in 0..<5_000 where !token.isMultiple(of: 1_000) { polls.remove(token) }
    #expect(polls.queuedEntries == 5)
    #expect(polls.removeWaiting(of: WaitingPollsTests.agent)?.token == 0)
    for token in 1..<5 {
      #expect(polls.wake(integration: 1, action: "a")?.token == token * 1_000)
      polls.remove(token * 1_000)
    }
    #expect(polls.queuedEntries == 0 && polls.places == 0 && polls.places(of: 1) == 0)
  }

  @Test("A call's number that comes again has not the place, nor the time, of the one before")
  func numberAgain() {
    var polls = WaitingPollsTests.waiting([
      WaitingPollsTests.poll(1, nil), WaitingPollsTests.poll(2, nil),
    ])
    polls.remove(1)
    polls.add(WaitingPollsTests.poll(1, nil))
    polls.returned(1)
    #expect(polls.wake(integration: 1, action: "a")?.token == 2)
    #expect(polls.removeWaiting(of: WaitingPollsTests.agent)?.token == 1)

    let desk = PollDesk()
    #expect(desk.add(Self.poll(1), maximum: 10) == .now)
    _ = desk.returned(Self.poll(1).token, nowMs: 0)
    #expect(desk.timeIsUp(Self.poll(1).token, nowMs: 99) == nil)
    #expect(desk.timeIsUp(Self.poll(1).token, nowMs: 100) != nil)
  }

  @Test("Times of polls that have ended do not gather")
  func times() {
    let desk = PollDesk()
    let timer = ServiceTimer<CallToken>(isOver: { !desk.contains($0) }, handler: { _ in })
    defer { timer.cancel() }
    let far = ServiceTimer<CallToken>.nowMs + 3_600_000
    for call in 0..<20_000 {
      let poll = Self.poll(call)
      #expect(desk.add(poll, maximum: 1_000) == .now)
      #expect(desk.leaseEnded(poll.token, of: 1).isEmpty)
      _ = desk.returned(poll.token, nowMs: 0)
      timer.schedule(poll.token, atMs: far)
      // Every hundredth stays.
      if !call.isMultiple(of: 100) { desk.remove(poll.token) }
    }
    #expect(desk.count == 200)
    #expect((200...ServiceTimer<CallToken>.leastSwept).contains(timer.count))
  }

  @Test("What is left behind a sweep comes in its order")
  func sweep() {
    var heap = DeadlineHeap<Int64>()
    let times = (0..<1_000).map { Int64($0 * 7_919 % 10_007) }
    for time in times { heap.insert(time, due: time) }
    heap.sweep { !$0.isMultiple(of: 3) }
    var out: [Int64] = []
    while let item = heap.popDue(by: .max) { out.append(item) }
    #expect(out == times.filter { $0.isMultiple(of: 3) }.sorted())
  }

  @Test("The error names the half, and an unknown action does not make an agent take any")
  func refusal() async throws {
    var limits = ServiceLimits()
    limits.maximumWaitingPolls = 2
    let harness = try await Harness(limits: limits)
    let agent = try await harness.agent()
    let unknown = Task { try await agent.poll(waitMs: 60_000, actions: ["unknown"]) }
    try await harness.untilPollsWait(1)
    let actions = try await harness.operators.listActions(ListActionsRequest()).actions
    #expect(!actions.isEmpty && actions.allSatisfy { $0.pollingAgents == 0 })
    let refused = try await failure { try await agent.poll() }
    #expect(refused.reason == "TOO_MANY_POLLS")
    #expect(refused.message.hasPrefix("1 of the 2 places for polls, the most"))
    unknown.cancel()
  }
}
