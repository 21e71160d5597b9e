import Credentials
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

/// A key that was just made, with the secret that is shown once.
struct NewKey {
  let stored: StoredKey
  let key: AccessKey

  var secret: String { key.secretText }
}

extension IntegrationService {
  /// Makes a key for an integration; it is not stored yet.
  func newKey(
    integration: IntegrationID, by principal: Principal, now: Instant, expiresAt: Instant? = nil
  ) throws(RPCError) -> NewKey {
    do {
      let key = try AccessKey.generate(.integration)
      var sealed: [UInt8] = []
      if let sealingKey = configuration.sealingKey {
        var secret = unsafe key.withSecretText { unsafe Array($0) }
        defer { Cryptography.wipe(&secret) }
        sealed = try sealingKey.seal(secret, context: key.id)
      }
      let stored = StoredKey(
        id: key.id, integration: integration, secretHash: key.digest, sealedSecret: sealed,
        createdAt: now, createdBy: principal.name, expiresAt: expiresAt)
      return NewKey(stored: stored, key: key)
    } catch {
      configuration.log("level=error event=key_not_made \(error)")
      throw RPCError(
        .internalError, "no key could be made; the server's log says why",
        reason: WireReason.internalError)
    }
  }

  /// Makes another key; at most two of an integration are live at once.
  public func createKey(
    _ request: CreateKeyRequestView, _ call: ServerCall<CreateKeyResponse>
  ) {
    guard isOperator(call.handle) else { return }
    let integration: StoredIntegration
    let made: NewKey
    let fields = request.makeMessage()
    do throws(RPCError) {
      var checks = FieldChecks()
      let end = checks.end(fields.expiresAt, "expires_at", now: call.now.instant)
      guard checks.isEmpty else { throw .invalid(checks.violations) }
      integration = try known(fields.integration)
      made = try newKey(
        integration: integration.id, by: call.principal, now: call.now.instant, expiresAt: end)
    } catch {
      return call.fail(error)
    }
    perform(.createKey(made.stored), call) { outcome in
      guard case .key(let key) = outcome else { return nil }
      var response = CreateKeyResponse()
      response.key = Key(key, integration: integration.name, now: ServerClock.now)
      response.secret = made.secret
      return response
    }
  }

  /// The key of an id, or the error that it is unknown.
  func knownKey(_ id: String) throws(RPCError) -> StoredKey {
    guard let key = catalogue.key(id) else {
      throw RPCError(
        .notFound,
        "no key has the id \"\(RPCError.shown(id))\" (the 8 characters after imk_): "
          + "`integrationctl keys list`",
        reason: Reason.keyUnknown)
    }
    return key
  }

  /// Keys without their secrets.
  public func listKeys(_ request: ListKeysRequestView, _ call: ServerCall<ListKeysResponse>) {
    guard isOperator(call.handle) else { return }
    let name = request.integration.string
    let integrations: [StoredIntegration]
    do throws(RPCError) {
      integrations = try chosen(name)
    } catch {
      return call.fail(error)
    }
    let now = ServerClock.now
    var response = ListKeysResponse()
    response.keys = integrations.flatMap { integration in
      catalogue.keys(of: integration.id).map { Key($0, integration: integration.name, now: now) }
    }
    call.answer(response)
  }

  /// Ends a key at once, also on connections that are open.
  public func revokeKey(_ request: RevokeKeyRequestView, _ call: ServerCall<RevokeKeyResponse>) {
    let id = request.keyID.string
    change(
      call,
      { () throws(RPCError) in
        .revokeKey(id: try knownKey(id).id)
      },
      { [catalogue] outcome in
        guard case .key(let key) = outcome else { return nil }
        var response = RevokeKeyResponse()
        response.key = Key(
          key, integration: catalogue.name(of: key.integration), now: ServerClock.now)
        return response
      })
  }
}

extension Key {
  /// A key without its secret.
  init(_ stored: StoredKey, integration: String, now: Instant) {
    self.init()
    id = stored.id
    self.integration = integration
    createdAt = Timestamp(stored.createdAt)
    expiresAt = Timestamp(stored.expiresAt)
    revokedAt = Timestamp(stored.revokedAt)
    lastUsedAt = Timestamp(stored.lastUse?.at)
    lastUsedFrom = stored.lastUse?.from ?? ""
    createdBy = stored.createdBy
    live = stored.isLive(at: now)
  }
}
