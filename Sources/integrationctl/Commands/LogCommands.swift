import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs`: the records of attempts.
enum LogCommands {
  static let id = Positional.required(
    .logID(), help: "the log's id (see: integrationctl logs list)")
  static let ids = Positional.list(
    ValueForm<String>.logID(), help: "the logs' ids (see: integrationctl logs list)")

  static let noun = Noun(
    Command("logs", "what integrations did: every attempt with its status and history")
      .withExamples([
        CommandExample(
          "integrationctl logs list --status FAILED,TIMED_OUT --since 2d", "what failed"),
        CommandExample("integrationctl logs list --entity Q-1042", "all that happened to a record"),
        CommandExample("integrationctl logs tail --follow", "watch what happens"),
        CommandExample(
          "integrationctl logs show 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37", "one with its history"),
      ]), [list, show, LogTail.verb, LogRetry.verb, LogNotes.note, LogNotes.handled])

  static let list = Verb(
    Command(
      "list", "logs under a filter",
      flags: FilterFlags.filter + FilterFlags.paging + [FilterFlags.order]
    ).withExamples([
      CommandExample("integrationctl logs list --status FAILED --since 2d", "what failed lately"),
      CommandExample(
        "integrationctl logs list -i customsoft -a export_quote --entity Q-1042",
        "all exports of one quote"),
      CommandExample(
        "integrationctl logs list --since 2026-11-01 --until 2026-12-01 -n 10000 -o csv",
        "a month for a spreadsheet"),
    ]).withDiscussion(
      "Values of one filter are alternatives; different filters narrow each other. Flags that take "
        + "VALUE,… may also be repeated."), .list
  ) { invocation in
    try invocation.write(try await page(invocation), as: listing)
  }

  static let show = Verb(
    Command(
      "show", "one log: how it came about, its history and its errors",
      flags: [errorLimit], positionals: [id]
    ).withExamples([
      CommandExample(
        "integrationctl logs show 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37", "everything about one")
    ])
  ) { invocation in
    var request = GetLogRequest()
    request.id = invocation.arguments[id]
    request.errorPageSize = invocation.arguments[errorLimit]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.getLog(sent)
    }
    try invocation.write(reply) { LogView.text(reply, $0) }
  }

  static let errorLimit = Flag.value(
    "errors", .integer(1...1000), default: UInt32(50), help: "how many record errors at most")

  static let listing = Listing<ActionLog>(
    table: Table(columns: [
      Column("LOG") { row, _ in Cell(row.id) },
      Column("STATUS") { row, _ in .status(row.status) },
      Column("INTEGRATION", .important) { row, _ in Cell(row.integration) },
      Column("ACTION", cuttableTo: 12) { row, _ in Cell(row.actionType) },
      Column("RECORD", cuttableTo: 6) { row, _ in Cell(row.entity?.id ?? "") },
      Column("UPDATED") { row, now in .ago(row.updatedAt, now) },
      Column("DONE", .extra) { row, _ in .progress(row) },
      Column("TRIGGER", .extra) { row, _ in Cell(row.trigger.jsonName.lowercased()) },
      Column("AGENT", .extra, cuttableTo: 8) { row, _ in Cell(row.agentID) },
      Column("MESSAGE", cuttableTo: 12) { row, _ in
        Cell(row.statusMessage, row.status.tone == .bad ? .bad : .plain)
      },
    ]),
    csvPaths: [
      "id", "integration", "actionType", "entity.type", "entity.id", "entity.displayName", "status",
      "statusMessage", "trigger", "requestedBy", "agentId", "attempt", "retryOf", "recordsDone",
      "recordsTotal", "recordErrors", "labels", "result", "createdAt", "startedAt", "updatedAt",
      "finishedAt",
    ],
    empty: "No log matches.")

  static func page(_ invocation: Invocation) async throws -> Page<ActionLog> {
    let filter = try FilterFlags.filter(of: invocation.arguments)
    let client = try await invocation.client()
    return try await Page<ActionLog>.fetch(invocation.arguments) { size, token throws(Failure) in
      var request = ListLogsRequest()
      request.filter = filter
      request.order = invocation.arguments[FilterFlags.order].order
      request.pageSize = size
      request.pageToken = token
      let sent = request
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.listLogs(sent)
      }
      return Page(rows: reply.logs, nextToken: reply.nextPageToken)
    }
  }
}
