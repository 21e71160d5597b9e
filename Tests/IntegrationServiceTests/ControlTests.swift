import IntegrationAPI
import IntegrationModel
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Control of actions")
struct ControlTests {
  static func pause(
    _ harness: Harness, _ reason: String = "ERP is slow", type: String = "export_quote"
  ) async throws -> Action? {
    var request = PauseActionRequest()
    request.integration = "customsoft"
    request.type = type
    request.reason = reason
    return try await harness.operators.pauseAction(request).action
  }

  static func resume(_ harness: Harness, type: String = "export_quote") async throws -> Action? {
    var request = ResumeActionRequest()
    request.integration = "customsoft"
    request.type = type
    return try await harness.operators.resumeAction(request).action
  }

  static func update(
    _ harness: Harness, type: String = "export_quote", clear: [String] = [],
    _ change: (inout PolicyOverride) -> Void = { _ in }
  ) async throws -> Action {
    var request = UpdateActionRequest()
    request.integration = "customsoft"
    request.type = type
    request.clear = clear
    var set = PolicyOverride()
    change(&set)
    request.set = set
    return try #require(try await harness.operators.updateAction(request).action)
  }

  static func get(_ harness: Harness, _ type: String = "export_quote") async throws -> Action {
    var request = GetActionRequest()
    request.integration = "customsoft"
    request.type = type
    return try #require(try await harness.operators.getAction(request).action)
  }

  // MARK: - Pause

