import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `requests`: what people ask of integrations.
enum RequestCommands {
  static let integration = Positional.required(.name("INTEGRATION"), help: "the integration's name")
  static let action = Positional.required(.name("ACTION"), help: "the action's type: export_quote")
  static let ids = Positional.anyNumber(
    ValueForm<String>.logID.completed(with: .requests),
    help: "the requests' log ids, or their beginnings (see: integrationctl requests list)")

  static let noun = Noun(
    Command("requests", "what people ask of integrations").withExamples([
      CommandExample(
        "integrationctl requests create customsoft export_quote --entity Q-1042", "export one quote"
      ),
      CommandExample("integrationctl requests list", "who waits, who holds what until when"),
      CommandExample(
        "integrationctl requests cancel 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37", "withdraw one"),
    ]), [RequestCreation.verb, list, RequestCancel.verb])

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
