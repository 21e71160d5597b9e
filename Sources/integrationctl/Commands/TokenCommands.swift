import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `tokens`: what operators prove themselves with.
enum TokenCommands {
  static let name = Positional.required(
    .name("NAME"), help: "whose it is: alice, nightly-export; changes are recorded under it")
  static let tokenIDs = Positional.list(
    ValueForm<String>.tokenID, help: "the tokens' ids (see: integrationctl tokens list)")
  static let role = Flag.optional(
    "role", ValueForm<Role>.roleChoice,
    help: "viewer: sees all; operator: also works; admin: also manages the server; needed")

  static let noun = Noun(
    Command("tokens", "what operators prove themselves with, each with a role").withExamples([
      CommandExample("integrationctl tokens create alice --role operator", "for a colleague"),
      CommandExample("integrationctl tokens list", "which live, their roles and last use"),
      CommandExample("integrationctl tokens revoke 4fg7hj2k", "end one at once"),
    ]), [create, list, revoke])

  static let create = Verb(
    Command(
      "create", "make a token, which is shown once",
      flags: [role, KeyCommands.expires, KeyFile.flag], positionals: [name]
    ).withExamples([
      CommandExample("integrationctl tokens create alice --role operator", "for a colleague"),
      CommandExample(
        "integrationctl tokens create dashboard --role viewer --expires 90d --key-file dash.token",
        "for a program: it sees and changes nothing, and ends by itself"),
    ]).withDiscussion(
      "Its holder sets INTEGRATION_TOKEN or gives --token. A name has at most two live tokens, so "
        + "that one can be replaced without a break.")
  ) { invocation in
    var request = CreateTokenRequest()
    request.name = invocation.arguments[name]
    guard let role = invocation.arguments[role] else {
      throw UsageError(
        "\(invocation.title): --role is missing: viewer, operator or admin",
        hint: "Give the least that is enough. Try: \(invocation.title) --help")
    }
    request.role = role
    request.expiresAt = invocation.arguments[KeyCommands.expires]?.timestamp
    let sent = request
    let reply = try await KeyFile.withFile(invocation) { () async throws(Failure) in
      try await invocation.call { client throws(RPCError) in try await client.createToken(sent) }
    } secret: {
      $0.secret
    }
    try invocation.write(reply) { presentation in
      var document = Document(presentation)
      document.line(Cell("Created a token of \(sent.name), who is \(role.words).", .good))
      KeyCommands.addSecret(
        reply.secret, .token, to: &document, invocation)
      return document.text
    }
  }

  static let list = Verb(
    Command("list", "tokens without their secrets").withExamples([
      CommandExample("integrationctl tokens list", "all tokens")
    ]), .list
  ) { invocation in
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.listTokens(ListTokensRequest())
    }
    try invocation.write(Page(rows: reply.tokens), as: listing)
  }

  static let revoke = Verb(
    Command(
      "revoke", "end tokens at once, also on connections that are open",
      flags: [GlobalFlags.yes], positionals: [tokenIDs]
    ).withExamples([
      CommandExample("integrationctl tokens revoke 4fg7hj2k", "of somebody who has left")
    ])
  ) { invocation in
    let ids = invocation.arguments[tokenIDs]
    let what = ids.count == 1 ? "token \(ids[0])" : "\(ids.count) tokens"
    try invocation.confirm("Revoke \(what)? Whoever uses it is cut off at once.")
    try await invocation.callForEach(ids) { client, id throws(RPCError) in
      var request = RevokeTokenRequest()
      request.tokenID = id
      return try await client.revokeToken(request)
    } people: { reply in
      "Revoked \(reply.token?.id ?? "") of \(reply.token?.name ?? "").\n"
    }
  }

  static let listing = Listing<OperatorToken>(
    table: Table(columns: [
      Column("TOKEN") { row, _ in Cell(row.id) },
      Column("NAME") { row, _ in Cell(row.name) },
      Column("ROLE") { row, _ in Cell(row.role.words) },
      Column("STATE") { row, _ in
        row.live ? Cell("live", .good) : Cell(row.revokedAt == nil ? "expired" : "revoked", .faint)
      },
      Column("LAST USED") { row, now in .ago(row.lastUsedAt, now, missing: "never") },
      Column("FROM", .useful) { row, _ in Cell(row.lastUsedFrom) },
      Column("EXPIRES", .useful) { row, now in .ago(row.expiresAt, now, missing: "never") },
      Column("CREATED", .extra) { row, now in .ago(row.createdAt, now) },
      Column("CREATED BY", .extra, cuttableTo: 12) { row, _ in Cell(row.createdBy) },
    ]),
    csvPaths: [
      "id", "name", "role", "createdAt", "expiresAt", "revokedAt", "lastUsedAt", "lastUsedFrom",
      "createdBy", "live",
    ],
    empty: "No tokens. Make one with: integrationctl tokens create NAME --role ROLE")
}

extension Role {
  /// As people write it: `viewer`.
  var words: String { self == .unspecified ? "" : jsonName.lowercased() }
}

extension ValueForm where Value == Role {
  /// `viewer`, `operator` or `admin`, in any case.
  static var roleChoice: ValueForm {
    let names = ["viewer", "operator", "admin"]
    return ValueForm(
      "ROLE", choices: names,
      parse: { text throws(ValueProblem) in
        let roles: [Role] = [.viewer, .operator, .admin]
        guard let role = roles.first(where: { $0.words == text.lowercased() }) else {
          let near = Suggestions.nearest(to: text.lowercased(), among: names)
          throw ValueProblem(
            expected: "one of \(names.joined(separator: ", "))"
              + (near.map { " (did you mean \($0)?)" } ?? ""))
        }
        return role
      },
      format: { $0.words })
  }
}
