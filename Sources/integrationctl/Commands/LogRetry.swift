import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs retry`: of named logs, or of all that a filter finds.
enum LogRetry {
  static let ids = Positional.anyNumber(
    ValueForm<String>.logID.completed(with: .logs),
    help: "the logs' ids, or their beginnings (see: integrationctl logs list)")
  static let input = Flag.optional(
    "input", .document, help: "this JSON instead of the old input, or @FILE")

  /// Counting by pages ends here.
  static let maximumCounted: UInt64 = 100_000

  static let verb = Verb(
    Command(
      "retry", "new attempts at the same work, linked to the old logs",
      flags: [input, GlobalFlags.reason, GlobalFlags.yes] + BulkFlags.all + FilterFlags.filter,
      positionals: [ids]
    ).withExamples([
      CommandExample(
        "integrationctl logs retry 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37",
        "after the cause is put right"),
      CommandExample(
        "integrationctl logs retry 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 --input @order.json",
        "with another input"),
      CommandExample(
        "integrationctl logs retry -i customsoft --since 2d --text 'no connection'",
        "all that failed for one cause; asks first"),
    ]).withDiscussion(
      "With a filter, what FAILED or TIMED_OUT is retried unless --status says otherwise, oldest "
        + "first; what was retried before, or is handled, is skipped. Ctrl-C ends it after the "
        + "present step and prints the line that goes on.")
  ) { invocation in
    let ids = invocation.arguments[ids]
    var filter = try FilterFlags.filter(of: invocation.arguments)
    guard filter == LogFilter() else {
      try check(ids, filter, invocation)
      if filter.statuses.isEmpty { filter.statuses = [.failed, .timedOut] }
      return try await BulkRun(invocation: invocation, work: work, filter: filter).run()
    }
    guard !ids.isEmpty else {
      throw UsageError(
        "\(invocation.title): expected logs' ids, or a filter; none is given",
        hint: "For all that failed lately: integrationctl logs retry --since 1d")
    }
    try await retry(ids, invocation)
  }

  private static func check(
    _ ids: [String], _ filter: LogFilter, _ invocation: Invocation
  ) throws(UsageError) {
    guard ids.isEmpty else {
      throw UsageError(
        "\(invocation.title): expected logs' ids or a filter, not both", hint: "Leave one out.")
    }
    guard invocation.arguments[input] == nil else {
      throw UsageError(
        "\(invocation.title): --input is for one kind of log, and a filter finds many",
        hint: "Name the logs.")
    }
    let possible: Set<LogStatus> = [.failed, .timedOut, .cancelled]
    if let other = filter.statuses.first(where: { !possible.contains($0) }) {
      throw UsageError(
        "\(invocation.title): a log that is \(other.jsonName) cannot be retried",
        hint: "Choose among FAILED, TIMED_OUT and CANCELLED.")
    }
  }

  private static func retry(_ ids: [String], _ invocation: Invocation) async throws {
    let input = try invocation.arguments[input].map { try $0.read() }
    let reason = invocation.arguments[GlobalFlags.reason]
    try await invocation.callForEach(invocation.wholeIDs(ids)) { client, id throws(RPCError) in
      var request = RetryLogRequest()
      request.id = id
      request.reason = reason
      if let input {
        request.input = input
        request.replaceInput = true
      }
      return try await client.retryLog(request)
    } people: { reply in
      "Queued \(reply.log?.id ?? "") as a retry of \(reply.log?.retryOf ?? "").\n"
    }
  }

  static let work = BulkRun.Work(
    verb: "Retry", done: "retried", noun: "log", command: "logs retry",
    count: { client, filter in
      do {
        return try await count(client, filter)
      } catch let error as RPCError where error.code == .unimplemented {
        return try await countPages(client, filter)
      }
    },
    sample: { client, filter, size in
      var request = ListLogsRequest()
      request.filter = filter
      request.order = .oldestFirst
      request.pageSize = size
      return try await pages(client, request, until: { $0.count >= Int(size) })
    },
    step: { client, step, summary in
      var request = RetryLogsRequest()
      request.filter = step.filter
      request.pageSize = step.size
      request.pageToken = step.token
      request.reason = step.reason
      let reply = try await client.retryLogs(request)
      summary.done += reply.retried
      summary.skipped += reply.skipped
      summary.add(reply.failures)
      summary.nextPageToken = reply.nextPageToken
    })

  private static func count(
    _ client: OperatorServiceClient, _ filter: LogFilter
  ) async throws -> (UInt64, isMore: Bool) {
    var request = CountLogsRequest()
    request.filter = filter
    return (try await client.countLogs(request).total, false)
  }

  private static func countPages(
    _ client: OperatorServiceClient, _ filter: LogFilter
  ) async throws -> (UInt64, isMore: Bool) {
    var request = ListLogsRequest()
    request.filter = filter
    request.pageSize = 1000
    var count: UInt64 = 0
    repeat {
      let page = try await client.listLogs(request)
      count += UInt64(page.logs.count)
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty && count < maximumCounted
    return (count, !request.pageToken.isEmpty)
  }

  private static func pages(
    _ client: OperatorServiceClient, _ first: ListLogsRequest, until isEnough: ([ActionLog]) -> Bool
  ) async throws -> [ActionLog] {
    var request = first
    var logs: [ActionLog] = []
    repeat {
      let page = try await client.listLogs(request)
      logs += page.logs
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty && !isEnough(logs)
    return Array(logs.prefix(Int(first.pageSize)))
  }
}
