import IntegrationStore
import Testing

@testable import IntegrationService

@Suite("Waiting polls")
struct WaitingPollsTests {
  typealias Polls = WaitingPolls<Int, String>
  static let agent = AgentRecord(
    StoredAgent(integration: 1, agentID: "a", firstSeenAt: .epoch))

  static func poll(_ token: Int, _ actions: [String]?, integration: Int64 = 1) -> Polls.Poll {
    Polls.Poll(
      token: token, session: AgentSession(integration: integration), agent: agent,
      actions: actions, maximumRequests: 1, leaseMs: 60_000, due: 100)
  }

  /// Polls whose first lease brought nothing.
  static func waiting(_ polls: [Polls.Poll]) -> Polls {
    var waiting = Polls()
    for poll in polls { waiting.add(poll) }
    for poll in polls { waiting.returned(poll.token) }
    return waiting
  }

  @Test("The one that came first is woken, whether it takes one action or any")
  func order() {
    var polls = Self.waiting([
      Self.poll(1, ["b"]), Self.poll(2, nil), Self.poll(3, ["a", "b"]), Self.poll(4, ["a"]),
    ])
    let woken = (0..<5).map { _ in polls.wake(integration: 1, action: "a")?.token }
    #expect(woken == [2, 3, 4, nil, nil])
    #expect(polls.wake(integration: 1, action: "b")?.token == 1)
  }

  @Test("A poll is woken once for one request")
  func once() {
    var polls = Self.waiting([Self.poll(1, nil)])
    #expect(polls.wake(integration: 1, action: "a")?.token == 1)
    #expect(polls.wake(integration: 1, action: "a") == nil)
  }

  @Test("Requests of another integration or action wake nobody")
  func others() {
    var polls = Self.waiting([Self.poll(1, ["a"])])
    #expect(polls.wake(integration: 2, action: "a") == nil)
    #expect(polls.wake(integration: 1, action: "b") == nil)
  }

  @Test("A poll whose first lease is under way is not woken")
  func leasing() {
    var polls = Polls()
    polls.add(Self.poll(1, nil))
    #expect(polls.wake(integration: 1, action: "a") == nil)
    polls.returned(1)
    #expect(polls.wake(integration: 1, action: "a")?.token == 1)
  }

  @Test("A poll that came back empty keeps its place")
  func keepsPlace() {
    var polls = Self.waiting([Self.poll(1, nil), Self.poll(2, nil), Self.poll(3, ["a"])])
    #expect(polls.wake(integration: 1, action: "a")?.token == 1)
    #expect(polls.wake(integration: 1, action: "a")?.token == 2)
    polls.returned(2)
    polls.returned(1)
    polls.returned(1)
    let woken = (0..<4).map { _ in polls.wake(integration: 1, action: "a")?.token }
    #expect(woken == [1, 2, 3, nil])
  }

  @Test("A removed poll is gone, waiting or leasing")
  func removed() {
    var polls = Self.waiting([Self.poll(1, ["a", "b"]), Self.poll(2, nil)])
    #expect(polls.remove(1)?.token == 1)
    #expect(polls.remove(1) == nil)
    #expect(polls.wake(integration: 1, action: "b")?.token == 2)
    polls.remove(2)
    polls.returned(2)
    #expect(polls.wake(integration: 1, action: "a") == nil)
    #expect(polls.count == 0)
  }

  @Test("Polls that come and go without a request leave nothing behind")
  func nothingLeft() {
    var polls = Self.waiting([Self.poll(0, ["a", "b"])])
    for token in 1...5_000 {
      polls.add(Self.poll(token, ["a", "b"]))
      polls.returned(token)
      polls.remove(token)
    }
    #expect(polls.count == 1)
    #expect(polls.queuedEntries == 2)
    #expect(polls.wake(integration: 1, action: "b")?.token == 0)
    #expect(polls.queuedEntries == 0)
  }
}

@Suite("Deadlines")
struct DeadlineHeapTests {
  @Test("Items come out in the order of their times, none early", arguments: [1, 2, 17, 1_000])
  func order(count: Int) {
    var heap = DeadlineHeap<Int64>()
    // A full cycle modulo a prime, so that all times differ and come in no order.
    let times = (0..<count).map { Int64($0 * 7_919 % 10_007) }
    for time in times { heap.insert(time, due: time) }
    #expect(heap.earliest == times.min())
    #expect(heap.popDue(by: -1) == nil)
    var out: [Int64] = []
    while let item = heap.popDue(by: 5_000) { out.append(item) }
    #expect(out == times.filter { $0 <= 5_000 }.sorted())
    #expect(heap.count == times.count - out.count)
  }
}

@Suite("Directives of an agent")
struct AgentDirectivesTests {
  @Test("Each is seen once by whoever follows the versions, and all by a newcomer")
  func versions() {
    var directives = AgentDirectives()
    let cancel = AgentDirectives.Wish.cancel(logID: "l", reason: "r", requestedBy: "o")
    #expect(directives.add(cancel) == 1)
    #expect(directives.add(cancel) == nil)
    #expect(directives.add(.drain(reason: "")) == 2)
    #expect(directives.since(0) == [cancel, .drain(reason: "")])
    #expect(directives.since(1) == [.drain(reason: "")])
    #expect(directives.since(2).isEmpty)
  }

  @Test("A resume takes the place of the pause")
  func pause() {
    var directives = AgentDirectives()
    _ = directives.add(.pause(reason: "x"))
    _ = directives.add(.resume)
    #expect(directives.since(0) == [.resume])
  }

  @Test("An ended log is no longer to be cancelled, a new process no longer to drain")
  func ended() {
    var directives = AgentDirectives()
    _ = directives.add(.cancel(logID: "l", reason: "", requestedBy: ""))
    _ = directives.add(.drain(reason: ""))
    directives.logEnded("l")
    directives.instanceChanged()
    #expect(directives.count == 0)
  }

  @Test("There are never more than the limit")
  func bounded() {
    var directives = AgentDirectives()
    for number in 0..<2_000 {
      _ = directives.add(.cancel(logID: "\(number)", reason: "", requestedBy: ""))
    }
    #expect(directives.count == AgentDirectives.maximumWishes)
  }
}
