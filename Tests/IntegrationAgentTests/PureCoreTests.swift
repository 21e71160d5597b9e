import ProtobufRuntime
import RPCWire
import Testing

@testable import IntegrationAgent
@testable import IntegrationClient

/// A generator that gives the same numbers in each run.
private struct Numbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state
  }
}

@Suite struct BackoffTests {
  @Test("The waits double up to the maximum and lie in the upper half of the ceiling")
  func doubling() {
    var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1))
    var numbers = Numbers(state: 7)
    for ceiling in [100, 200, 400, 800, 1000, 1000] {
      #expect(backoff.ceiling == .milliseconds(ceiling))
      let wait = backoff.failed(using: &numbers)
      #expect(wait >= .milliseconds(ceiling) / 2 && wait <= .milliseconds(ceiling))
    }
    backoff.succeeded()
    #expect(backoff.ceiling == .milliseconds(100))
  }

  @Test("The server's advice lengthens a wait, up to the maximum")
  func advice() {
    var backoff = Backoff(initial: .milliseconds(10), maximum: .seconds(1))
    #expect(backoff.failed(retryAfter: .milliseconds(500)) == .milliseconds(500))
    #expect(backoff.failed(retryAfter: .seconds(3600)) == .seconds(1))
  }

  @Test("A thousand failures in a row overflow nothing")
  func manyFailures() {
    var backoff = Backoff()
    for _ in 1...1000 { #expect(backoff.failed() <= .seconds(10)) }
  }
}

@Suite struct LogIDTests {
  @Test("An id is a UUIDv7 with its time in front")
  func form() {
    var numbers = Numbers(state: 1)
    let id = LogIDMaker().make(milliseconds: 0x0123_4567_89AB, using: &numbers)
    #expect(id.utf8.count == 36)
    #expect(id.hasPrefix("01234567-89ab-7"))
    let characters = Array(id)
    #expect("89ab".contains(characters[19]))
    #expect([8, 13, 18, 23].allSatisfy { characters[$0] == "-" })
    #expect(id.lowercased() == id)
  }

  @Test("Ids of one maker grow strictly: within a millisecond, and when the clock goes back a bit")
  func order() {
    let maker = LogIDMaker()
    var numbers = Numbers(state: 3)
    var last = maker.make(milliseconds: 5_000_000, using: &numbers)
    for _ in 1...10_000 {
      let next = maker.make(milliseconds: 5_000_000, using: &numbers)
      #expect(next > last)
      last = next
    }
    #expect(maker.make(milliseconds: 4_950_000, using: &numbers) > last)
    #expect(maker.make(milliseconds: 6_000_000, using: &numbers).hasPrefix("0000005b-8d80"))
  }

  @Test("A clock that was set back is followed, so that no server finds an id ahead of its time")
  func setBack() {
    let maker = LogIDMaker()
    var numbers = Numbers(state: 3)
    _ = maker.make(milliseconds: 315_360_000_000, using: &numbers)
    #expect(maker.make(milliseconds: 6_000_000, using: &numbers).hasPrefix("0000005b-8d80"))
    #expect(maker.make(milliseconds: 6_000_001, using: &numbers).hasPrefix("0000005b-8d81"))
  }
}

@Suite struct ServerClockTests {
  @Test(
    "Ids have the server's time where the agent's clock is far ahead of it, and only then",
    arguments: [
      (0, 5_000), (59_000, 64_000), (61_000, 5_000), (315_360_000_000, 5_000), (-900_000, -895_000),
    ] as [(Int64, Int64)])
  func time(aheadMs: Int64, expectedMs: Int64) {
    let (server, now): (Int64, _) = (1_795_509_000_000, ContinuousClock.now)
    var clock = ServerClock()
    let own = UInt64(server + aheadMs + 5_000)
    #expect(clock.milliseconds(own: own, at: now) == own)
    clock.hear(Timestamp(seconds: server / 1_000), at: now)
    let found = clock.milliseconds(own: own, at: now + .seconds(5))
    #expect(found == UInt64(server + expectedMs))
  }

  @Test("No time that a server may say does harm", arguments: [Int64.min, -1, Int64.max])
  func wildTime(seconds: Int64) {
    var clock = ServerClock()
    clock.hear(Timestamp(seconds: seconds, nanos: .min), at: .now)
    _ = clock.milliseconds(own: 1_795_509_000_000, at: .now + .seconds(5))
  }
}

@Suite struct RepetitionTests {
  private func method(_ name: String) -> MethodDescriptor {
    MethodDescriptor(
      id: 1, service: "s", name: name, isServerStreaming: false, defaultDeadlineMs: 0)
  }

  @Test(
    "What was not started is repeated always, what is idempotent after a loss, the rest never",
    arguments: [
      ("CreateKey", error(.unavailable, "SHUTTING_DOWN").markedNotStarted(), .onNewConnection),
      ("CreateKey", error(.unavailable, "CONNECTION_LOST"), .no),
      ("CreateRequest", error(.unavailable, "CONNECTION_LOST"), .no),
      ("CreateKey", error(.resourceExhausted, "TOO_MANY_CALLS"), .later),
      ("ReportLog", error(.unavailable, "CONNECTION_LOST"), .onNewConnection),
      ("ListLogs", error(.unavailable, "KEEPALIVE_TIMEOUT"), .onNewConnection),
      ("ReportLog", error(.failedPrecondition, "LOG_FINAL"), .no),
      ("Heartbeat", error(.deadlineExceeded, "DEADLINE_EXCEEDED"), .no),
      ("Heartbeat", error(.resourceExhausted, "STORAGE_FULL"), .no),
    ] as [(String, RPCError, Repetition)])
  func decide(name: String, error: RPCError, expected: Repetition) {
    #expect(Repetition.decide(method(name), after: error) == expected)
  }

