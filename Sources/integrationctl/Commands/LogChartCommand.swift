import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs chart`: what happened when, as bars in the terminal.
enum LogChartCommand {
  static let buckets = Flag.value(
    "buckets", .integer(1...1_000), default: UInt32(30),
    help: "how many lines about; they have round lengths")

  static let verb = Verb(
    Command(
      "chart", "logs over time: counts, failures and durations",
      flags: [buckets, LogCountCommand.timeZone] + FilterFlags.filter
    ).withExamples([
      CommandExample("integrationctl logs chart", "the last 24 hours"),
      CommandExample(
        "integrationctl logs chart -i customsoft -a export_quote --since 14d --buckets 14",
        "two weeks of one action, day by day"),
      CommandExample("integrationctl logs chart --since 1h -o csv", "for a spreadsheet"),
    ]).withDiscussion(
      "P50 and P95: half of the logs that ended took no longer from start to end than the one, 19 "
        + "of 20 no longer than the other."), .list
  ) { invocation in
    var request = ChartLogsRequest()
    request.filter = try FilterFlags.filter(of: invocation.arguments)
    request.buckets = invocation.arguments[buckets]
    request.timeZone = invocation.arguments[LogCountCommand.timeZone] ?? ""
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.chartLogs(sent)
    }
    switch invocation.output {
    case .json: try invocation.console.write(try JSONTreeEncoder.tree(of: reply).prettyText + "\n")
    case .jsonl, .csv: try invocation.write(Page(rows: reply.buckets), as: listing)
    case .table:
      let chart = TimeChart(reply)
      try invocation.console.write(chart.text(invocation.console.presentation))
    }
  }

  private static let listing = Listing<LogBucket>(
    table: Table(columns: []),
    csvPaths: [
      "start", "localStart", "logs", "failed", "open", "durationP50Ms", "durationP95Ms",
    ],
    empty: "No log matches.")
}

/// A chart of buckets of time: a line each, with a bar whose failed part is marked.
struct TimeChart {
  private let reply: ChartLogsResponse
  private let logs: UInt64
  private let failed: UInt64

  init(_ reply: ChartLogsResponse) {
    self.reply = reply
    logs = reply.buckets.reduce(0) { $0 + $1.logs }
    failed = reply.buckets.reduce(0) { $0 + $1.failed }
  }

  /// A bar gets at least so many columns, and no more than makes a line easy to follow.
  private static let barColumns = 8...60

  func text(_ presentation: Presentation) -> String {
    guard let first = reply.buckets.first else { return "There is no time to show.\n" }
    let rows = reply.buckets.map(cells)
    let heading: [Cell] = ["FROM", "LOGS", "FAILED", "P50", "P95"].map { Cell($0, .heading) }
    let widths = heading.indices.map { column in
      ([heading] + rows).map { DisplayWidth.columns($0[column].text) }.max() ?? 0
    }
    let used = widths.reduce(0, +) + 2 * widths.count
    let room = min(
      max((presentation.width ?? 100) - used, Self.barColumns.lowerBound),
      Self.barColumns.upperBound)
    let highest = reply.buckets.map(\.logs).max() ?? 0
    var lines = [summary(first, presentation), ""]
    lines.append(line(heading, widths, presentation) + "  " + legend(presentation))
    for (bucket, row) in zip(reply.buckets, rows) {
      let bar = Bar(bucket, highest: highest, columns: room).text(presentation)
      lines.append(Self.trimmed(line(row, widths, presentation) + "  " + bar))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func trimmed(_ text: String) -> String {
    var text = text
    while text.last == " " { text.removeLast() }
    return text
  }

  private func summary(_ first: LogBucket, _ presentation: Presentation) -> String {
    let length = TimeText.span(milliseconds: Int64(clamping: reply.bucketMs))
    let zone = first.localStart.dropFirst(19)
    let names = zone == "Z" || zone.isEmpty ? "UTC" : "UTC\(zone)"
    let share = failed > 0 ? " (\(CountTable.share(failed, of: logs)))" : ""
    return presentation.styled("\(CountTable.digits(logs)) logs", .heading) + ", "
      + presentation.styled(
        "\(CountTable.digits(failed)) failed\(share)", failed > 0 ? .bad : .plain)
      + "; each line is \(length), \(names)"
  }

  private func legend(_ presentation: Presentation) -> String {
    presentation.styled(String(Bar.failedMark(presentation)), .bad) + " failed  "
      + String(Bar.mark(presentation)) + " others"
  }

  private func cells(_ bucket: LogBucket) -> [Cell] {
    let isQuiet = bucket.logs == 0
    return [
      Cell(start(bucket)),
      Cell(CountTable.digits(bucket.logs), isQuiet ? .faint : .plain),
      Cell(
        bucket.failed == 0 ? "" : CountTable.digits(bucket.failed),
        bucket.failed == 0 ? .faint : .bad),
      duration(bucket.durationP50Ms, bucket), duration(bucket.durationP95Ms, bucket),
    ]
  }

  private func duration(_ ms: UInt64, _ bucket: LogBucket) -> Cell {
    // Nothing that ended: there is no duration.
    guard bucket.logs > bucket.open else { return "" }
    return Cell(TimeText.span(milliseconds: Int64(clamping: ms)))
  }

  /// The date, the time, or both, as the chart needs them.
  private func start(_ bucket: LogBucket) -> String {
    let local =
      bucket.localStart.isEmpty
      ? bucket.start.map { TimeText.rfc3339(WallTime($0)) } ?? "" : bucket.localStart
    let (date, clock) = (local.prefix(10), local.dropFirst(11))
    if reply.bucketMs >= 86_400_000 { return String(date) }
    return "\(date.dropFirst(5)) \(clock.prefix(reply.bucketMs < 60_000 ? 8 : 5))"
  }

  private func line(_ cells: [Cell], _ widths: [Int], _ presentation: Presentation) -> String {
    cells.enumerated().map { column, cell in
      let padding = String(
        repeating: " ", count: max(0, widths[column] - DisplayWidth.columns(cell.text)))
      let styled = presentation.styled(cell.text, cell.tone)
      return column == 0 ? styled + padding : padding + styled
    }.joined(separator: "  ")
  }
}

/// A bar of a chart; what is there is at least one column.
private struct Bar {
  private let failed: Int
  private let others: Int

  init(_ bucket: LogBucket, highest: UInt64, columns: Int) {
    let scale = { (count: UInt64) -> Int in
      guard count > 0, highest > 0 else { return 0 }
      return max(1, Int((Double(count) / Double(highest) * Double(columns)).rounded()))
    }
    let whole = scale(bucket.logs)
    failed = min(scale(bucket.failed), max(whole, bucket.failed > 0 ? 1 : 0))
    others = max(bucket.logs > bucket.failed ? 1 : 0, whole - failed)
  }

  func text(_ presentation: Presentation) -> String {
    presentation.styled(String(repeating: Self.failedMark(presentation), count: failed), .bad)
      + String(repeating: Self.mark(presentation), count: others)
  }

  /// The two differ without colour too.
  static func failedMark(_ presentation: Presentation) -> Character {
    presentation.hasUnicode ? "█" : "x"
  }
  static func mark(_ presentation: Presentation) -> Character {
    presentation.hasUnicode ? "░" : "-"
  }
}
