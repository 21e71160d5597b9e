import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `requests`: what people ask of integrations.
enum RequestCommands {
  static let integration = Positional.required(.name("INTEGRATION"), help: "the integration's name")
  static let action = Positional.required(.name("ACTION"), help: "the action's type: export_quote")
  static let ids = Positional.list(
    ValueForm<String>.logID().completed(with: .requests),
    help: "the requests' log ids (see: integrationctl requests list)")

  static let entity = Flag.optional(
    FlagName("entity", short: "e"), .entityID, help: "the record to work on")
  static let entityType = Flag.value(
    "entity-type", .text("TYPE", maximumBytes: 128), default: "",
    help: "the record's type, where it is not the action's own")
  static let entityName = Flag.value(
    "entity-name", .text("TEXT", maximumBytes: 256), default: "",
    help: "what people call the record")
  static let input = Flag.value(
    "input", .text("JSON", maximumBytes: 262_144), default: "",
    help: "what else the action needs, as its input schema says")
  static let idempotencyKey = Flag.value(
    "idempotency-key", .text("KEY", maximumBytes: 256), default: "",
    help: "asking twice with the same key makes one request")
  static let notBefore = Flag.optional(
    "not-before", .timeToCome(), help: "not before: 15m, 2d, 2026-11-24T18:00:00Z")
  static let wait = Flag.toggle(
    FlagName("wait", short: "w"), help: "wait for the end; exit 0 only when it is COMPLETED")

  static let noun = Noun(
    Command("requests", "what people ask of integrations").withExamples([
      CommandExample(
        "integrationctl requests create customsoft export_quote --entity Q-1042", "export one quote"
      ),
      CommandExample("integrationctl requests list", "who waits, who holds what until when"),
      CommandExample(
        "integrationctl requests cancel 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37", "withdraw one"),
    ]), [create, list, cancel])

  static let create = Verb(
    Command(
      "create", "ask an integration for an action",
      flags: [entity, entityType, entityName, input, idempotencyKey, notBefore, wait],
      positionals: [integration, action]
    ).withExamples([
      CommandExample(
        "integrationctl requests create customsoft export_quote --entity Q-1042 --wait",
        "export one quote and see how it ends"),
      CommandExample(
        "integrationctl requests create customsoft bulk_import --input '{\"folder\":\"new\"}'",
        "an action with input and no record"),
    ])
  ) { try await RequestCreation(invocation: $0).run() }

  static let list = Verb(
    Command(
      "list", "open requests: who waits, who holds what until when",
      flags: FilterFlags.filter + FilterFlags.paging
    ).withExamples([
      CommandExample("integrationctl requests list", "all that is open"),
      CommandExample("integrationctl requests list -i customsoft --status QUEUED", "what waits"),
    ]), .list
  ) { invocation in
    let filter = try FilterFlags.filter(of: invocation.arguments)
    if !filter.statuses.isEmpty, filter.statuses.allSatisfy(\.isFinal) {
      throw UsageError(
        "\(invocation.title): an open request is QUEUED or IN_PROGRESS",
        hint: "Those that ended are logs: integrationctl logs list --trigger REQUEST --status "
          + filter.statuses.map(\.jsonName).joined(separator: ","))
    }
    let client = try await invocation.client()
    let page = try await Page<ActionRequest>.fetch(invocation.arguments) {
      size, token throws(Failure) in
      var request = ListRequestsRequest()
      request.filter = filter
      request.pageSize = size
      request.pageToken = token
      let sent = request
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.listRequests(sent)
      }
      return Page(rows: reply.requests, nextToken: reply.nextPageToken)
    }
    try invocation.write(page, as: listing)
  }.showing(listing)

  static let cancel = Verb(
    Command(
      "cancel", "withdraw requests that wait; ask the agent to stop those that run",
      flags: [GlobalFlags.reason, GlobalFlags.yes], positionals: [ids]
    ).withExamples([
      CommandExample(
        "integrationctl requests cancel 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 --reason outdated",
        "the agent hears the reason")
    ])
  ) { invocation in
    let ids = invocation.arguments[ids]
    try invocation.confirm(
      "Cancel \(ids.count == 1 ? "request \(ids[0])" : "\(ids.count) requests")?")
    let reason = invocation.arguments[GlobalFlags.reason]
    try await invocation.callForEach(ids) { client, id throws(RPCError) in
      var request = CancelRequestRequest()
      request.id = id
      request.reason = reason
      return try await client.cancelRequest(request)
    } people: { reply in
      let id = reply.log?.id ?? ""
      return reply.askedAgent
        ? "Asked the agent to stop \(id); it decides how it ends.\n" : "Cancelled \(id).\n"
    }
  }

  static let listing = Listing<ActionRequest>(
    table: Table(columns: [
      Column("LOG") { row, _ in Cell(row.log?.id ?? "") },
      Column("STATUS") { row, _ in
        row.cancelWanted ? Cell("CANCELLING", .warning) : .status(row.log?.status ?? .unspecified)
      },
      Column("INTEGRATION", .important) { row, _ in Cell(row.log?.integration ?? "") },
      Column("ACTION", cuttableTo: 12) { row, _ in Cell(row.log?.actionType ?? "") },
      Column("RECORD", cuttableTo: 6) { row, _ in Cell(row.log?.entity?.id ?? "") },
      Column("ASKED") { row, now in .ago(row.log?.createdAt, now) },
      Column("HELD BY", cuttableTo: 8) { row, _ in
        row.holder.isEmpty ? Cell("nobody", .faint) : Cell(row.holder)
      },
      Column("LEASE ENDS", .useful) { row, now in .ago(row.leaseExpiresAt, now) },
      Column(number: "DELIVERY", .extra) { UInt64($0.delivery) },
      Column("REQUESTED BY", .extra, cuttableTo: 10) { row, _ in Cell(row.log?.requestedBy ?? "") },
    ]),
    csvPaths: [
      "log.id", "log.integration", "log.actionType", "log.entity.type", "log.entity.id",
      "log.status", "log.createdAt", "log.requestedBy", "holder", "accepted", "leaseExpiresAt",
      "delivery", "cancelWanted", "notBefore", "idempotencyKey", "input",
    ],
    empty: "No open request matches.")
}

extension ValueForm where Value == WallTime {
  /// A moment to come: RFC 3339, a date, or a span from now on.
  static func timeToCome(now: @escaping @Sendable () -> WallTime = { .now }) -> ValueForm {
    ValueForm("TIME") { text throws(ValueProblem) in
      let start = now()
      if let span = TimeText.milliseconds(ofSpan: text), span <= 366 * 86_400_000 {
        return WallTime(milliseconds: start.milliseconds + span)
      }
      guard let time = TimeText.parse(text, now: start), time > start else {
        throw ValueProblem(
          expected: "a time to come such as 2026-11-24T18:00:00Z, or how long from now: 15m, 2d")
      }
      return time
    }
  }
}
