import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `requests cancel`: named ones, or all that a filter finds.
enum RequestCancel {
  static let verb = Verb(
    Command(
      "cancel", "withdraw requests that wait; ask the agent to stop those that run",
      flags: [GlobalFlags.reason, GlobalFlags.yes] + BulkFlags.all + FilterFlags.filter,
      positionals: [RequestCommands.ids]
    ).withExamples([
      CommandExample(
        "integrationctl requests cancel 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 --reason outdated",
        "the agent hears the reason"),
      CommandExample(
        "integrationctl requests cancel -i customsoft -a export_quote --status QUEUED",
        "all that wait for one action; asks first"),
    ]).withDiscussion(
      "With a filter the oldest come first. Ctrl-C ends it after the present step and prints the "
        + "line that goes on.")
  ) { invocation in
    let ids = invocation.arguments[RequestCommands.ids]
    let filter = try FilterFlags.filter(of: invocation.arguments)
    guard filter == LogFilter() else {
      try check(ids, filter, invocation)
      return try await BulkRun(invocation: invocation, work: work, filter: filter).run()
    }
    guard !ids.isEmpty else {
      throw UsageError(
        "\(invocation.title): expected requests' ids, or a filter; none is given",
        hint: "For all of one action: integrationctl requests cancel -i INTEGRATION -a ACTION")
    }
    try await cancel(ids, invocation)
  }

  private static func check(
    _ ids: [String], _ filter: LogFilter, _ invocation: Invocation
  ) throws(UsageError) {
    guard ids.isEmpty else {
      throw UsageError(
        "\(invocation.title): expected requests' ids or a filter, not both",
        hint: "Leave one out.")
    }
    if let other = filter.statuses.first(where: \.isFinal) {
      throw UsageError(
        "\(invocation.title): a request that is \(other.jsonName) has ended",
        hint: "Choose among QUEUED and IN_PROGRESS.")
    }
  }

  private static func cancel(_ names: [String], _ invocation: Invocation) async throws {
    // First, so that the question is about the whole id.
    let ids = try await invocation.wholeIDs(names)
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

  static let work = BulkRun.Work(
    verb: "Cancel", done: "cancelled", noun: "request", command: "requests cancel",
    count: { client, filter in
      let (requests, isMore) = try await requests(
        client, filter, maximum: LogRetry.maximumCounted, keeps: 0)
      return (requests.count, isMore)
    },
    sample: { client, filter, size in
      try await requests(client, filter, maximum: UInt64(size), keeps: Int(size)).0.first
    },
    step: { client, step, summary in
      var request = CancelRequestsRequest()
      request.filter = step.filter
      request.pageSize = step.size
      request.pageToken = step.token
      request.reason = step.reason
      let reply = try await client.cancelRequests(request)
      summary.done += reply.cancelled
      summary.askedAgents += reply.askedAgents
      summary.add(reply.failures)
      summary.nextPageToken = reply.nextPageToken
    })

  /// How many open requests there are, up to a limit, and the logs of the first.
  private static func requests(
    _ client: OperatorServiceClient, _ filter: LogFilter, maximum: UInt64, keeps: Int
  ) async throws -> ((count: UInt64, first: [ActionLog]), isMore: Bool) {
    var request = ListRequestsRequest()
    request.filter = filter
    request.pageSize = UInt32(min(1000, maximum))
    var found: (count: UInt64, first: [ActionLog]) = (0, [])
    repeat {
      let page = try await client.listRequests(request)
      found.count += UInt64(page.requests.count)
      found.first += page.requests.compactMap(\.log).prefix(max(0, keeps - found.first.count))
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty && found.count < maximum
    return (found, !request.pageToken.isEmpty)
  }
}