  @Test(
    "Agents hear of a pause at once, in a waiting poll; later polls stay open, resuming wakes them"
  )
  func pause() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    async let told = agent.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    let paused = try await Self.pause(harness)
    #expect(paused?.paused == true && paused?.pauseReason == "ERP is slow")
    let directives = try await told.directives
    #expect(directives.map(\.pausedAction) == ["export_quote ERP is slow"])
    try await harness.request()
    async let open = agent.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    _ = try await Self.resume(harness)
    // The poll that is open is answered with the news, or with the work: the next has the other.
    var replies = [try await open]
    if replies[0].requests.isEmpty { replies.append(try await agent.poll(waitMs: 60_000)) }
    #expect(replies.flatMap(\.requests).map(\.actionType) == ["export_quote"])
    #expect(replies.flatMap(\.directives).contains { $0.resumedAction == "export_quote" })
  }

  @Test("An agent that comes later, or after a restart, hears which actions are paused")
  func later() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await agent.heartbeat()
    _ = try await Self.pause(harness)
    let second = TestAgent(id: "agent-2", channel: try harness.connection())
    #expect(
      try await second.heartbeat().directives.map(\.pausedAction) == ["export_quote ERP is slow"])
    let directory = await harness.stop()
    let again = try await Harness(directory: directory)
    let back = TestAgent(id: "agent-1", channel: try again.connection())
    #expect(
      try await back.heartbeat().directives.map(\.pausedAction) == ["export_quote ERP is slow"])
    #expect(try await Self.get(again).paused)
  }

  @Test("Resuming an integration leaves its paused action paused, and agents are told so")
  func bothLevels() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.request()
    _ = try await Self.pause(harness)
    var pause = PauseIntegrationRequest()
    pause.name = "customsoft"
    _ = try await harness.operators.pauseIntegration(pause)
    var resume = ResumeIntegrationRequest()
    resume.name = "customsoft"
    _ = try await harness.operators.resumeIntegration(resume)
    let told = try await agent.heartbeat().directives
    #expect(told.contains { $0.pausedAction == "export_quote ERP is slow" })
    #expect(!told.contains { $0.resumedAction != nil })
    #expect(try await agent.poll().requests.isEmpty)
    _ = try await Self.resume(harness)
    #expect(try await agent.poll(waitMs: 10_000).requests.count == 1)
  }

  @Test("Status names the paused action with the command that ends it, and blames no agent")
  func status() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await agent.heartbeat()
    _ = try await Self.pause(harness)
    try await harness.request()
    let status = try await harness.operators.getStatus(GetStatusRequest())
    let trouble = status.troubles.first { $0.kind == "PAUSED_WITH_QUEUE" }
    #expect(trouble?.message == "export_quote is paused (ERP is slow) while 1 request waits.")
    #expect(trouble?.nextStep == "integrationctl actions resume customsoft export_quote")
    #expect(!status.troubles.contains { $0.kind == "UNSERVED_REQUESTS" })
  }

  // MARK: - Overrides

  @Test("An action shows what holds, what is declared, and what operators set")
  func override() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let updated = try await Self.update(harness) { set in
      set.fields = ["maximum_in_flight", "rate_limit", "retry"]
      set.maximumInFlight = 4
      set.rateLimit = 100
      set.retry = RetryPolicy()
      set.retry?.maximumAttempts = 3
    }
    try await agent.register([.exportQuote])
    let shown = try await Self.get(harness)
    #expect(shown.definition?.maximumInFlight == 4 && shown.declared?.maximumInFlight == 0)
    #expect(shown.definition?.retry?.maximumAttempts == 3 && shown.declared?.retry == nil)
    #expect(shown.override?.fields == ["retry", "maximum_in_flight", "rate_limit"])
    #expect(shown.override?.rateLimit == 100 && shown.override?.ratePeriodMs == 60_000)
    #expect(updated.override == shown.override)
    let listed = try await harness.operators.listActions(ListActionsRequest()).actions
    #expect(listed.map(\.override) == [shown.override])
    let cleared = try await Self.update(
      harness, clear: ["retry", "maximum_in_flight", "rate_limit"])
    #expect(cleared.override == nil && cleared.definition == cleared.declared)
  }

  static let wrongOverrides: [([String], @Sendable (inout UpdateActionRequest) -> Void)] = [
    (["set.fields"], { _ in }),
    (["set.fields"], { $0.set?.fields = ["colour"] }),
    (["clear"], { $0.clear = ["colour"] }),
    (
      ["clear"],
      {
        $0.set?.fields = ["maximum_in_flight"]
        $0.clear = ["maximum_in_flight"]
      }
    ),
    (
      ["set.queue_timeout_ms"],
      {
        $0.set?.fields = ["maximum_in_flight"]
        $0.set?.queueTimeoutMs = 5
      }
    ),
    (
      ["set.rate_period_ms"],
      {
        $0.set?.fields = ["rate_limit"]
        $0.set?.ratePeriodMs = 999
      }
    ),
    (["set.rate_limit"], { $0.set?.fields = ["rate_period_ms"] }),
    (
      ["set.retry.maximum_attempts", "set.retry.multiplier"],
      {
        $0.set?.fields = ["retry"]
        $0.set?.retry = RetryPolicy()
        $0.set?.retry?.maximumAttempts = 1_001
        $0.set?.retry?.multiplier = 0.5
      }
    ),
  ]

  @Test(
    "Each wrong field of an override is named, and nothing changes",
    arguments: wrongOverrides.indices)
  func wrong(index: Int) async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    var request = UpdateActionRequest()
    request.integration = "customsoft"
    request.type = "export_quote"
    request.set = PolicyOverride()
    Self.wrongOverrides[index].1(&request)
    let refused = try await failure { [request] in
      try await harness.operators.updateAction(request)
    }
    #expect(refused.reason == "FIELD_INVALID")
    #expect(refused.violations.map(\.field) == Self.wrongOverrides[index].0)
    #expect(try await Self.get(harness).override == nil)
  }

  @Test("An action that is not there is unknown to every call, with those that there are")
  func unknown() async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    let calls: [@Sendable () async throws -> Action?] = [
      { try await Self.get(harness, "nothing") },
      { try await Self.pause(harness, type: "nothing") },
      { try await Self.resume(harness, type: "nothing") },
      { try await Self.update(harness, type: "nothing", clear: ["retry"]) },
    ]
    for call in calls {
      let refused = try await failure { try await call() }
      #expect(refused.code == .notFound && refused.reason == "ACTION_UNKNOWN")
      #expect(refused.message.contains("export_quote"))
    }
  }

  @Test("A higher limit in flight wakes a poll that waits")
  func raised() async throws {
    let harness = try await Harness()
    var action = ActionDefinition.exportQuote
    action.maximumInFlight = 1
    let agent = try await harness.agent(declaring: [action])
    for entity in ["Q-1", "Q-2"] { try await harness.request(entity) }
    #expect(try await agent.poll().requests.count == 1)
    async let waiting = agent.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    _ = try await Self.update(harness) { set in
      set.fields = ["maximum_in_flight"]
      set.maximumInFlight = 2
    }
    #expect(try await waiting.requests.count == 1)
  }

  @Test("A rate lets polls wait, and wakes them when the next delivery is allowed")
  func rate() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await Self.update(harness) { set in
      set.fields = ["rate_limit"]
      set.rateLimit = 1
      set.ratePeriodMs = 1_000
    }
    for entity in ["Q-1", "Q-2", "Q-3"] { try await harness.request(entity) }
    let first = try await agent.poll(maximum: 5)
    #expect(first.requests.count == 1 && !first.hasMore)
    for _ in 0..<2 {
      let next = try await agent.poll(waitMs: 60_000, maximum: 5)
      #expect(next.requests.count == 1)
    }
    var times: [Int64] = []
    for log in try await harness.operators.listLogs(ListLogsRequest()).logs {
      let timeline = try await harness.log(log.id).timeline
      times += timeline.filter { $0.cause == .leased }.compactMap { $0.at?.milliseconds }
    }
    times.sort()
    #expect(times.count == 3)
    for (earlier, later) in zip(times, times.dropFirst()) { #expect(later - earlier >= 1_000) }
  }
}

extension Directive {
  /// The action that is paused and why.
  var pausedAction: String? {
    if case .pauseAction(let pause) = kind { "\(pause.actionType) \(pause.reason)" } else { nil }
  }

  /// The action that is resumed.
  var resumedAction: String? {
    if case .resumeAction(let resume) = kind { resume.actionType } else { nil }
  }

  /// Why the agent is to finish and stop.
  var drain: String? {
    if case .drain(let drain) = kind { drain.reason } else { nil }
  }
}
