import IntegrationAPI
import IntegrationModel
import ProtobufRuntime
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Requests and polls")
struct RequestTests {
  @Test("A request is leased, accepted by the first report, and ends with the last")
  func wholeWay() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let queued = try await harness.request("Q-1042")
    #expect(queued.status == .queued && queued.requestedBy == "operator:local")
    #expect(queued.entity?.type == "quote", "the type comes from the action")
    let polled = try await agent.poll(leaseMs: 30_000)
    let held = try #require(polled.requests.first)
    #expect(held.logID == queued.id && held.entity?.id == "Q-1042" && held.delivery == 1)
    #expect(held.idempotencyKey == queued.id && held.attempt == 1)
    let started = try await agent.report(on: held, .inProgress)
    #expect(started.status == .inProgress)
    let ended = try await agent.report(on: held, .completed, sequence: 2)
    #expect(ended.status == .completed)
    let causes = try await harness.log(queued.id).timeline.map(\.cause)
    #expect(causes == [.request, .leased, .report, .report])
  }

  @Test("A request begins at the time of its id, by which lists find it")
  func begins() async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    for number in 0..<200 {
      let log = try await harness.request("Q-\(number)")
      let id = try #require(LogID(log.id))
      #expect(log.createdAt?.instant == id.time)
    }
  }

  @Test("A waiting poll gets the request, and waits no longer than it said")
  func waits() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    async let polled = agent.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    let queued = try await harness.request()
    #expect(try await polled.requests.map(\.logID) == [queued.id])
    let clock = ContinuousClock()
    let start = clock.now
    #expect(try await agent.poll(waitMs: 50).requests.isEmpty)
    let waited = clock.now - start
    #expect(waited >= .milliseconds(50) && waited < .seconds(5))
  }

  @Test("One request wakes one poll, the one that has waited longest")
  func fair() async throws {
    let harness = try await Harness()
    let first = try await harness.agent("first")
    let second = try await harness.agent("second")
    async let one = first.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    async let two = second.poll(waitMs: 60_000)
    try await harness.untilPollsWait(2)
    let earlier = try await harness.request("Q-1")
    #expect(try await one.requests.map(\.logID) == [earlier.id])
    #expect(harness.service.polls.count == 1)
    let later = try await harness.request("Q-2")
    #expect(try await two.requests.map(\.logID) == [later.id])
  }

  @Test("A poll for one action is not given another's requests")
  func byAction() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [.exportQuote, .bulkImport])
    async let polled = agent.poll(waitMs: 60_000, actions: ["bulk_import"])
    try await harness.untilPollsWait(1)
    try await harness.request("Q-1")
    let wanted = try await harness.request("", action: "bulk_import", input: "{\"file\": \"a\"}")
    let got = try await polled.requests
    #expect(got.map(\.logID) == [wanted.id] && got.first?.input == "{\"file\": \"a\"}")
  }

  @Test("Requests go out oldest first, as many as asked for, and say whether more wait")
  func many() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var ids: [String] = []
    for number in 0..<5 { ids.append(try await harness.request("Q-\(number)").id) }
    let some = try await agent.poll(maximum: 3)
    #expect(some.requests.map(\.logID) == Array(ids.prefix(3)) && some.hasMore)
    let rest = try await agent.poll(maximum: 1_000)
    #expect(rest.requests.map(\.logID) == Array(ids.suffix(2)) && !rest.hasMore)
  }

  @Test("Requests of one millisecond have ids in the order of their making")
  func sameMillisecond() {
    let ids = (0..<1_000).map { _ in IntegrationService.newLogID() }
    #expect(ids == ids.sorted())
  }

  @Test("A poll whose caller has cancelled is forgotten, and costs no request")
  func cancelledPoll() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let abandoned = Task { try await agent.poll(waitMs: 60_000) }
    try await harness.untilPollsWait(1)
    abandoned.cancel()
    _ = await abandoned.result
    try await harness.untilPollsWait(0)
    let queued = try await harness.request()
    #expect(try await agent.poll().requests.map(\.logID) == [queued.id])
  }

  @Test("Polls above the limit are refused and told to come later")
  func tooMany() async throws {
    var limits = ServiceLimits()
    limits.maximumWaitingPolls = 1
    let harness = try await Harness(limits: limits)
    let agent = try await harness.agent()
    let waiting = Task { try await agent.poll(waitMs: 60_000) }
    try await harness.untilPollsWait(1)
    let refused = try await failure { try await agent.poll() }
    #expect(refused.code == .resourceExhausted && refused.reason == "TOO_MANY_POLLS")
    #expect(refused.retryAfterMs > 0)
    waiting.cancel()
  }

  static let wrongPolls: [(String, @Sendable (inout PollRequestsRequest) -> Void)] = [
    ("wait_ms", { $0.waitMs = 60_001 }), ("lease_ms", { $0.leaseMs = 999 }),
    ("lease_ms", { $0.leaseMs = 3_600_001 }), ("maximum_requests", { $0.maximumRequests = 1_001 }),
    ("action_types[1]", { $0.actionTypes = ["export_quote", ""] }),
    ("action_types", { $0.actionTypes = Array(repeating: "a", count: 101) }),
    ("agent_id", { $0.agentID = "" }),
  ]

  @Test("Each wrong field of a poll is named", arguments: wrongPolls.indices)
  func wrongPoll(index: Int) async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var request = PollRequestsRequest()
    request.agentID = "agent-1"
    Self.wrongPolls[index].1(&request)
    let refused = try await failure { [request] in try await agent.client.pollRequests(request) }
    #expect(refused.violations.map(\.field) == [Self.wrongPolls[index].0])
  }

  @Test("A queued request is withdrawn at once")
  func cancelQueued() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let queued = try await harness.request()
    let reply = try await harness.cancel(queued.id)
    #expect(reply.log?.status == .cancelled && !reply.askedAgent)
    #expect(try await agent.poll().requests.isEmpty)
    let refused = try await failure { try await harness.cancel(queued.id) }
    #expect(refused.reason == "REQUEST_NOT_OPEN")
  }

  @Test("A running request is cancelled by its agent, which hears it with its next reply")
  func cancelRunning() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    #expect(try await harness.cancel(held.logID).askedAgent)
    let reply = try await agent.report(on: held, .inProgress, sequence: 2)
    #expect(reply.directives.map(\.kind) == [.cancelLog(held.logID)])
    let renewed = try await agent.heartbeat(leases: [HeldLease(held)])
    #expect(renewed.directives.map(\.kind) == [.cancelLog(held.logID)], "repeated until it ends")
    let ended = try await agent.report(on: held, .cancelled, sequence: 3)
    #expect(ended.status == .cancelled && ended.directives.isEmpty)
    #expect(try await agent.heartbeat().directives.isEmpty)
  }

  @Test("Where the agent waits in a poll, it hears a directive at once")
  func cancelWhilePolling() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    async let polled = agent.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    _ = try await harness.cancel(held.logID)
    let reply = try await polled
    #expect(reply.requests.isEmpty && reply.directives.map(\.kind) == [.cancelLog(held.logID)])
    #expect(try await agent.poll().directives.isEmpty, "told once on a connection")
  }

  @Test("A wish to cancel outlives the server and the connection")
  func cancelOverRestart() async throws {
    var harness = try await Harness()
    var agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    _ = try await harness.cancel(held.logID)
    let directory = await harness.stop()
    harness = try await Harness(directory: directory)
    agent = TestAgent(id: "agent-1", channel: try harness.connection())
    #expect(try await agent.heartbeat().directives.map(\.kind) == [.cancelLog(held.logID)])
  }

  @Test("A paused integration gets nothing; its agents hear of pause and resume")
  func pause() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    async let polled = agent.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    var pause = PauseIntegrationRequest()
    pause.name = "customsoft"
    pause.reason = "audit"
    #expect(try await harness.operators.pauseIntegration(pause).integration?.health == .paused)
    #expect(try await polled.directives.map(\.kind) == [.pauseFor("audit")])
    let queued = try await harness.request()
    #expect(try await agent.poll().requests.isEmpty)
    let newcomer = try await harness.agent("agent-2")
    #expect(try await newcomer.heartbeat().directives.map(\.kind) == [.pauseFor("audit")])
    async let waiting = agent.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    var resume = ResumeIntegrationRequest()
    resume.name = "customsoft"
    _ = try await harness.operators.resumeIntegration(resume)
    let told = try await waiting
    #expect(told.directives.map(\.kind) == [.resume(Resume())])
    #expect(try await agent.poll(waitMs: 5_000).requests.map(\.logID) == [queued.id])
  }

  @Test("An agent that is to drain hears it, also after a restart of the server")
  func drain() async throws {
    var harness = try await Harness()
    var agent = try await harness.agent()
    _ = try await agent.heartbeat()
    var drain = DrainAgentRequest()
    drain.integration = "customsoft"
    drain.agentID = "agent-1"
    drain.reason = "new machine"
    _ = try await harness.operators.drainAgent(drain)
    #expect(try await agent.heartbeat().directives.map(\.kind) == [.drainFor("new machine")])
    let directory = await harness.stop()
    harness = try await Harness(directory: directory)
    agent = TestAgent(id: "agent-1", channel: try harness.connection())
    #expect(try await agent.heartbeat().directives.map(\.kind) == [.drainFor("new machine")])
    drain.agentID = "nobody"
    let refused = try await failure { [harness, drain] in
      try await harness.operators.drainAgent(drain)
    }
    #expect(refused.reason == "AGENT_UNKNOWN")
  }
}

extension Directive.Kind {
  static func cancelLog(_ id: String) -> Directive.Kind {
    var cancel = CancelLog()
    cancel.logID = id
    cancel.reason = "wrong quote"
    cancel.requestedBy = "operator:local"
    return .cancel(cancel)
  }

  static func pauseFor(_ reason: String) -> Directive.Kind {
    var pause = Pause()
    pause.reason = reason
    return .pause(pause)
  }

  static func drainFor(_ reason: String) -> Directive.Kind {
    var drain = Drain()
    drain.reason = reason
    return .drain(drain)
  }
}

extension Harness {
  /// Waits until so many polls have found nothing and wait.
  func untilPollsWait(_ count: Int) async throws {
    try await eventually("\(count) polls wait") {
      self.service.polls.waitingCount == count && self.service.polls.count == count ? true : nil
    }
  }

  func cancel(_ id: String) async throws -> CancelRequestResponse {
    var request = CancelRequestRequest()
    request.id = id
    request.reason = "wrong quote"
    return try await operators.cancelRequest(request)
  }
}
