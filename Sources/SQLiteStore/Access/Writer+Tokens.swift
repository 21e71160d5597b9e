import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// How many live tokens one name may have, so that one can be replaced without a break.
  static let maximumLiveTokensOfName = 2

  /// Adds an operator's token.
  func createToken(_ token: StoredToken, now: Instant) throws -> CommandOutcome {
    let tokens = try CatalogRows.tokens(database)
    guard !tokens.contains(where: { $0.id == token.id }) else {
      throw StoreFailure(.alreadyExists, "TOKEN_EXISTS", "there is a token \(token.id) already")
    }
    let live = tokens.filter { $0.isLive(at: now) }
    let ofName = live.filter { $0.name == token.name }
    guard ofName.count < Self.maximumLiveTokensOfName else {
      throw StoreFailure(
        .failedPrecondition, "TOO_MANY_TOKENS",
        "\(token.name) has \(ofName.count) live tokens, at most "
          + "\(Self.maximumLiveTokensOfName) are possible; revoke one first: "
          + ofName.map(\.id).joined(separator: ", "))
    }
    guard live.count < limits.maximumLiveTokens else {
      throw StoreFailure(
        .failedPrecondition, "TOO_MANY_TOKENS",
        "there are \(live.count) live tokens, at most \(limits.maximumLiveTokens) are possible; "
          + "revoke those that nobody uses: `integrationctl tokens list`")
    }
    let insert = try database.statement(
      "INSERT INTO tokens VALUES(?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)")
    insert.bind(1, token.id)
    insert.bind(2, token.name)
    insert.bind(3, Int64(token.role.rawValue))
    insert.bind(4, blob: token.secretHash)
    insert.bind(5, token.createdAt)
    insert.bind(6, token.createdBy)
    insert.bind(7, token.expiresAt)
    try insert.run()
    emit(.tokenChanged(token))
    return .token(token)
  }

  /// Ends a token.
  func revokeToken(_ id: String, now: Instant) throws -> CommandOutcome {
    guard var token = try CatalogRows.tokens(database, id: id).first else {
      throw StoreFailure(.notFound, "TOKEN_UNKNOWN", "there is no token \(id)")
    }
    guard token.revokedAt == nil else { return .token(token) }
    token.revokedAt = now
    try database.run(
      "UPDATE tokens SET revoked = ? WHERE id = ?", .integer(now.milliseconds), .text(id))
    emit(.tokenChanged(token))
    return .token(token)
  }

  /// Saves when and from where keys or tokens were used last.
  func saveUses(_ uses: [String: CredentialUse], _ table: CredentialTable) throws -> CommandOutcome
  {
    for (id, use) in uses {
      try database.run(
        """
        UPDATE \(table.rawValue) SET last_used = ?1, last_used_from = ?2
        WHERE id = ?3 AND coalesce(last_used, 0) <= ?1
        """,
        .integer(use.at.milliseconds), .text(use.from), .text(id))
    }
    return .done
  }
}

/// The tables of credentials that have a last use.
enum CredentialTable: String {
  case keys
  case tokens
}
