import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs`: the records of attempts.
enum LogCommands {
  static let id = Positional.required(
    .logID.completed(with: .logs),
    help: "the log's id, or its beginning (see: integrationctl logs list)")
  static let ids = Positional.list(
    ValueForm<String>.logID.completed(with: .logs),
    help: "the logs' ids, or their beginnings (see: integrationctl logs list)")

  static let noun = Noun(
    Command("logs", "what integrations did: every attempt with its status and history")
      .withExamples([
        CommandExample(
          "integrationctl logs list --status FAILED,TIMED_OUT --since 2d", "what failed"),
        CommandExample("integrationctl logs list --entity Q-1042", "all that happened to a record"),
        CommandExample("integrationctl logs tail --follow", "watch what happens"),
        CommandExample(
          "integrationctl logs show 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37", "one with its history"),
      ]),
    [
      list, show, LogTail.verb, LogCountCommand.verb, LogChartCommand.verb,
      LogFailuresCommand.verb, LogRetry.verb, LogNotes.note, LogNotes.handled,
    ])

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
    let page = try await page(invocation)
    try invocation.write(page, as: fitting(page.rows, invocation))
  }.showing(listing)

  static let show = Verb(
    Command(
      "show", "one log: how it came about, its history and its errors",
      flags: [errorLimit, errorToken], positionals: [id]
    ).withExamples([
      CommandExample(
        "integrationctl logs show 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37", "everything about one"),
      CommandExample(
        "integrationctl logs show 01938c3e-7a41-7bb2", "by the beginning of its id"),
      CommandExample(
        "integrationctl logs show 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 --errors 5000 -o json",
        "with all that went wrong inside it"),
    ])
  ) { invocation in
    let reply = try await wholeLog(invocation)
    try invocation.write(reply) { LogView.text(reply, $0) }
  }

  /// A log with as many of its record errors as are wanted, page by page.
  private static func wholeLog(_ invocation: Invocation) async throws(Failure) -> GetLogResponse {
    let limit = invocation.arguments[errorLimit]
    let client = try await invocation.client()
    var request = GetLogRequest()
    request.id = invocation.arguments[id]
    request.errorPageToken = invocation.arguments[errorToken] ?? ""
    var whole: GetLogResponse?
    var wanted = limit
    repeat {
      request.errorPageSize = min(wanted, 1_000)
      let sent = request
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.getLog(sent)
      }
      if whole == nil { whole = reply } else { whole?.errors += reply.errors }
      whole?.nextErrorPageToken = reply.nextErrorPageToken
      wanted -= min(wanted, UInt32(clamping: reply.errors.count))
      // A page that brings nothing leads nowhere.
      if reply.nextErrorPageToken.isEmpty || reply.errors.isEmpty { break }
      request.errorPageToken = reply.nextErrorPageToken
    } while wanted > 0
    return whole ?? GetLogResponse()
  }

  static let errorLimit = Flag.value(
    "errors", .integer(1...100_000), default: UInt32(50), help: "how many record errors at most")
  static let errorToken = Flag.optional(
    "error-page-token", .text.named("TOKEN"), help: "where the record errors before ended")

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

  /// From this width on a list has room for whole ids beside the message.
  private static let widthWithIDs = 120

  /// The list as it fits: a narrow one shows the beginning of each id, as far as tells the rows
  /// apart, for the message's sake; whatever takes an id takes it.
  static func fitting(_ rows: [ActionLog], _ invocation: Invocation) -> Listing<ActionLog> {
    guard let width = invocation.console.width, width < widthWithIDs,
      invocation.arguments[ListFlags.columns].isEmpty
    else { return listing }
    return Listing(
      table: narrowTable(idLength: LogIDText.tellingApart(rows.map(\.id))),
      csvPaths: listing.csvPaths, empty: listing.empty)
  }

  private static func narrowTable(idLength: Int) -> Table<ActionLog> {
    Table(columns: [
      Column("LOG") { row, _ in Cell(String(row.id.prefix(idLength))) },
      Column("STATUS") { row, _ in .status(row.status) },
      Column("INTEGRATION", .extra) { row, _ in Cell(row.integration) },
      Column("ACTION", .useful, cuttableTo: 10) { row, _ in Cell(row.actionType) },
      Column("RECORD", cuttableTo: 6) { row, _ in Cell(row.entity?.id ?? "") },
      Column("UPDATED", .important) { row, now in .ago(row.updatedAt, now) },
      Column("MESSAGE", cuttableTo: 10) { row, _ in
        Cell(row.statusMessage, row.status.tone == .bad ? .bad : .plain)
      },
    ])
  }

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

extension Invocation {
  /// The whole ids of logs that may be named by their beginnings.
  ///
  /// The server says which logs are meant before anything is done to any of them; it refuses a
  /// beginning that several have, and names some.
  func wholeIDs(_ names: [String]) async throws(Failure) -> [String] {
    guard names.contains(where: { $0.utf8.count < LogIDText.whole }) else { return names }
    let client = try await client()
    var ids: [String] = []
    for name in names {
      guard name.utf8.count < LogIDText.whole else {
        ids.append(name)
        continue
      }
      var request = GetLogRequest()
      request.id = name
      request.errorPageSize = 1
      let sent = request
      let reply = try await call(client) { client throws(RPCError) in
        try await client.getLog(sent)
      }
      ids.append(reply.log?.id ?? name)
    }
    return ids
  }
}

/// Ids of logs, shortened.
enum LogIDText {
  /// The time and the first random digits: `01938c3e-7a41-7bb2`.
  static let shortest = 18
  /// The length of an id.
  static let whole = 36

  /// How much of each id tells it from the others; at least ``shortest``.
  static func tellingApart(_ ids: [String]) -> Int {
    let ids = Set(ids)
    for length in [shortest, 23, 28] where Set(ids.map { $0.prefix(length) }).count == ids.count {
      return length
    }
    return whole
  }
}
