import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `server retention` and `server prune`: how long logs are kept.
enum RetentionCommands {
  static let statuses = Flag<[LogStatus]>.commaList(
    "status", .apiChoice("STATUS"),
    help: "which final statuses to change: COMPLETED, FAILED, CANCELLED, TIMED_OUT")
  static let age = Flag.optional(
    "age", .retentionAge, help: "keep logs for so long after their end: 90d; forever: no limit")
  static let size = Flag.optional(
    "size", .retentionBytes,
    help: "keep at most so many bytes of logs of each status, the oldest go: 10GB; any: no limit")
  static let dryRun = Flag.toggle("dry-run", help: "only say how many logs would go")

  static let retention = Verb(
    Command(
      "retention", "show or change how long logs are kept", flags: [statuses, age, size]
    ).withExamples([
      CommandExample("integrationctl server retention", "the rules, and how much there is"),
      CommandExample(
        "integrationctl server retention --status COMPLETED --age 90d --size 10GB",
        "90 days of what went well, and no more than 10 GB of it"),
      CommandExample(
        "integrationctl server retention --status FAILED,TIMED_OUT --age 365d",
        "a year of what went wrong"),
    ]).withDiscussion(
      "Until a rule is set, logs are kept for ever. Open logs are always kept. Removing begins "
        + "within a minute and goes on by and by; server prune waits for it.")
  ) { invocation in
    let (chosen, age, size) = (
      invocation.arguments[statuses], invocation.arguments[age], invocation.arguments[size]
    )
    let client = try await invocation.client()
    if age != nil || size != nil {
      try await set(chosen, age: age, size: size, client, invocation)
    } else if !chosen.isEmpty {
      throw UsageError(
        "\(invocation.title): --status without --age and --size changes nothing",
        hint: "Add --age 90d, --size 10GB or both.")
    }
    let reply = try await invocation.call(client) { client throws(RPCError) in
      try await client.getRetention(GetRetentionRequest())
    }
    try invocation.write(reply) { text(reply, $0) }
  }

  private static func set(
    _ chosen: [LogStatus], age: UInt64?, size: UInt64?, _ client: OperatorServiceClient,
    _ invocation: Invocation
  ) async throws {
    guard !chosen.isEmpty, chosen.allSatisfy(\.isFinal) else {
      throw UsageError(
        "\(invocation.title): --age and --size need the final statuses that they are for",
        hint: "Add --status COMPLETED, or several: --status COMPLETED,CANCELLED.")
    }
    let now = try await invocation.call(client) { client throws(RPCError) in
      try await client.getRetention(GetRetentionRequest())
    }
    var request = SetRetentionRequest()
    for var rule in now.rules where chosen.contains(rule.status) {
      rule.maximumAgeMs = age ?? rule.maximumAgeMs
      rule.maximumBytes = size ?? rule.maximumBytes
      request.rules.append(rule)
    }
    let sent = request
    _ = try await invocation.call(client) { client throws(RPCError) in
      try await client.setRetention(sent)
    }
  }

  static let prune = Verb(
    Command("prune", "remove now what retention keeps no longer", flags: [dryRun, GlobalFlags.yes])
      .withExamples([
        CommandExample("integrationctl server prune --dry-run", "how many logs would go"),
        CommandExample("integrationctl server prune", "remove them, and wait for the end"),
      ])
  ) { invocation in
    let client = try await invocation.client()
    var request = PruneLogsRequest()
    request.dryRun = true
    let asking = request
    let count = try await invocation.call(client) { client throws(RPCError) in
      try await client.pruneLogs(asking)
    }
    if invocation.arguments[dryRun] || count.removedLogs == 0 {
      return try invocation.write(count) { _ in
        "\(count.removedLogs) logs would go, about \(ByteText.words(count.freedBytes)).\n"
      }
    }
    try invocation.confirm(
      "Remove \(count.removedLogs) logs, about \(ByteText.words(count.freedBytes)), for good?")
    let sum = try await remove(client, invocation, expected: count.removedLogs)
    try invocation.write(sum) { _ in
      "\(sum.removedLogs) logs are gone, about \(ByteText.words(sum.freedBytes)).\n"
    }
  }

