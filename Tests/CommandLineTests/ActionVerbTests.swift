import IntegrationAPI
import RPCWire
import Testing

@testable import integrationctl

@Suite struct ActionVerbTests {
  /// An action of which operators set some rules.
  static var controlled: Action {
    var action = Samples.action
    action.declared = action.definition
    action.declared?.maximumInFlight = 10
    action.definition?.maximumInFlight = 4
    action.definition?.queueTimeoutMs = 90_000
    var override = PolicyOverride()
    override.fields = ["maximum_in_flight", "rate_limit"]
    override.maximumInFlight = 4
    override.rateLimit = 100
    override.ratePeriodMs = 60_000
    action.override = override
    action.paused = true
    action.pauseReason = "ERP is slow"
    return action
  }

  static func desk() -> Desk {
    let desk = Desk()
    var get = GetActionResponse()
    get.action = controlled
    get.integration = Samples.integration
    desk.server.answer(OperatorServiceMethods.getAction, get)
    var update = UpdateActionResponse()
    update.action = controlled
    desk.server.answer(OperatorServiceMethods.updateAction, update)
    return desk
  }

  @Test("An action is shown with what holds, what was declared, and the way back")
  func show() async {
    let output = await Self.desk().run("actions", "show", "customsoft", "export_quote").output
    #expect(output.hasPrefix("Export Quote  (export_quote of customsoft)  paused\n"))
    for line in [
      "At most in flight    4, set by operators; declared: 10",
      "Rate                 at most 100 in any 1m, set by operators",
      "Queue timeout        1m 30s\n", "ERP is slow", "support@customsoft.example",
      "integrationctl actions resume customsoft export_quote",
      "integrationctl actions update customsoft export_quote --clear RULE",
    ] {
      #expect(output.contains(line), "\(line) in \(output)")
    }
  }

  @Test("Lists say what is paused and which rules operators set")
  func list() async {
    let desk = Desk()
    var reply = ListActionsResponse()
    reply.actions = [Self.controlled]
    desk.server.answer(OperatorServiceMethods.listActions, reply)
    let output = await desk.run("actions", "list").output
    #expect(output.contains("paused (ERP is slow); set: maximum-in-flight, rate-limit"))
    let csv = await desk.run("actions", "list", "-o", "csv").output
    #expect(csv.contains("lastLogAt,paused,pauseReason,override.fields"))
  }