  @Test("A connection that asks to come later, or for less, is kept, one that is going away is not")
  func lostConnection() {
    let busy = error(.resourceExhausted, "TOO_MANY_CALLS").markedNotStarted()
    #expect(Repetition.decide(method("ReportLog"), after: busy) == .later)
    #expect(!Repetition.lostConnection(busy))
    let long = error(.resourceExhausted, "FRAME_TOO_LONG").markedNotStarted()
    #expect(Repetition.decide(method("ReportLog"), after: long) == .no)
    #expect(!Repetition.lostConnection(long))
    let going = error(.unavailable, "SHUTTING_DOWN").markedNotStarted()
    #expect(Repetition.lostConnection(going))
  }
}

private func error(_ code: StatusCode, _ reason: String) -> RPCError {
  RPCError(code, "", reason: reason)
}

@Suite struct ReportVerdictTests {
  @Test(
    "Each answer to a report has one consequence",
    arguments: [
      (.ok, "", .stored),
      (.aborted, "LEASE_LOST", .deliveryOver),
      (.failedPrecondition, "LOG_FINAL", .deliveryOver),
      (.invalidArgument, "FIELD_INVALID", .refused),
      (.notFound, "ACTION_UNKNOWN", .refused),
      (.failedPrecondition, "STATUS_INVALID", .refused),
      (.resourceExhausted, "STORAGE_FULL", .later),
      (.unavailable, "SHUTTING_DOWN", .later),
      (.internalError, "INTERNAL", .later),
      (.unauthenticated, "TOKEN_REVOKED", .later),
    ] as [(StatusCode, String, ReportVerdict)])
  func verdict(code: StatusCode, reason: String, expected: ReportVerdict) {
    #expect(ReportVerdict(code: code, reason: reason) == expected)
  }
}

@Suite struct AgentLifecycleTests {
  typealias Step = (AgentLifecycle.Event, AgentLifecycle.Effect?)

  @Test(
    "Each event has its effect, and what comes too late has none",
    arguments: [
      [(.registered, .takeWork), (.registered, nil), (.workEnded, nil), (.drainTimeEnded, nil)],
      [
        (.registered, .takeWork), (.pauseWanted(reason: "p"), .pause(reason: "p")),
        (.pauseWanted(reason: "q"), nil), (.resumeWanted, .takeWork), (.resumeWanted, nil),
      ],
      [
        (.pauseWanted(reason: "p"), .pause(reason: "p")), (.registered, nil),
        (.resumeWanted, .takeWork),
      ],
      [
        (.registered, .takeWork), (.drainWanted(reason: "d"), .drain(reason: "d")),
        (.drainWanted(reason: "e"), nil), (.pauseWanted(reason: "p"), nil), (.resumeWanted, nil),
        (.drainTimeEnded, .cancelWork), (.workEnded, .finish), (.stopWanted, nil),
      ],
      [
        (.stopWanted, .drain(reason: "the agent was told to stop")), (.stopWanted, .cancelWork),
        (.registered, nil), (.workEnded, .finish), (.workEnded, nil),
      ],
      [(.registered, .takeWork), (.failed, .cancelWork), (.failed, nil), (.stopWanted, nil)],
    ] as [[Step]])
  func table(steps: [Step]) {
    var lifecycle = AgentLifecycle()
    for (index, (event, effect)) in steps.enumerated() {
      #expect(lifecycle.handle(event) == effect, "step \(index): \(event)")
    }
  }

  @Test("Work is taken only while it runs and is not paused")
  func takesWork() {
    var lifecycle = AgentLifecycle()
    #expect(!lifecycle.takesWork)
    _ = lifecycle.handle(.registered)
    #expect(lifecycle.takesWork)
    _ = lifecycle.handle(.pauseWanted(reason: ""))
    #expect(!lifecycle.takesWork)
    _ = lifecycle.handle(.resumeWanted)
    _ = lifecycle.handle(.stopWanted)
    #expect(!lifecycle.takesWork)
  }
}

@Suite struct ReportTextTests {
  @Test("Long text is cut between characters, short text is left alone, NUL goes")
  func cut() {
    #expect(ReportText.cut("Done.") == "Done.")
    #expect(ReportText.cut("a\0b") == "ab")
    let long = String(repeating: "ä", count: 3000)
    let cut = ReportText.cut(long)
    #expect(cut.utf8.count <= 4096)
    #expect(cut.hasSuffix("…"))
    #expect(long.hasPrefix(cut.dropLast()))
    #expect(ReportText.cut("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", maximumBytes: 30) == "👩‍👩‍👧‍👦…")
  }

  @Test("A result above the limit is left out and the message says so")
  func result() {
    let fits = ReportText.fitting("{}", message: "Done.")
    #expect(fits.result == "{}" && fits.message == "Done.")
    let long = String(repeating: "x", count: ReportText.maximumResultBytes + 1)
    let left = ReportText.fitting(long, message: String(repeating: "m", count: 4096))
    #expect(left.result.isEmpty)
    #expect(left.message.contains("262145 bytes"))
    #expect(left.message.utf8.count <= 4096)
  }

  @Test("JSON texts are escaped")
  func json() {
    #expect(
      JSONText.object(["a\"b": "c\\d\n\u{1}é"]) == "{\"a\\\"b\":\"c\\\\d\\n\\u0001é\"}")
    #expect(JSONText.object([:]) == "{}")
  }
}
