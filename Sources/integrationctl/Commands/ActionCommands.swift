import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `actions`: what integrations can do, and the rules that operators set for it.
enum ActionCommands {
  static let integration = Positional.required(.name("INTEGRATION"), help: "the integration's name")
  static let type = Positional.required(.name("TYPE"), help: "the action's type: export_quote")

  static let noun = Noun(
    Command("actions", "what integrations can do, who serves it and what waits for it")
      .withExamples([
        CommandExample("integrationctl actions list", "all actions"),
        CommandExample(
          "integrationctl actions show customsoft export_quote", "one with its policy"),
        CommandExample(
          "integrationctl actions update customsoft export_quote --rate-limit 100/min",
          "at most 100 deliveries in any minute"),
        CommandExample(
          "integrationctl actions pause customsoft export_quote --reason 'ERP is slow'",
          "nothing of it goes out, what is asked for waits"),
      ]), [list, show, update, pause, resume])

  static let list = Verb(
    Command(
      "list", "actions with what waits for them and who serves them",
      flags: [IntegrationScope.flag] + IntegrationScope.paging,
      positionals: [IntegrationScope.positional]
    ).withExamples([
      CommandExample("integrationctl actions list customsoft", "of one integration")
    ]).withDiscussion(
      "NOTES says what operators did: paused, or which rules they set instead of those that the "
        + "agent declares."), .list
  ) { invocation in
    let name = try IntegrationScope.name(invocation)
    let client = try await invocation.client()
    let page = try await Page<Action>.fetch(invocation.arguments) { size, token throws(Failure) in
      try await actions(name, invocation, client, size: size, token: token)
    }
    try invocation.write(page, as: listing)
  }

  static let show = Verb(
    Command(
      "show", "one action: its policy, what operators set of it, who serves it, what waits",
      positionals: [integration, type]
    ).withExamples([
      CommandExample(
        "integrationctl actions show customsoft export_quote", "retries, timeouts, limits")
    ])
  ) { invocation in
    let client = try await invocation.client()
    let reply = try await found(invocation, client)
    try invocation.write(reply) { ActionView.text(reply, $0) }
  }

  static let update = Verb(
    Command(
      "update", "set rules of an action instead of those that its agent declares",
      flags: ActionFlags.all, positionals: [integration, type]
    ).withExamples([
      CommandExample(
        "integrationctl actions update customsoft export_quote --rate-limit 100/min "
          + "--maximum-in-flight 4", "spare a slow system"),
      CommandExample(
        "integrationctl actions update customsoft export_quote --retry-attempts 5 "
          + "--retry-backoff 30s", "try again by itself"),
      CommandExample(
        "integrationctl actions update customsoft export_quote --clear rate-limit,retry",
        "what the agent declares holds again"),
    ]).withDiscussion(
      "What is not named stays as it is. An agent that declares its action again changes nothing "
        + "of what is set here. Timeouts hold for requests and reports from now on; those that "
        + "run keep their time.")
  ) { try await runUpdate($0) }