  @Test("An update sends the rules that were given, and only those")
  func update() async throws {
    let desk = Self.desk()
    let outcome = await desk.run(
      "actions", "update", "customsoft", "export_quote", "--maximum-in-flight", "0",
      "--rate-limit", "5/s", "--queue-timeout", "2h", "--can-be-requested", "no", "--clear",
      "progress-timeout,one-open-per-entity")
    #expect(outcome.code == .done, "\(outcome.errors)")
    #expect(outcome.output.contains("It holds now:"))
    let sent: [UpdateActionRequest] = try desk.server.requests(OperatorServiceMethods.updateAction)
    let request = try #require(sent.first)
    #expect(
      request.set?.fields
        == ["queue_timeout_ms", "maximum_in_flight", "rate_limit", "can_be_requested"])
    #expect(request.set?.queueTimeoutMs == 7_200_000 && request.set?.canBeRequested == false)
    #expect(request.set?.rateLimit == 5 && request.set?.ratePeriodMs == 1_000)
    #expect(request.clear == ["progress_timeout_ms", "one_open_per_entity"])
    #expect(desk.server.calls.count == 1)
  }

  @Test("A part of the retries leaves their other parts as they hold now")
  func retries() async throws {
    let desk = Desk()
    var get = GetActionResponse()
    get.action = Samples.action
    get.action?.definition?.retry = RetryPolicy()
    get.action?.definition?.retry?.maximumAttempts = 3
    get.action?.definition?.retry?.initialBackoffMs = 1_000
    get.action?.definition?.retry?.multiplier = 4
    desk.server.answer(OperatorServiceMethods.getAction, get)
    desk.server.answer(OperatorServiceMethods.updateAction, UpdateActionResponse())
    _ = await desk.run(
      "actions", "update", "customsoft", "export_quote", "--retry-backoff", "1500ms")
    let sent: [UpdateActionRequest] = try desk.server.requests(OperatorServiceMethods.updateAction)
    let retry = try #require(sent.first?.set?.retry)
    #expect(retry.maximumAttempts == 3 && retry.initialBackoffMs == 1_500 && retry.multiplier == 4)
    #expect(sent.first?.set?.fields == ["retry"])
  }

  static let wrong: [([String], String)] = [
    ([], "nothing to change"), (["--rate-limit", "100"], "100/min"),
    (["--rate-limit", "0/min"], "100/min"), (["--rate-limit", "5/2d"], "one second to one day"),
    (["--rate-limit", "5/ms"], "100/min"), (["--maximum-in-flight", "-1"], "whole number"),
    (["--retry-attempts", "1001"], "from 0 to 1000"), (["--clear", "colour"], "rate-limit"),
    (["--one-open-per-entity", "maybe"], "yes"), (["--queue-timeout", "50d"], "span"),
  ]

  @Test("What cannot be is wrong usage, and nothing is sent", arguments: wrong)
  func wrongUsage(flags: [String], hint: String) async {
    let desk = Self.desk()
    let outcome = await desk.run(["actions", "update", "customsoft", "export_quote"] + flags)
    #expect(outcome.code == .usage)
    #expect(outcome.errors.contains(hint), "\(outcome.errors)")
    #expect(desk.server.calls.isEmpty)
  }

  @Test("A pause says what waits and how it ends; a refused one exits by its code")
  func pause() async throws {
    let desk = Desk()
    var paused = PauseActionResponse()
    paused.action = Self.controlled
    desk.server.answer(OperatorServiceMethods.pauseAction, paused)
    let outcome = await desk.run(
      "actions", "pause", "customsoft", "export_quote", "--reason", "ERP is slow")
    #expect(
      outcome.output
        == "export_quote of customsoft is paused; 2 requests wait.\n"
        + "End it with: integrationctl actions resume customsoft export_quote\n")
    let sent: [PauseActionRequest] = try desk.server.requests(OperatorServiceMethods.pauseAction)
    #expect(sent.map(\.reason) == ["ERP is slow"])
    desk.server.refuse(
      OperatorServiceMethods.resumeAction,
      RPCError(.notFound, "no such action", reason: "ACTION_UNKNOWN"))
    #expect(await desk.run("actions", "resume", "customsoft", "nothing").code == .notFound)
  }

  @Test("All pages of agents are fetched up to the limit")
  func agentPages() async throws {
    let desk = Desk()
    var first = ListAgentsResponse()
    first.agents = [Samples.agent, Samples.agent]
    first.nextPageToken = "gcustomsoft/crm-1"
    var second = ListAgentsResponse()
    second.agents = [Samples.agent]
    desk.server.answer(OperatorServiceMethods.listAgents, first)
    desk.server.answer(OperatorServiceMethods.listAgents, second)
    let all = await desk.run("agents", "list", "-o", "jsonl")
    #expect(all.output.split(separator: "\n").count == 3)
    let sent: [ListAgentsRequest] = try desk.server.requests(OperatorServiceMethods.listAgents)
    #expect(sent.map(\.pageToken) == ["", "gcustomsoft/crm-1"])
    #expect(sent.map(\.pageSize) == [1_000, 998])
    let limited = Desk()
    limited.server.answer(OperatorServiceMethods.listAgents, first)
    let cut = await limited.run("agents", "list", "--limit", "2")
    #expect(cut.errors.contains("--page-token gcustomsoft/crm-1"))
  }

  @Test("An agent is shown with what it holds and whom to call; a wrong name suggests the near one")
  func agentShow() async {
    let desk = Desk()
    var reply = GetAgentResponse()
    reply.agent = Samples.agent
    reply.held = [Samples.request]
    reply.integration = Samples.integration
    desk.server.refuse(
      OperatorServiceMethods.getAgent,
      RPCError(.notFound, "no such agent", reason: "AGENT_UNKNOWN"))
    desk.server.answer(OperatorServiceMethods.getAgent, reply)
    var list = ListAgentsResponse()
    list.agents = [Samples.agent]
    desk.server.answer(OperatorServiceMethods.listAgents, list)
    let wrong = await desk.run("agents", "show", "customsoft", "crm-2")
    #expect(wrong.code == .notFound && wrong.errors.contains("did you mean crm-1?"))
    let shown = await desk.run("agents", "show", "customsoft", "crm-1").output
    #expect(shown.contains("support@customsoft.example") && shown.contains(Samples.logID))
  }
}
