import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `actions`: what integrations can do.
enum ActionCommands {
  static let integration = Positional.required(.name("INTEGRATION"), help: "the integration's name")
  static let type = Positional.required(
    .name("TYPE").completed(with: .actions), help: "the action's type: export_quote")

  static let noun = Noun(
    Command("actions", "what integrations can do, who serves it and what waits for it")
      .withExamples([
        CommandExample("integrationctl actions list", "all actions"),
        CommandExample(
          "integrationctl actions show customsoft export_quote", "one with its policy"),
      ]), [list, show])

  static let list = Verb(
    Command(
      "list", "actions with what waits for them and who serves them",
      flags: [IntegrationScope.flag], positionals: [IntegrationScope.positional]
    ).withExamples([
      CommandExample("integrationctl actions list customsoft", "of one integration")
    ]), .list
  ) { invocation in
    let actions = try await actions(try IntegrationScope.name(invocation), invocation)
    try invocation.write(Page(rows: actions), as: listing)
  }.showing(listing)

  static let show = Verb(
    Command("show", "one action with its policy", positionals: [integration, type]).withExamples([
      CommandExample(
        "integrationctl actions show customsoft export_quote", "retries, timeouts, limits")
    ])
  ) { invocation in
    let name = invocation.arguments[integration]
    let type = invocation.arguments[type]
    let actions = try await actions(name, invocation)
    guard let action = actions.first(where: { $0.definition?.type == type }) else {
      let types = actions.compactMap { $0.definition?.type }
      let near = Suggestions.nearest(to: type, among: types).map { "; did you mean \($0)?" } ?? ""
      throw Failure(
        .notFound, "\(name) has no action \(type)\(near)", reason: "ACTION_UNKNOWN",
        next: "See: integrationctl actions list \(name)")
    }
    try invocation.write(action) { ActionView.text(action, $0) }
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
  ])

  static let listing = Listing<Action>(
    table: Table(
      columns: [Column("INTEGRATION") { row, _ in Cell(row.integration) }] + table.columns),
    csvPaths: [
      "integration", "definition.type", "definition.name", "definition.description",
      "definition.entityType", "definition.canBeRequested", "definition.retired",
      "definition.revision", "queued", "inProgress", "pollingAgents", "lastLogAt",
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

  private static func actions(
    _ integration: String, _ invocation: Invocation
  ) async throws -> [Action] {
    var request = ListActionsRequest()
    request.integration = integration
    let sent = request
    return try await invocation.call { client throws(RPCError) in
      try await client.listActions(sent)
    }.actions
  }
}