  private static func remove(
    _ client: OperatorServiceClient, _ invocation: Invocation, expected: UInt64
  ) async throws -> PruneLogsResponse {
    var progress = ProgressLine(invocation.console)
    defer { progress.end() }
    var (sum, request) = (PruneLogsResponse(), PruneLogsRequest())
    repeat {
      let sent = request
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.pruneLogs(sent)
      }
      sum.removedLogs += reply.removedLogs
      sum.freedBytes += reply.freedBytes
      sum.done = reply.done
      request.resume = true
      progress.show("\(sum.removedLogs) of \(max(expected, sum.removedLogs)) logs removed")
    } while !sum.done
    return sum
  }

  // MARK: - Words

  static let sizes = Table<StatusSize>(columns: [
    Column("STATUS") { row, _ in .status(row.status) },
    Column("LOGS") { row, _ in Cell("\(row.logs)") },
    Column("ABOUT") { row, _ in Cell(ByteText.words(row.bytes)) },
  ])

  private static let table = Table<(RetentionRule, StatusSize)>(columns: [
    Column("STATUS") { row, _ in .status(row.0.status) },
    Column("KEPT FOR") { row, _ in
      Cell(
        row.0.maximumAgeMs == 0
          ? "ever" : DurationText.format(.milliseconds(Int64(clamping: row.0.maximumAgeMs))))
    },
    Column("UP TO") { row, _ in
      Cell(row.0.maximumBytes == 0 ? "any size" : ByteText.words(row.0.maximumBytes))
    },
    Column("LOGS") { row, _ in Cell("\(row.1.logs)") },
    Column("ABOUT") { row, _ in Cell(ByteText.words(row.1.bytes)) },
  ])

  static func text(_ reply: GetRetentionResponse, _ presentation: Presentation) -> String {
    var document = Document(presentation)
    let rows = reply.rules.map { rule in
      (rule, reply.sizes.first { $0.status == rule.status } ?? StatusSize())
    }
    document.table("Retention of ended logs", table, rows, empty: "none")
    var fields = [("Database", Cell(ByteText.words(reply.databaseBytes)))]
    if let pruning = reply.pruning, pruning.startedAt != nil {
      let state = pruning.running ? "running" : "ended"
      fields.append(
        (
          "Last pruning",
          Cell("\(state), \(pruning.removedLogs) logs, \(ByteText.words(pruning.freedBytes))")
        ))
      fields.append(("Began", .moment(pruning.startedAt, presentation.now)))
    }
    document.fields(fields)
    return document.text
  }
}

extension ValueForm where Value == UInt64 {
  /// A span in milliseconds; `forever` is 0.
  static var retentionAge: ValueForm {
    ValueForm("DURATION") { text throws(ValueProblem) in
      if text == "forever" { return 0 }
      guard let span = DurationText.parse(text), span > .zero,
        span <= .milliseconds(3_155_760_000_000)
      else {
        throw ValueProblem(expected: "a span such as 12h, 90d or 52w up to 100 years, or forever")
      }
      return UInt64(span / .milliseconds(1))
    }
  }

  /// Bytes, in powers of 1,000 or 1,024; `any` is 0.
  static var retentionBytes: ValueForm {
    ValueForm("SIZE") { text throws(ValueProblem) in
      if text == "any" { return 0 }
      guard let bytes = ByteText.parse(text), bytes > 0 else {
        throw ValueProblem(expected: "a size such as 500MB, 10GB or 2TiB, or any")
      }
      return bytes
    }
  }
}

/// Sizes as people write and read them.
enum ByteText {
  private static let units: [(name: String, bytes: Double)] = [
    ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3),
  ]

  /// Reads `10GB`, `64MiB` or `4096`; nil: it is something else.
  static func parse(_ text: String) -> UInt64? {
    if let count = ByteCountText.parse(text) { return UInt64(count) }
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit = text.dropFirst(digits.count).uppercased()
    guard let count = UInt64(digits),
      let scale = units.first(where: { $0.name.uppercased() == unit })
    else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: UInt64(scale.bytes))
    return overflow || bytes > UInt64(Int64.max) ? nil : bytes
  }

  /// `1.4 GB`.
  static func words(_ bytes: UInt64) -> String {
    guard let unit = units.first(where: { Double(bytes) >= $0.bytes }) else {
      return "\(bytes) bytes"
    }
    let tenths = Int((Double(bytes) / unit.bytes * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) \(unit.name)"
  }
}
