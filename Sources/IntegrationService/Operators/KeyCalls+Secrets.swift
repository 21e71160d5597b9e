import Credentials
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire

extension IntegrationService {
  /// How long old keys last after a rotation that names no time.
  static let defaultExpireOldMs: UInt64 = 86_400_000
  /// The longest that a rotation lets old keys last: 365 days.
  static let maximumExpireOldMs: UInt64 = 31_536_000_000

  /// Shows a key that is stored sealed; it is shown only when the audit has it on disk.
  public func revealKey(
    _ request: RevealKeyRequestView, _ call: ServerCall<RevealKeyResponse>
  ) {
    let id = request.keyID.string
    read(call) { [self] () async throws(RPCError) in
      let key = try knownKey(id)
      let integration = catalogue.name(of: key.integration)
      let secret = try secret(of: key, integration)
      try await recordAudit(
        AuditRecord(target: "key/\(id)", after: ["integration": integration, "shown": "yes"]),
        for: call)
      var response = RevealKeyResponse()
      response.key = Key(key, integration: integration, now: ServerClock.now)
      response.secret = secret
      return response
    }
  }

  private func secret(of key: StoredKey, _ integration: String) throws(RPCError) -> String {
    let next =
      "it goes on working; to have one that can be shown: "
      + "`integrationctl keys rotate \(integration)`"
    guard let sealingKey = configuration.sealingKey, !key.sealedSecret.isEmpty else {
      throw RPCError(
        .failedPrecondition,
        "the key \(key.id) is not stored so that it could be shown again; " + next,
        reason: Reason.keyNotSealed)
    }
    do {
      var secret = try sealingKey.open(key.sealedSecret, context: key.id)
      defer { Cryptography.wipe(&secret) }
      return String(decoding: secret, as: UTF8.self)
    } catch {
      throw RPCError(
        .failedPrecondition,
        "the key \(key.id) was sealed with another sealing.key than the one in the data directory "
          + "(restored from a backup?); put that file back, or leave the key: " + next,
        reason: Reason.keySealBroken)
    }
  }

  /// A new key, while the old ones last a little longer; agents are told.
  public func rotateKey(
    _ request: RotateKeyRequestView, _ call: ServerCall<RotateKeyResponse>
  ) {
    let name = request.integration.string
    let expireOldMs =
      request.expireOldMs == 0 ? Self.defaultExpireOldMs : request.expireOldMs
    let made: NewKey
    do throws(RPCError) {
      guard expireOldMs <= Self.maximumExpireOldMs else {
        throw .invalid(
          "expire_old_ms",
          "expected at most \(Self.maximumExpireOldMs), which is 365 days; it is \(expireOldMs)")
      }
      made = try newKey(
        integration: try known(name).id, by: call.principal, now: call.now.instant)
    } catch {
      return call.fail(error)
    }
    let end = call.now.instant.adding(milliseconds: Int64(expireOldMs))
    perform(.rotateKey(made.stored, expireOldAt: end), call) { outcome in
      guard case .rotated(let key, let expiring) = outcome else { return nil }
      let now = ServerClock.now
      var response = RotateKeyResponse()
      response.key = Key(key, integration: name, now: now)
      response.secret = made.secret
      response.expiring = expiring.map { Key($0, integration: name, now: now) }
      return response
    }
  }
}
