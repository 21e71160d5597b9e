import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `server`: the server itself.
enum ServerCommands {
  static let noun = Noun(
    Command("server", "the server itself").withExamples([
      CommandExample("integrationctl server info", "version, addresses, limits, counters")
    ]), [info])

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

  static func text(_ reply: GetServerInfoResponse, _ presentation: Presentation) -> String {
    var document = Document(presentation)
    document.line(Cell("integrationd \(reply.version)", .heading))
    document.fields([
      ("You are", Cell(callerWords(reply))),
      ("Started", .moment(reply.startedAt, presentation.now)),
      ("Listens on", Cell(reply.addresses.joined(separator: " "))),
      ("Data directory", Cell(reply.dataDirectory)),
      ("Schema version", Cell("\(reply.schemaVersion)")),
    ])
    let limits = reply.limits.sorted { $0.key < $1.key }
    document.table(
      "Limits", table("FLAG", "VALUE"), limits.map { ($0.key, $0.value) }, empty: "none")
    let counters = reply.counters.sorted { $0.key < $1.key }
    document.table(
      "Counters since the start", table("COUNTER", "VALUE"),
      counters.map { ($0.key, "\($0.value)") }, empty: "none")
    return document.text
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
