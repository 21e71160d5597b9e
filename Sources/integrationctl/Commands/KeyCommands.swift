import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `keys`: what agents prove themselves with.
enum KeyCommands {
  static let integration = Positional.required(.name("INTEGRATION"), help: "the integration's name")
  static let keyIDs = Positional.list(
    ValueForm<String>.keyID, help: "the keys' ids (see: integrationctl keys list)")

  static let keyID = Positional.required(
    ValueForm<String>.keyID, help: "the key's id (see: integrationctl keys list)")
  static let expires = Flag.optional(
    "expires", .timeToCome(), help: "when it ends by itself: 90d, 2027-01-31; else never")
  static let expireOld = Flag.value(
    "expire-old", .duration(.seconds(1) ... .seconds(31_536_000)), default: .seconds(86_400),
    help: "how long the old key still lasts")

  static let noun = Noun(
    Command("keys", "what agents prove themselves with; two of an integration may live at once")
      .withExamples([
        CommandExample(
          "integrationctl keys list customsoft", "which keys live, and their last use"),
        CommandExample("integrationctl keys create customsoft --key-file new.key", "a second key"),
        CommandExample(
          "integrationctl keys rotate customsoft --expire-old 24h",
          "a new key; the old one lasts another day"),
        CommandExample("integrationctl keys revoke 4fG7hJ2k", "end the old one at once"),
      ]), [create, list, rotate, reveal, revoke])

  static let create = Verb(
    Command(
      "create", "make another key, which is shown once", flags: [expires, KeyFile.flag],
      positionals: [integration]
    ).withExamples([
      CommandExample("integrationctl keys create customsoft", "a second key, to replace the first"),
      CommandExample("integrationctl keys create trial --expires 30d", "one that ends by itself"),
    ])
  ) { invocation in
    var request = CreateKeyRequest()
    request.integration = invocation.arguments[integration]
    request.expiresAt = invocation.arguments[expires]?.timestamp
    let sent = request
    let reply = try await KeyFile.withFile(invocation) { () async throws(Failure) in
      try await invocation.call { client throws(RPCError) in try await client.createKey(sent) }
    } secret: {
      $0.secret
    }
    try invocation.write(reply) { presentation in
      var document = Document(presentation)
      document.line(Cell("Created a key of \(sent.integration).", .good))
      addSecret(reply.secret, .key, to: &document, invocation)
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
  }

  static let rotate = Verb(
    Command(
      "rotate",
      "make a new key, shown once, and let the old one end after a while; agents are told",
      flags: [expireOld, KeyFile.flag], positionals: [integration]
    ).withExamples([
      CommandExample("integrationctl keys rotate customsoft", "the old key lasts another day"),
      CommandExample(
        "integrationctl keys rotate customsoft --expire-old 2h --key-file new.key",
        "two hours to change it, the new key in a file"),
    ]).withDiscussion(
      "Two keys of an integration may live. While two do, a rotation is refused: no key ends "
        + "earlier than was said of it. Wait for the end of the old one, or revoke it.")
  ) { invocation in
    var request = RotateKeyRequest()
    request.integration = invocation.arguments[integration]
    request.expireOldMs = UInt64(
      clamping: invocation.arguments[expireOld].components.seconds * 1000)
    let sent = request
    let reply = try await KeyFile.withFile(invocation) { () async throws(Failure) in
      try await invocation.call { client throws(RPCError) in try await client.rotateKey(sent) }
    } secret: {
      $0.secret
    }
    try invocation.write(reply) { presentation in
      var document = Document(presentation)
      document.line(Cell("Created a new key of \(sent.integration).", .good))
      document.attachFields(
        reply.expiring.map { ("\($0.id) ends", .moment($0.expiresAt, presentation.now)) })
      addSecret(reply.secret, .key, to: &document, invocation)
      return document.text
    }
  }

  static let reveal = Verb(
    Command(
      "reveal", "show a whole key again; the audit records each showing", flags: [KeyFile.flag],
      positionals: [keyID]
    ).withExamples([
      CommandExample("integrationctl keys reveal 4fG7hJ2k", "to set up its agent again"),
      CommandExample("integrationctl keys reveal 4fG7hJ2k --key-file agent.key", "not on a screen"),
    ])
  ) { invocation in
    var request = RevealKeyRequest()
    request.keyID = invocation.arguments[keyID]
    let sent = request
    let reply = try await KeyFile.withFile(invocation) { () async throws(Failure) in
      try await invocation.call { client throws(RPCError) in try await client.revealKey(sent) }
    } secret: {
      $0.secret
    }
    try invocation.write(reply) { _ in
      invocation.arguments[KeyFile.flag].map { "The key is in \($0), which only you can read.\n" }
        ?? "\(reply.secret)\n"
    }
  }

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
    Column("FROM", .extra) { row, _ in Cell(row.lastUsedFrom) },
    Column("CREATED", .useful) { row, now in .ago(row.createdAt, now) },
    Column("EXPIRES") { row, now in .ago(row.expiresAt, now, missing: "never") },
    Column("CREATED BY", .extra, cuttableTo: 12) { row, _ in Cell(row.createdBy) },
  ])

  static let listing = Listing<Key>(
    table: table,
    csvPaths: [
      "id", "integration", "createdAt", "expiresAt", "revokedAt", "lastUsedAt", "createdBy", "live",
      "lastUsedFrom",
    ],
    empty: "No keys.")

  /// Which secret was made.
  enum Secret: String {
    case key
    case token

    var holder: String {
      switch self {
      case .key: "the agent"
      case .token: "its holder"
      }
    }
  }

  /// Shows a new key or token once, or says in which file it is.
  static func addSecret(
    _ secret: String, _ kind: Secret, to document: inout Document, _ invocation: Invocation
  ) {
    if let path = invocation.arguments[KeyFile.flag] {
      document.line(Cell("The \(kind.rawValue) is in \(path), which only you can read."))
      return
    }
    document.line("", Cell(secret, .heading))
    document.line(
      Cell(
        "This is the only time that the \(kind.rawValue) is shown. Give it to \(kind.holder) now."))
  }

  private static func stateWords(_ key: Key) -> String {
    key.revokedAt == nil ? "expired" : "revoked"
  }
}
