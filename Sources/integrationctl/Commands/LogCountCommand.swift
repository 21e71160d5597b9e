import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs count`: how many, by what people ask for.
enum LogCountCommand {
  static let by = Flag.commaList(
    "by", ValueForm<CountKey>.countKey,
    help: "what to count by, at most 4: status, integration, action, agent, trigger, entity-type, "
      + "label:KEY, hour, day, week, month")
  static let timeZone = Flag.optional(
    "time-zone", .text.named("ZONE"),
    help: "whose days and hours: Europe/Berlin, +02:00; UTC where it is left out")

  static let verb = Verb(
    Command("count", "how many logs there are", flags: [by, timeZone] + FilterFlags.filter)
      .withExamples([
        CommandExample("integrationctl logs count --by status", "how it stands"),
        CommandExample(
          "integrationctl logs count --by day,status --since 14d --time-zone Europe/Berlin",
          "the last two weeks, day by day"),
        CommandExample(
          "integrationctl logs count --by integration,action --status FAILED --since 24h",
          "where it fails"),
        CommandExample(
          "integrationctl logs count --by label:tenant -o csv", "one line a tenant"),
      ]), .list
  ) { invocation in
    let keys = invocation.arguments[by]
    var request = CountLogsRequest()
    request.filter = try FilterFlags.filter(of: invocation.arguments)
    request.by = keys.map(\.by)
    request.timeZone = invocation.arguments[timeZone] ?? ""
    let labels = keys.compactMap(\.label)
    guard labels.count < 2 else {
      throw UsageError(
        "\(invocation.title): counts by one label at a time, not by \(labels[0]) and \(labels[1])",
        hint: "Leave one of them out, or narrow with --label KEY=VALUE.")
    }
    request.labelKey = labels.first ?? ""
    let sent = request
    var reply = try await invocation.call { client throws(RPCError) in
      try await client.countLogs(sent)
    }
    // Without keys there is one count, also where it is 0.
    if keys.isEmpty, reply.counts.isEmpty { reply.counts = [LogCount()] }
    try write(reply, keys, invocation)
  }

  private static func write(
    _ reply: CountLogsResponse, _ keys: [CountKey], _ invocation: Invocation
  ) throws {
    switch invocation.output {
    case .json: try invocation.console.write(try JSONTreeEncoder.tree(of: reply).prettyText + "\n")
    case .jsonl:
      let lines = try reply.counts.map { try JSONTreeEncoder.tree(of: $0).compactText + "\n" }
      try invocation.console.write(lines.joined())
    case .csv:
      let lines = [keys.map(\.name) + ["logs"]] + reply.counts.map { $0.keys + ["\($0.logs)"] }
      try invocation.console.write(lines.map { CSVText.line($0) }.joined())
    case .table:
      guard reply.total > 0 else { return invocation.console.warn("No log matches.\n") }
      let lines = CountTable(reply, keys).lines(invocation.console.presentation)
      try invocation.console.write(lines.joined(separator: "\n") + "\n")
    }
  }
}

/// One thing that logs are counted by.
struct CountKey: Sendable, Equatable {
  /// As people type it: `status`, `label:tenant`.
  let name: String
  let by: CountBy

  /// The label's key, where it is one.
  var label: String? { by == .label ? String(name.dropFirst("label:".count)) : nil }

  /// What each of them is called.
  static let names: [(name: String, by: CountBy)] = [
    ("status", .status), ("integration", .integration), ("action", .action), ("agent", .agent),
    ("trigger", .trigger), ("entity-type", .entityType), ("hour", .hour), ("day", .day),
    ("week", .week), ("month", .month),
  ]
}

extension ValueForm where Value == CountKey {
  static var countKey: ValueForm {
    let names = CountKey.names.map(\.name)
    return ValueForm(
      "KEY", choices: names + ["label:KEY"],
      parse: { text throws(ValueProblem) in
        if text.hasPrefix("label:"), text.utf8.count > "label:".utf8.count {
          return CountKey(name: text, by: .label)
        }
        let folded = text.lowercased().split(separator: "_").joined(separator: "-")
        guard let known = CountKey.names.first(where: { $0.name == folded }) else {
          let near = Suggestions.nearest(to: folded, among: names)
          throw ValueProblem(
            expected: "one of \(names.joined(separator: ", ")), label:KEY"
              + (near.map { " (did you mean \($0)?)" } ?? ""))
        }
        return CountKey(name: known.name, by: known.by)
      },
      format: { $0.name })
  }
}

/// Counts as people read them: statuses side by side where there is something else to count by, a
/// line for each of the rest, and totals.
struct CountTable {
  private struct Row: Sendable {
    var keys: [String]
    var counts: [UInt64]
    var isTotal = false
  }

  private let keys: [CountKey]
  /// The statuses that stand side by side; empty: there is one column of counts.
  private let statuses: [String]
  private var rows: [Row] = []
  private let total: UInt64

  init(_ reply: CountLogsResponse, _ keys: [CountKey]) {
    total = reply.total
    let statusPlace = keys.count > 1 ? keys.firstIndex { $0.by == .status } : nil
    guard let statusPlace else {
      self.keys = keys
      statuses = []
      rows = reply.counts.map { Row(keys: $0.keys, counts: [$0.logs]) }
      return
    }
    self.keys = keys.enumerated().filter { $0.offset != statusPlace }.map(\.element)
    let present = Set(reply.counts.map { Self.key($0, statusPlace) })
    let statuses = LogStatus.choices.map(\.jsonName).filter(present.contains)
    self.statuses = statuses
    var places: [[String]: Int] = [:]
    for count in reply.counts {
      var rest = count.keys
      if statusPlace < rest.count { rest.remove(at: statusPlace) }
      let place = places[rest] ?? rows.count
      if place == rows.count {
        places[rest] = place
        rows.append(Row(keys: rest, counts: Array(repeating: 0, count: statuses.count)))
      }
      let status = statuses.firstIndex(of: Self.key(count, statusPlace)) ?? 0
      rows[place].counts[status] += count.logs
    }
    // The status may have come first; the rest keeps its own order then.
    if statusPlace == 0 { rows.sort { $0.keys.lexicographicallyPrecedes($1.keys) } }
  }

  private static func key(_ count: LogCount, _ place: Int) -> String {
    place < count.keys.count ? count.keys[place] : ""
  }

  func lines(_ presentation: Presentation) -> [String] {
    var columns = keys.enumerated().map { place, key in
      Column<Row>(key.name.uppercased(), cuttableTo: 8) { row, _ in
        if row.isTotal { return Cell(place == 0 ? "all" : "", .heading) }
        let text = place < row.keys.count ? row.keys[place] : ""
        if text.isEmpty { return Cell("(none)", .faint) }
        return Cell(text, key.by == .status ? Self.tone(of: text) : .plain)
      }
    }
    for (place, status) in statuses.enumerated() {
      columns.append(
        Column(status, alignment: .right) { row, _ in
          let count = row.counts[place]
          return Cell(Self.digits(count), count == 0 ? .faint : Self.tone(of: status))
        })
    }
    columns.append(
      Column(statuses.isEmpty ? "LOGS" : "ALL", alignment: .right) { row, _ in
        Cell(Self.digits(row.counts.reduce(0, +)), row.isTotal ? .heading : .plain)
      })
    let total = total
    if rows.count > 1 || keys.isEmpty, !keys.isEmpty {
      columns.append(
        Column("SHARE", .useful, alignment: .right) { row, _ in
          row.isTotal ? "" : Cell(Self.share(row.counts.reduce(0, +), of: total), .faint)
        })
    }
    var shown = rows
    if rows.count > 1 { shown.append(totals) }
    return Table(columns: columns).lines(shown, presentation)
  }

  private var totals: Row {
    let width = max(1, statuses.count)
    var counts = [UInt64](repeating: 0, count: width)
    for row in rows { for (place, count) in row.counts.enumerated() { counts[place] += count } }
    return Row(keys: [], counts: counts, isTotal: true)
  }

  private static func tone(of status: String) -> Tone {
    LogStatus.choices.first { $0.jsonName == status }?.tone ?? .plain
  }

  /// `12.3 %`; what is there is never 0.
  static func share(_ part: UInt64, of whole: UInt64) -> String {
    guard whole > 0 else { return "" }
    let thousandths = UInt64((Double(part) * 1_000 / Double(whole)).rounded())
    if part > 0, thousandths == 0 { return "<0.1 %" }
    return "\(thousandths / 10).\(thousandths % 10) %"
  }

  /// `1234567` as `1,234,567`.
  static func digits(_ number: UInt64) -> String {
    var text = ""
    for (place, digit) in "\(number)".reversed().enumerated() {
      if place > 0, place.isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }
}