  static let pause = Verb(
    Command(
      "pause", "hand out no request of an action; what is asked for waits",
      flags: [GlobalFlags.reason], positionals: [integration, type]
    ).withExamples([
      CommandExample(
        "integrationctl actions pause customsoft export_quote --reason 'ERP is slow'",
        "until it is resumed")
    ]).withDiscussion(
      "Agents are told at once and finish what they hold. Requests that wait longer than their "
        + "queue timeout still time out.")
  ) { invocation in
    var request = PauseActionRequest()
    request.integration = invocation.arguments[integration]
    request.type = invocation.arguments[type]
    request.reason = invocation.arguments[GlobalFlags.reason]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.pauseAction(sent)
    }
    try invocation.write(reply) { _ in
      let waiting = ActionView.waiting(reply.action)
      return "\(sent.type) of \(sent.integration) is paused\(waiting).\n"
        + "End it with: integrationctl actions resume \(sent.integration) \(sent.type)\n"
    }
  }

  static let resume = Verb(
    Command("resume", "end a pause of an action", positionals: [integration, type]).withExamples([
      CommandExample("integrationctl actions resume customsoft export_quote", "it goes out again")
    ])
  ) { invocation in
    var request = ResumeActionRequest()
    request.integration = invocation.arguments[integration]
    request.type = invocation.arguments[type]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.resumeAction(sent)
    }
    try invocation.write(reply) { _ in
      "\(sent.type) of \(sent.integration) goes out again\(ActionView.waiting(reply.action)).\n"
    }
  }

  static let table = Table<Action>(columns: [
    Column("ACTION") { row, _ in
      Cell(row.definition?.type ?? "", row.definition?.retired == true ? .faint : .plain)
    },
    Column("NAME", .useful, cuttableTo: 10) { row, _ in Cell(row.definition?.name ?? "") },
    Column("RECORD", .extra) { row, _ in Cell(row.definition?.entityType ?? "") },
    Column(number: "QUEUED") { $0.queued },
    Column(number: "RUNNING") { $0.inProgress },
    Column("SERVED BY") { row, _ in servedBy(row) },
    Column("LAST LOG", .useful) { row, now in .ago(row.lastLogAt, now, missing: "never") },
    Column("REQUESTS", .extra) { row, _ in
      row.definition?.canBeRequested == true ? "yes" : Cell("no", .faint)
    },
    Column("NOTES", .important, cuttableTo: 10) { row, _ in ActionView.notes(row) },
  ])

  static let listing = Listing<Action>(
    table: Table(
      columns: [Column("INTEGRATION") { row, _ in Cell(row.integration) }] + table.columns),
    csvPaths: [
      "integration", "definition.type", "definition.name", "definition.description",
      "definition.entityType", "definition.canBeRequested", "definition.retired",
      "definition.revision", "queued", "inProgress", "pollingAgents", "lastLogAt", "paused",
      "pauseReason", "override.fields",
    ],
    empty: "No actions. An agent declares them when it connects.")

  private static func servedBy(_ action: Action) -> Cell {
    if action.definition?.retired == true { return Cell("retired", .faint) }
    switch action.pollingAgents {
    case 0: return Cell("nobody", action.queued > 0 ? .bad : .warning)
    case 1: return "1 agent"
    case let count: return Cell("\(count) agents")
    }
  }

  private static func runUpdate(_ invocation: Invocation) async throws {
    let arguments = invocation.arguments
    var request = UpdateActionRequest()
    request.integration = arguments[integration]
    request.type = arguments[type]
    request.clear = arguments[ActionFlags.clear].map(\.fieldName)
    let client = try await invocation.client()
    var retry: RetryPolicy?
    if ActionFlags.changesRetry(arguments) {
      // A policy is set whole: what is not named is what holds now.
      retry = try await found(invocation, client).action?.definition?.retry ?? RetryPolicy()
    }
    request.set = ActionFlags.override(arguments, retry: retry)
    guard request.set != nil || !request.clear.isEmpty else {
      throw UsageError(
        "\(invocation.title): nothing to change",
        hint: "Give at least one rule, or --clear. Try: \(invocation.title) --help")
    }
    let sent = request
    let reply = try await invocation.call(client) { client throws(RPCError) in
      try await client.updateAction(sent)
    }
    try invocation.write(reply) { presentation in
      var document = Document(presentation)
      document.line(Cell("Updated \(sent.type) of \(sent.integration). It holds now:"))
      document.fields(ActionView.policy(reply.action ?? Action()))
      return document.text
    }
  }

  private static func found(
    _ invocation: Invocation, _ client: OperatorServiceClient
  ) async throws(Failure) -> GetActionResponse {
    var request = GetActionRequest()
    request.integration = invocation.arguments[integration]
    request.type = invocation.arguments[type]
    let sent = request
    return try await invocation.nearest(
      to: sent.type, noun: "action", reason: "ACTION_UNKNOWN",
      list: "integrationctl actions list \(sent.integration)"
    ) { () async throws(Failure) in
      try await invocation.call(client) { client throws(RPCError) in
        try await client.getAction(sent)
      }
    } names: { () async throws(Failure) in
      try await actions(sent.integration, invocation, client, size: 0, token: "")
        .rows.compactMap { $0.definition?.type }
    }
  }

  private static func actions(
    _ integration: String, _ invocation: Invocation, _ client: OperatorServiceClient, size: UInt32,
    token: String
  ) async throws(Failure) -> Page<Action> {
    var request = ListActionsRequest()
    request.integration = integration
    request.pageSize = size
    request.pageToken = token
    let sent = request
    let reply = try await invocation.call(client) { client throws(RPCError) in
      try await client.listActions(sent)
    }
    return Page(rows: reply.actions, nextToken: reply.nextPageToken)
  }
}
