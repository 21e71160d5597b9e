import CommandLineOptions
import IntegrationAPI
import ProtobufRuntime
import RPCWire
import Testing

@testable import integrationctl

@Suite struct OperatorProgramTests {
  @Test("Status names what is wrong, whom to call and what to do before the integrations")
  func status() async {
    let desk = Desk()
    var trouble = Trouble()
    trouble.kind = "AGENT_DOWN"
    trouble.integration = "customsoft"
    trouble.message = "crm-1 has not phoned home for 3m"
    trouble.supportContact = "support@customsoft.example"
    trouble.nextStep = "integrationctl agents show customsoft crm-1"
    var reply = GetStatusResponse()
    reply.troubles = [trouble]
    reply.integrations = [Samples.integration]
    reply.queued = 2
    reply.oldestQueuedAt = Samples.time(secondsAgo: 90)
    desk.server.answer(OperatorServiceMethods.getStatus, reply)
    let outcome = await desk.run("status")
    #expect(outcome.code == .done)
    #expect(
      outcome.output == """
        1 thing is wrong

        customsoft  crm-1 has not phoned home for 3m  AGENT_DOWN
          call  support@customsoft.example
          next  integrationctl agents show customsoft crm-1

        Integrations
          INTEGRATION  HEALTH  OPEN  FAILED 24H  LAST LOG  PHONED HOME  AGENTS  LOGS  \
        SUPPORT CONTACT
          customsoft   up         1           3  30s ago   2s ago            1   123  \
        support@customsoft.example

        2 queued, 0 in progress; the oldest has waited 1m 30s

        """)
  }

  @Test("A log is shown with its origin, course, content, timeline, errors and whom to call")
  func logShow() async {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.getLog, Samples.logReply)
    let outcome = await desk.run("logs", "show", Samples.logID)
    #expect(
      outcome.output == """
        FAILED  export_quote  quote Q-1042  "Quote 1042"
          line 3 has no product; add one

          Log           \(Samples.logID)
          Integration   customsoft (CustomSoft CRM)
          Whom to call  CustomSoft GmbH, support@customsoft.example
          Triggered by  a request of operator:local
          Agent         crm-1
          Attempt       2
          Retry of      01938c3e-0000-7bb2-9d2e-5f0a6c1e8d37
          Link          https://quotes.example/Q-1042

          Progress  3/10 records, 2 with errors
          Queued    2s
          Running   28s
          Created   2026-11-24 08:29:00 UTC (1m ago)
          Updated   2026-11-24 08:29:30 UTC (30s ago)
          Finished  2026-11-24 08:29:30 UTC (30s ago)

          Labels  batch=7, region=north
          Result  {"number":"C-77"}

        Timeline
          AT (UTC)                 STATUS  CAUSE    BY                      AGENT  MESSAGE
          2026-11-24 08:29:00.000  QUEUED  request  operator:local
          2026-11-24 08:29:30.000  FAILED  report   integration:customsoft  crm-1  \
        line 3 has no product; add one

        Record errors (1 of 2; more with --errors N)
          RECORD  MESSAGE     CAUSE  RETRYABLE
          line 3  no product         no

        Try again: integrationctl logs retry \(Samples.logID)

        """)
  }

  @Test("A list is one array in JSON, a line each in JSON lines, and has a heading in CSV")
  func formats() async {
    let desk = Desk()
    var reply = ListAgentsResponse()
    reply.agents = [Samples.agent, Samples.agent]
    desk.server.answer(OperatorServiceMethods.listAgents, reply)
    let json = await desk.run("agents", "list", "-o", "json")
    #expect(json.output.hasPrefix("[\n  {\n    \"integration\": \"customsoft\",\n"))
    #expect(json.output.hasSuffix("]\n"))
    #expect(json.output.contains("\"health\": \"NOT_TAKING_WORK\""))
    #expect(json.output.contains("\"clockSkewMs\": \"-2500\""))
    let lines = await desk.run("agents", "list", "-o", "jsonl")
    #expect(lines.output.split(separator: "\n").count == 2)
    let csv = await desk.run("agents", "list", "-o", "csv")
    #expect(csv.output.hasPrefix("integration,agentId,instanceId,health,"))
    #expect(csv.output.contains("\r\ncustomsoft,crm-1,7f3a,NOT_TAKING_WORK,"))
  }

  @Test("On 100 columns a list of logs gives up the integration before the message")
  func narrowLogs() async {
    var desk = Desk()
    desk.width = 100
    var log = Samples.log()
    log.actionType = "bulk_import_contacts"
    var reply = ListLogsResponse()
    reply.logs = [log]
    desk.server.answer(OperatorServiceMethods.listLogs, reply)
    let lines = await desk.run("logs", "list").output.split(separator: "\n")
    #expect(lines[0].hasSuffix("  MESSAGE"))
    #expect(!lines[0].contains("INTEGRATION"))
    #expect(lines[1].contains("  line 3 has no"))
  }

  @Test("An agent whose connection is gone shows as lost, one that polls as waiting")
  func agentClocks() async {
    let desk = Desk()
    var lost = Samples.agent
    lost.connected = false
    var waiting = Samples.agent
    waiting.polling = true
    waiting.health = .up
    var reply = ListAgentsResponse()
    reply.agents = [lost, waiting]
    desk.server.answer(OperatorServiceMethods.listAgents, reply)
    let lines = await desk.run("agents", "list").output.split(separator: "\n")
    #expect(lines[1].contains("not taking work  lost 1s ago  5m ago"))
    #expect(lines[2].contains("up               1s ago       waiting"))
    #expect(!lines[2].contains(Samples.agent.healthReason))
  }

  @Test("Nothing is an empty array for programs and a sentence on standard error for people")
  func empty() async {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.listLogs, ListLogsResponse())
    let json = await desk.run("logs", "list", "-o", "json")
    #expect(json.output == "[]\n")
    let table = await desk.run("logs", "list")
    #expect(table.output.isEmpty)
    #expect(table.errors == "No log matches.\n")
    #expect(table.code == .done)
  }

  @Test("Each CSV column is a member of the message that it describes")
  func csvPaths() throws {
    try expectMembers(IntegrationCommands.listing.csvPaths, of: Samples.integration)
    try expectMembers(KeyCommands.listing.csvPaths, of: Samples.key)
    try expectMembers(ActionCommands.listing.csvPaths, of: Samples.action)
    try expectMembers(LogCommands.listing.csvPaths, of: Samples.log())
    try expectMembers(
      RequestCommands.listing.csvPaths, of: Samples.request)
    try expectMembers(AgentCommands.listing.csvPaths, of: Samples.agent)
  }

  private func expectMembers(_ paths: [String], of message: some Encodable) throws {
    let tree = try JSONTreeEncoder.tree(of: message)
    for path in paths { #expect(tree.member(path) != nil, "\(path)") }
  }

  @Test("A long list is fetched page by page up to the limit, and says where to go on")
  func paging() async throws {
    let desk = Desk()
    var reply = ListLogsResponse()
    reply.logs = Array(repeating: Samples.log(), count: 1000)
    reply.nextPageToken = "next"
    desk.server.answer(OperatorServiceMethods.listLogs, reply)
    var last = ListLogsResponse()
    last.logs = Array(repeating: Samples.log(), count: 500)
    last.nextPageToken = "end"
    desk.server.answer(OperatorServiceMethods.listLogs, last)
    let outcome = await desk.run(
      "logs", "list", "--limit", "1500", "--page-token", "first", "-o", "jsonl")
    #expect(outcome.output.split(separator: "\n").count == 1500)
    #expect(outcome.errors.contains("--page-token end"))
    let requests: [ListLogsRequest] = try desk.server.requests(OperatorServiceMethods.listLogs)
    #expect(requests.map(\.pageSize) == [1000, 500])
    #expect(requests.map(\.pageToken) == ["first", "next"])
  }

  @Test("The filter flags become the filter message")
  func filters() async throws {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.listLogs, ListLogsResponse())
    _ = await desk.run(
      "logs", "list", "-i", "a,b", "--action", "export", "--status", "failed,timed-out", "--entity",
      "Q-1,2", "--entity-type", "quote", "--agent", "x", "--trigger", "EVENT", "--since",
      "2026-11-24T08:00:00Z", "--until", "2026-11-24T08:30:00.5Z", "--text", "no product", "-l",
      "k=v=w", "--order", "oldest")
    let requests: [ListLogsRequest] = try desk.server.requests(OperatorServiceMethods.listLogs)
    let request = try #require(requests.first)
    let filter = try #require(request.filter)
    #expect(filter.integrations == ["a", "b"])
    #expect(filter.actionTypes == ["export"])
    #expect(filter.statuses == [.failed, .timedOut])
    #expect(filter.entityIds == ["Q-1,2"])
    #expect(filter.entityType == "quote")
    #expect(filter.agentIds == ["x"])
    #expect(filter.triggers == [.event])
    #expect(filter.since?.seconds == 1_795_507_200)
    #expect(filter.until?.nanos == 500_000_000)
    #expect(filter.text == "no product")
    #expect(filter.labels == ["k": "v=w"])
    #expect(request.order == .oldestFirst)
  }

  @Test(
    "A filter that nothing can match is a usage error, and the server is not asked",
    arguments: [
      (["logs", "list", "--since", "1h", "--until", "2d"], "nothing is created at or after"),
      (["logs", "list", "-l", "k=a", "-l", "k=b"], "as both a and b"),
      (["keys", "list", "crm", "-i", "erp"], "nothing is of both crm and erp"),
      (["logs", "list", "--status", "FALED"], "did you mean FAILED?"),
      (["logs", "list", "-i", "Custom Soft"], "a-z, 0-9"),
      (["logs", "list", "--since", "lately"], "15m, 2d"),
      (["logs", "list", "-l", "novalue"], "key=value"),
      (["logs", "show", "17"], "a log's id such as"),
      (["logs", "tail", "-f", "-o", "json"], "jsonl"),
      (["keys", "revoke", "imk_short"], "8 letters and digits"),
      (["requests", "list", "--status", "FAILED"], "--trigger REQUEST --status FAILED"),
      (["integrations", "update", "crm"], "nothing to change"),
      (["integrations", "create", "crm"], "--author is missing"),
      (["integrations", "create", "crm", "--author", "Us"], "--support-contact is missing"),
      (["status", "-o", "csv"], "csv is for lists"),
      (["status", "-o", "xml"], "one of table, json, jsonl, csv"),
      (["status", "-s", "localhost:7300"], "unix:PATH or tcp:HOST:PORT"),
      (["requests", "create", "crm", "x", "--not-before", "2001-01-01"], "a time to come"),
    ])
  func usageErrors(line: [String], expected: String) async {
    let desk = Desk()
    let outcome = await desk.run(line)
    #expect(outcome.code == .usage)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains(expected))
    #expect(desk.server.calls.isEmpty)
  }

  @Test(
    "The exit code says what kind of refusal it was",
    arguments: [
      (StatusCode.notFound, "LOG_UNKNOWN", ExitCode.notFound, "integrationctl logs list"),
      (.permissionDenied, "OPERATOR_ONLY", .notAllowed, "INTEGRATION_TOKEN"),
      (.unauthenticated, "TOKEN_INVALID", .notAllowed, "INTEGRATION_TOKEN"),
      (.unavailable, "CONNECTION_LOST", .notReached, "Is integrationd running"),
      (.deadlineExceeded, "DEADLINE_EXCEEDED", .notReached, "Is integrationd running"),
      (.failedPrecondition, "LOG_FINAL", .refused, "[LOG_FINAL]"),
      (.invalidArgument, "FIELD_INVALID", .refused, "  entity.id: too long"),
      (StatusCode(rawValue: 99), "NEW", .refused, "[NEW]"),
    ])
  func exitCodes(code: StatusCode, reason: String, exit: ExitCode, text: String) async {
    let desk = Desk()
    let violations =
      code == .invalidArgument ? [FieldViolation(field: "entity.id", description: "too long")] : []
    desk.server.refuse(
      OperatorServiceMethods.getLog,
      RPCError(code, "what went wrong", reason: reason, violations: violations))
    let outcome = await desk.run("logs", "show", Samples.logID, "-o", "json")
    #expect(outcome.code == exit)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains("what went wrong [\(reason)]"))
    #expect(outcome.errors.contains(text))
  }

  @Test("A server that is not reached is named with its address and what to do")
  func unreachable() async {
    var desk = Desk()
    desk.environment = ["INTEGRATION_SERVER": "tcp:[::1]:7300"]
    desk.refusal = RPCError(.unavailable, "connection refused", reason: "SERVER_UNREACHABLE")
    let outcome = await desk.run("status")
    #expect(outcome.code == .notReached)
    #expect(
      outcome.errors == """
        integrationctl: the server at tcp:[::1]:7300 did not answer: connection refused \
        [SERVER_UNREACHABLE]
        Is integrationd running there? Name another address with --server or INTEGRATION_SERVER.

        """)
  }

  @Test("A reader who is gone ends the program quietly")
  func closedOutput() async {
    var desk = Desk()
    desk.outputIsClosed = true
    desk.server.answer(OperatorServiceMethods.listAgents, ListAgentsResponse())
    let outcome = await desk.run("agents", "list", "-o", "json")
    #expect(outcome.code == .done)
    #expect(outcome.errors.isEmpty)
  }

  @Test("An action that is not there suggests the near one")
  func unknownAction() async {
    let desk = Desk()
    var reply = ListActionsResponse()
    reply.actions = [Samples.action]
    desk.server.answer(OperatorServiceMethods.listActions, reply)
    desk.server.refuse(
      OperatorServiceMethods.getAction,
      RPCError(.notFound, "no such action", reason: "ACTION_UNKNOWN"))
    var known = GetActionResponse()
    known.action = Samples.action
    desk.server.answer(OperatorServiceMethods.getAction, known)
    let outcome = await desk.run("actions", "show", "customsoft", "exprot_quote")
    #expect(outcome.code == .notFound)
    #expect(outcome.errors.contains("did you mean export_quote?"))
    let found = await desk.run("actions", "show", "customsoft", "export_quote")
    #expect(found.output.hasPrefix("Export Quote  (export_quote of customsoft)\n"))
  }
}
