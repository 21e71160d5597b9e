import Credentials
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Makes a token for an operator; the secret is in this answer and nowhere else.
  public func createToken(
    _ request: CreateTokenRequestView, _ call: ServerCall<CreateTokenResponse>
  ) {
    let now = call.now.instant
    let stored: StoredToken
    let key: AccessKey
    do throws(RPCError) {
      let fields = request.makeMessage()
      var checks = FieldChecks()
      let end = checks.token(fields, now: now)
      guard checks.isEmpty, let role = fields.role.model else {
        throw .invalid(checks.violations)
      }
      key = try newTokenKey()
      stored = StoredToken(
        id: key.id, name: fields.name, role: role, secretHash: key.digest, createdAt: now,
        createdBy: call.principal.name, expiresAt: end)
    } catch {
      return call.fail(error)
    }
    perform(.createToken(stored), call) { outcome in
      guard case .token(let token) = outcome else { return nil }
      var response = CreateTokenResponse()
      response.token = OperatorToken(token, now: ServerClock.now)
      response.secret = key.secretText
      return response
    }
  }

  private func newTokenKey() throws(RPCError) -> AccessKey {
    do {
      return try AccessKey.generate(.operator)
    } catch {
      configuration.log("level=error event=token_not_made \(error)")
      throw RPCError(
        .internalError, "no token could be made; the server's log says why",
        reason: WireReason.internalError)
    }
  }

  /// Tokens without their secrets.
  public func listTokens(
    _ request: ListTokensRequestView, _ call: ServerCall<ListTokensResponse>
  ) {
    let now = ServerClock.now
    var response = ListTokensResponse()
    response.tokens = tokens.all().map { OperatorToken($0, now: now) }
    call.answer(response)
  }

  /// Ends a token at once, also on connections that are open; one that ends itself gets its answer.
  public func revokeToken(
    _ request: RevokeTokenRequestView, _ call: ServerCall<RevokeTokenResponse>
  ) {
    let id = request.tokenID.string
    let principal = call.principal
    let endsItself = tokens.token(id)?.credentialID == principal.credentialID
    if endsItself { principal.identity?.endsItself.store(true, ordering: .relaxed) }
    read(call) { [self] () async throws(RPCError) in
      guard tokens.token(id) != nil else {
        throw RPCError(
          .notFound,
          "no token has the id \"\(RPCError.shown(id))\" (the 8 characters after imo_): "
            + "`integrationctl tokens list`",
          reason: Reason.tokenUnknown)
      }
      let outcome = try await commit(.revokeToken(id: id), for: call)
      guard case .token(let token) = outcome else {
        preconditionFailure("the store answered a command with another's outcome")
      }
      var response = RevokeTokenResponse()
      response.token = OperatorToken(token, now: ServerClock.now)
      return response
    } finally: { [self] in
      if endsItself { closeConnections(of: principal) }
    }
  }
}

extension FieldChecks {
  /// What may be wrong with a new token; the time at which it shall end.
  fileprivate mutating func token(_ fields: CreateTokenRequest, now: Instant) -> Instant? {
    note("name", FieldRules.complaint(name: fields.name))
    if fields.name == Principal.localName {
      note("name", "expected another name: \"local\" is the operator at the server's own socket")
    }
    if fields.role.model == nil { note("role", "expected VIEWER, OPERATOR or ADMIN") }
    return end(fields.expiresAt, "expires_at", now: now)
  }
}

extension OperatorToken {
  /// A token without its secret.
  init(_ stored: StoredToken, now: Instant) {
    self.init()
    id = stored.id
    name = stored.name
    role = Role(stored.role)
    createdAt = Timestamp(stored.createdAt)
    expiresAt = Timestamp(stored.expiresAt)
    revokedAt = Timestamp(stored.revokedAt)
    lastUsedAt = Timestamp(stored.lastUse?.at)
    lastUsedFrom = stored.lastUse?.from ?? ""
    createdBy = stored.createdBy
    live = stored.isLive(at: now)
  }
}
