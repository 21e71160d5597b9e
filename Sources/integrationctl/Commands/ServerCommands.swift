import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `server`: the server itself.
enum ServerCommands {
  static let noun = Noun(
    Command("server", "the server itself: backup, retention, export").withExamples([
      CommandExample("integrationctl server info", "version, addresses, limits, counters"),
      CommandExample(
        "integrationctl server backup /backup/monday.db", "a copy while the server works"),
      CommandExample(
        "integrationctl server retention --status COMPLETED --age 90d",
        "keep what went well for 90 days"),
      CommandExample("integrationctl server export everything.jsonl", "take everything with you"),
    ]),
    [
      info, stats, BackupCommand.verb, CheckCommand.verb, RetentionCommands.retention,
      RetentionCommands.prune, ExportCommand.verb, ImportCommand.verb,
    ])

  static let info = Verb(
    Command("info", "version, addresses, limits and counters").withExamples([
      CommandExample("integrationctl server info", "for people"),
      CommandExample("integrationctl server info -o json | jq .counters", "for a script"),
    ])
  ) { invocation in
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.getServerInfo(GetServerInfoRequest())
    }
    try invocation.write(reply) { text(reply, $0) }
  }

  static let stats = Verb(
    Command("stats", "how much is stored, and what was done since the start").withExamples([
      CommandExample("integrationctl server stats", "for people"),
      CommandExample("integrationctl server stats -o json | jq .databaseBytes", "for a script"),
    ])
  ) { invocation in
    let client = try await invocation.client()
    let counters = try await invocation.call(client) { client throws(RPCError) in
      try await client.getServerInfo(GetServerInfoRequest())
    }.counters
    let kept = try await invocation.call(client) { client throws(RPCError) in
      try await client.getRetention(GetRetentionRequest())
    }
    try invocation.write(kept) { presentation in
      var document = Document(presentation)
      document.fields([("Database", Cell(ByteText.words(kept.databaseBytes)))])
      document.table("Ended logs", RetentionCommands.sizes, kept.sizes, empty: "none")
      document.table(
        "Counters since the start", table("COUNTER", "VALUE"),
        counters.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }, empty: "none")
      return document.text
    }
  }

  static func text(_ reply: GetServerInfoResponse, _ presentation: Presentation) -> String {
    var document = Document(presentation)
    document.line(Cell("integrationd \(reply.version)", .heading))
    if reply.counters["storage_full", default: 0] > 0 {
      document.line(
        Cell("STORAGE_FULL", .bad),
        Cell("free space below \(reply.dataDirectory) on the server's machine", .active))
    }
    if reply.counters["store_problems", default: 0] > 0 {
      document.line(Cell("STORE_NOT_WHOLE", .bad), Cell("integrationctl server check", .active))
    }
    document.fields([
      ("You are", Cell(callerWords(reply))),
      ("Started", .moment(reply.startedAt, presentation.now)),
      ("Listens on", Cell(reply.addresses.joined(separator: " "))),
      ("Data directory", Cell(reply.dataDirectory)),
      ("Schema version", Cell("\(reply.schemaVersion)")),
    ])
    let limits = reply.limits.sorted { $0.key < $1.key }
    document.table(
      "Limits", table("FLAG", "VALUE"), limits.map { ($0.key, limit($0.key, $0.value)) },
      empty: "none")
    let counters = reply.counters.sorted { $0.key < $1.key }
    document.table(
      "Counters since the start", table("COUNTER", "VALUE"),
      counters.map { ($0.key, "\($0.value)") }, empty: "none")
    return document.text
  }

  /// A limit as its flag takes it: `4MiB`, `7d`; the size of a rule in words.
  private static func limit(_ flag: String, _ value: String) -> String {
    if flag.hasSuffix("-bytes"), let bytes = ByteCountText.parse(value) {
      return ByteCountText.format(bytes)
    }
    return value.split(separator: ", ").map { part in
      if let span = DurationText.parse(String(part)) { return DurationText.format(span) }
      guard part.hasSuffix(" bytes"), let bytes = UInt64(part.dropLast(6)) else {
        return String(part)
      }
      return ByteText.words(bytes)
    }.joined(separator: ", ")
  }

  private static func callerWords(_ reply: GetServerInfoResponse) -> String {
    let role = reply.role.words
    return role.isEmpty ? reply.principal : "\(reply.principal), \(role)"
  }

  private static func table(_ name: String, _ value: String) -> Table<(String, String)> {
    Table(columns: [
      Column(name) { row, _ in Cell(row.0) }, Column(value) { row, _ in Cell(row.1) },
    ])
  }
}
