import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `keys`: what agents prove themselves with.
enum KeyCommands {
  static let integration = Positional.required(.name("INTEGRATION"), help: "the integration's name")
  static let keyIDs = Positional.list(
    ValueForm<String>.keyID, help: "the keys' ids (see: integrationctl keys list)")

  static let noun = Noun(
    Command("keys", "what agents prove themselves with; two of an integration may live at once")
      .withExamples([
        CommandExample(
          "integrationctl keys list customsoft", "which keys live, and their last use"),
        CommandExample("integrationctl keys create customsoft --key-file new.key", "a second key"),
        CommandExample("integrationctl keys revoke 4fG7hJ2k", "end the old one at once"),
      ]), [create, list, revoke])

  static let create = Verb(
    Command(
      "create", "make another key, which is shown once", flags: [KeyFile.flag],
      positionals: [integration]
    ).withExamples([
      CommandExample("integrationctl keys create customsoft", "a second key, to replace the first")
    ])
  ) { invocation in
    var request = CreateKeyRequest()
    request.integration = invocation.arguments[integration]
    let sent = request
    let reply = try await KeyFile.withFile(invocation) { () async throws(Failure) in
      try await invocation.call { client throws(RPCError) in try await client.createKey(sent) }
    } secret: {
      $0.secret
    }
    try invocation.write(reply) { presentation in
      var document = Document(presentation)
      document.line(Cell("Created a key of \(sent.integration).", .good))
      addSecret(reply.secret, to: &document, invocation)
      return document.text
    }
  }

  static let list = Verb(
    Command(
      "list", "keys without their secrets", flags: [IntegrationScope.flag],
      positionals: [IntegrationScope.positional]
    ).withExamples([
      CommandExample("integrationctl keys list", "all keys"),
      CommandExample("integrationctl keys list customsoft", "of one integration"),
    ]), .list
  ) { invocation in
    var request = ListKeysRequest()
    request.integration = try IntegrationScope.name(invocation)
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.listKeys(sent)
    }
    try invocation.write(Page(rows: reply.keys), as: listing)
  }.showing(listing)

  static let revoke = Verb(
    Command(
      "revoke", "end keys at once, also on connections that are open", flags: [GlobalFlags.yes],
      positionals: [keyIDs]
    ).withExamples([
      CommandExample("integrationctl keys revoke 4fG7hJ2k", "an old or leaked key")
    ])
  ) { invocation in
    let ids = invocation.arguments[keyIDs]
    let what = ids.count == 1 ? "key \(ids[0])" : "\(ids.count) keys"
    try invocation.confirm("Revoke \(what)? Agents that use it are cut off at once.")
    try await invocation.callForEach(ids) { client, id throws(RPCError) in
      var request = RevokeKeyRequest()
      request.keyID = id
      return try await client.revokeKey(request)
    } people: { reply in
      "Revoked \(reply.key?.id ?? "").\n"
    }
  }

  static let table = Table<Key>(columns: [
    Column("KEY") { row, _ in Cell(row.id) },
    Column("INTEGRATION", .useful) { row, _ in Cell(row.integration) },
    Column("STATE") { row, _ in row.live ? Cell("live", .good) : Cell(stateWords(row), .faint) },
    Column("LAST USED") { row, now in .ago(row.lastUsedAt, now, missing: "never") },
    Column("CREATED") { row, now in .ago(row.createdAt, now) },
    Column("EXPIRES", .extra) { row, now in .ago(row.expiresAt, now, missing: "never") },
    Column("CREATED BY", .extra, cuttableTo: 12) { row, _ in Cell(row.createdBy) },
  ])

  static let listing = Listing<Key>(
    table: table,
    csvPaths: [
      "id", "integration", "createdAt", "expiresAt", "revokedAt", "lastUsedAt", "createdBy", "live",
    ],
    empty: "No keys.")

  /// Shows a new key once, or says in which file it is.
  static func addSecret(_ secret: String, to document: inout Document, _ invocation: Invocation) {
    if let path = invocation.arguments[KeyFile.flag] {
      document.line(Cell("The key is in \(path), which only you can read."))
      return
    }
    document.line("", Cell(secret, .heading))
    document.line("This is the only time that the key is shown. Give it to the agent now.")
  }

  private static func stateWords(_ key: Key) -> String {
    key.revokedAt == nil ? "expired" : "revoked"
  }
}
