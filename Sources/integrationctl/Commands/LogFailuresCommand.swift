import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs failures`: what failed, by action and by what the messages have in common.
enum LogFailuresCommand {
  static let limit = Flag.value(
    FlagName("limit", short: "n"), .integer(1...1_000), default: UInt32(20),
    help: "how many groups at most, those with most logs")

  static let verb = Verb(
    Command(
      "failures", "what failed, grouped by action and message",
      flags: [limit] + FilterFlags.filter
    ).withExamples([
      CommandExample("integrationctl logs failures", "the last 24 hours"),
      CommandExample(
        "integrationctl logs failures -i customsoft --since 7d", "a week of one integration"),
    ]).withDiscussion(
      "Messages that differ only in numbers, ids, dates, addresses and quoted texts are one group; "
        + "… stands for what differs."), .list
  ) { invocation in
    var request = GroupFailuresRequest()
    request.filter = try FilterFlags.filter(of: invocation.arguments)
    request.maximumGroups = invocation.arguments[limit]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.groupFailures(sent)
    }
    guard invocation.output == .table else {
      return try invocation.write(Page(rows: reply.groups), as: listing)
    }
    guard !reply.groups.isEmpty else { return invocation.console.warn("Nothing failed.\n") }
    try invocation.console.write(
      text(reply, of: sent.filter ?? LogFilter(), invocation.console.presentation))
  }

  private static let listing = Listing<FailureGroup>(
    table: Table(columns: []),
    csvPaths: [
      "integration", "actionType", "pattern", "logs", "entities", "firstAt", "lastAt",
      "sampleMessage", "sampleLogIds",
    ],
    empty: "Nothing failed.")

  static func text(
    _ reply: GroupFailuresResponse, of filter: LogFilter, _ presentation: Presentation
  ) -> String {
    var document = Document(presentation)
    let shown = reply.groups.reduce(0) { $0 + $1.logs }
    let rest = reply.total > shown ? "; \(CountTable.digits(reply.total - shown)) in others" : ""
    let count = reply.groups.count
    document.line(
      Cell("\(CountTable.digits(reply.total)) failed", .bad),
      Cell("in \(count) \(count == 1 ? "group" : "groups")\(rest)"))
    for group in reply.groups { add(group, of: reply.total, filter, to: &document) }
    return document.text
  }

  private static func add(
    _ group: FailureGroup, of total: UInt64, _ filter: LogFilter, to document: inout Document
  ) {
    let now = document.now
    document.line(
      Cell(CountTable.digits(group.logs), .bad),
      Cell("\(group.integration)/\(group.actionType)", .heading),
      Cell(CountTable.share(group.logs, of: total), .faint))
    let pattern = group.pattern.isEmpty ? "(no message)" : group.pattern
    document.attachFields([("", Cell(pattern))])
    document.attachFields([
      ("when", Cell(whenWords(group, now))),
      ("records", group.entities == 0 ? "" : Cell(recordWords(group.entities))),
      ("e.g.", group.sampleMessage == group.pattern ? "" : Cell(group.sampleMessage)),
    ])
    document.attachFields(
      [
        (
          "show",
          Cell(
            group.sampleLogIds.first.map { "integrationctl logs show \($0)" } ?? "",
            .active)
        ),
        ("all", Cell(listCommand(group, of: filter), .active)),
      ], .never)
  }

  private static func whenWords(_ group: FailureGroup, _ now: WallTime) -> String {
    guard let first = group.firstAt, let last = group.lastAt else { return "" }
    let newest = TimeText.relative(WallTime(last), now: now)
    if group.logs == 1 { return newest }
    return "last \(newest), first \(TimeText.relative(WallTime(first), now: now))"
  }

  private static func recordWords(_ count: UInt64) -> String {
    count >= 1_000 ? "1,000 or more" : "\(count)"
  }

  /// The command that lists the group: the filter, and the longest text that all its messages have.
  static func listCommand(_ group: FailureGroup, of filter: LogFilter) -> String {
    var filter = filter
    filter.integrations = [group.integration]
    filter.actionTypes = [group.actionType]
    if filter.statuses.isEmpty { filter.statuses = [.failed, .timedOut] }
    // What a terminal does not show as it is cannot be copied from it either.
    let pieces = group.pattern.split { $0 == "…" || DisplayWidth.printable("\($0)") != "\($0)" }
      .map { Self.trimmed($0) }
    let longest = pieces.filter { group.sampleMessage.contains($0) }
      .max { $0.utf8.count < $1.utf8.count }
    if let longest, longest.utf8.count >= 3 { filter.text = searchable(longest) }
    // Where nothing else is said, failures are those of a day.
    var day = ""
    if filter.since == nil, let until = filter.until {
      let start = max(WallTime(until).milliseconds - 86_400_000, 0)
      filter.since = WallTime(milliseconds: start).timestamp
    } else if filter.since == nil {
      day = " --since 24h"
    }
    return "integrationctl logs list \(FilterFlags.line(filter))\(day)"
  }

  /// As much of a text as a filter takes.
  private static func searchable(_ text: String) -> String {
    var text = text[...]
    while text.utf8.count > 256 { text.removeLast() }
    return trimmed(text)
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
