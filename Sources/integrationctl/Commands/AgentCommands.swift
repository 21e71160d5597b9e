import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `agents`: the running programs of integrations.
enum AgentCommands {
  static let integration = Positional.required(.name("INTEGRATION"), help: "the integration's name")
  static let agent = Positional.required(
    .name("AGENT"), help: "the agent's id (see: integrationctl agents list)")

  static let noun = Noun(
    Command("agents", "the running programs of integrations, with three clocks each").withExamples([
      CommandExample("integrationctl agents list", "who is up, who takes work, who works"),
      CommandExample("integrationctl agents show customsoft crm-1", "everything about one"),
      CommandExample("integrationctl agents drain customsoft crm-1", "before an update of it"),
    ]), [list, show, drain])

  static let list = Verb(
    Command(
      "list", "agents with their three clocks",
      flags: [IntegrationScope.flag] + IntegrationScope.paging,
      positionals: [IntegrationScope.positional]
    ).withExamples([
      CommandExample("integrationctl agents list", "all agents"),
      CommandExample("integrationctl agents list customsoft", "of one integration"),
    ]).withDiscussion(
      "CONNECTED is the last sign of life (lost: the connection is gone), POLLED the last time it "
        + "asked for work, PROGRESSED the last report on work that it held."), .list
  ) { invocation in
    let name = try IntegrationScope.name(invocation)
    let client = try await invocation.client()
    let page = try await Page<Agent>.fetch(invocation.arguments) { size, token throws(Failure) in
      var request = ListAgentsRequest()
      request.integration = name
      request.pageSize = size
      request.pageToken = token
      let sent = request
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.listAgents(sent)
      }
      return Page(rows: reply.agents, nextToken: reply.nextPageToken)
    }
    try invocation.write(page, as: listing)
  }

  static let show = Verb(
    Command(
      "show", "one agent, what it holds, and whom to call", positionals: [integration, agent]
    ).withExamples([
      CommandExample("integrationctl agents show customsoft crm-1", "everything about one")
    ])
  ) { invocation in
    var request = GetAgentRequest()
    request.integration = invocation.arguments[integration]
    request.agentID = invocation.arguments[agent]
    let sent = request
    let client = try await invocation.client()
    let reply = try await invocation.nearest(
      to: sent.agentID, noun: "agent", reason: "AGENT_UNKNOWN",
      list: "integrationctl agents list \(sent.integration)"
    ) { () async throws(Failure) in
      try await invocation.call(client) { client throws(RPCError) in
        try await client.getAgent(sent)
      }
    } names: { () async throws(Failure) in
      var request = ListAgentsRequest()
      request.integration = sent.integration
      let all = request
      return try await invocation.call(client) { client throws(RPCError) in
        try await client.listAgents(all)
      }.agents.map(\.agentID)
    }
    try invocation.write(reply) { text(reply, $0) }
  }

  static let drain = Verb(
    Command(
      "drain", "ask an agent to finish what it holds and stop",
      flags: [GlobalFlags.reason, GlobalFlags.yes], positionals: [integration, agent]
    ).withExamples([
      CommandExample(
        "integrationctl agents drain customsoft crm-1 --reason 'update to 2.1'", "before an update")
    ])
  ) { invocation in
    var request = DrainAgentRequest()
    request.integration = invocation.arguments[integration]
    request.agentID = invocation.arguments[agent]
    request.reason = invocation.arguments[GlobalFlags.reason]
    let sent = request
    try invocation.confirm(
      "Drain agent \(sent.agentID) of \(sent.integration)? It finishes what it holds and stops.")
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.drainAgent(sent)
    }
    try invocation.write(reply) { _ in
      "\(sent.agentID) hears it with its next reply, finishes what it holds, and stops.\n"
    }
  }

  static let table = Table<Agent>(columns: [
    Column("AGENT") { row, _ in Cell(row.agentID) },
    Column("HEALTH") { row, _ in .health(row.health) },
    Column("CONNECTED") { row, now in
      let last = Cell.ago(row.lastFrameAt, now, missing: "never")
      return row.connected || row.lastFrameAt == nil ? last : Cell("lost \(last.text)", .warning)
    },
    Column("POLLED") { row, now in
      row.polling ? Cell("waiting", .good) : .ago(row.lastPollAt, now, missing: "never")
    },
    Column("PROGRESSED") { row, now in .ago(row.lastProgressAt, now, missing: "never") },
    Column(number: "HOLDS") { UInt64($0.heldLeases) },
    Column("HOST", .extra, cuttableTo: 8) { row, _ in Cell(row.host) },
    Column("VERSION", .extra, cuttableTo: 6) { row, _ in Cell(row.agentVersion) },
    Column("WHY", .important, cuttableTo: 16) { row, _ in
      Cell(row.health == .up ? "" : row.healthReason)
    },
  ])

  static let listing = Listing<Agent>(
    table: Table(
      columns: [Column("INTEGRATION", .important) { row, _ in Cell(row.integration) }]
        + table.columns),
    csvPaths: [
      "integration", "agentId", "instanceId", "health", "healthReason", "lastFrameAt", "lastPollAt",
      "lastProgressAt", "lastHeartbeatAt", "heartbeatIntervalMs", "heldLeases", "connected",
      "polling", "agentVersion", "host", "platform", "targetSystem", "targetVersion",
      "stateMessage", "clockSkewMs", "firstSeenAt",
    ],
    empty: "No agent has ever phoned home. Start one with a key of its integration.")

  static func text(_ reply: GetAgentResponse, _ presentation: Presentation) -> String {
    let now = presentation.now
    let agent = reply.agent ?? Agent()
    var document = Document(presentation)
    document.line(
      Cell(agent.agentID, .heading), Cell("of \(agent.integration)"), .health(agent.health))
    document.fields([
      ("Why", Cell(agent.healthReason)), ("It says", Cell(agent.stateMessage)),
      ("Connected", agent.connected ? "yes" : Cell("no", .bad)),
      ("Last frame", .moment(agent.lastFrameAt, now, missing: "never")),
      (
        "Last poll",
        agent.polling ? "waiting for work" : .moment(agent.lastPollAt, now, missing: "never")
      ),
      ("Last progress", .moment(agent.lastProgressAt, now, missing: "never")),
      ("Last heartbeat", .moment(agent.lastHeartbeatAt, now, missing: "never")),
      (
        "Heartbeat every",
        Cell(TimeText.span(milliseconds: Int64(agent.heartbeatIntervalMs)))
      ),
      ("Holds", Cell("\(agent.heldLeases) requests")),
    ])
    document.fields([
      ("Version", Cell(agent.agentVersion)), ("Host", Cell(agent.host)),
      ("Platform", Cell(agent.platform)),
      ("Integrates", Cell("\(agent.targetSystem) \(agent.targetVersion)".trimmed)),
      ("Instance", Cell(agent.instanceID)),
      ("Clock", Cell(skewWords(agent.clockSkewMs))),
      ("First seen", .moment(agent.firstSeenAt, now)),
    ])
    if let integration = reply.integration {
      document.fields([
        ("Whom to call", Cell(integration.supportContact)), ("Author", Cell(integration.author)),
        (
          "Paused",
          integration.paused ? Cell(IntegrationView.pauseWords(integration), .warning) : ""
        ),
      ])
    }
    if !reply.held.isEmpty {
      document.table("Holds", RequestCommands.listing.table, reply.held, empty: "nothing")
    }
    return document.text
  }

  private static func skewWords(_ milliseconds: Int64) -> String {
    guard milliseconds.magnitude >= 1000 else { return "right" }
    let span = TimeText.span(milliseconds: Int64(clamping: milliseconds.magnitude))
    return milliseconds > 0 ? "\(span) ahead of the server's" : "\(span) behind the server's"
  }
}

extension String {
  fileprivate var trimmed: String {
    split(separator: " ").joined(separator: " ")
  }
}
