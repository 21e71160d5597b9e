import Credentials
import Glibc
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire

/// Decides from memory whom a credential names.
///
/// An API key names its integration, an operator's token its operator. Without either, the server's
/// own user and root are the operator `local` on a Unix socket, where the kernel vouches for the
/// peer (SO_PEERCRED, unix(7)).
final class KeyAuthenticator: Authenticator {
  private let catalogue: Catalogue
  private let tokens: TokenTable
  private let failedLogins: FailedLogins
  private let ownUserID: UInt32

  init(
    catalogue: Catalogue, tokens: TokenTable, failedLogins: FailedLogins,
    ownUserID: UInt32 = geteuid()
  ) {
    self.catalogue = catalogue
    self.tokens = tokens
    self.failedLogins = failedLogins
    self.ownUserID = ownUserID
  }

  func authenticate(_ credential: Credential) -> Result<Principal, RPCError> {
    credential.token.isEmpty ? byPeer(credential.peer) : byToken(credential)
  }

  private func byPeer(_ peer: PeerAddress) -> Result<Principal, RPCError> {
    switch peer {
    case .unix(let userID, _) where userID == ownUserID || userID == 0:
      return .success(.localOperator)
    case .unix(let userID, _):
      return .failure(
        RPCError(
          .unauthenticated,
          "user \(userID) is neither the server's own user (\(ownUserID)) nor root: show a token",
          reason: WireReason.tokenMissing))
    case .tcp, .inProcess:
      return .failure(
        RPCError(
          .unauthenticated,
          "a token is needed here: an integration's API key (imk_…) or an operator's token "
            + "(imo_…); only the server's own user and root need none, on the Unix socket",
          reason: WireReason.tokenMissing))
    }
  }

  private func byToken(_ credential: Credential) -> Result<Principal, RPCError> {
    let key: AccessKey
    do {
      key = try AccessKey(parsing: credential.token)
    } catch {
      let error = RPCError(.unauthenticated, error.description, reason: WireReason.tokenInvalid)
      return failed(error, credential, shown: "malformed")
    }
    let use = CredentialUse(at: ServerClock.now, from: credential.peer.host)
    let result =
      switch key.kind {
      case .integration: integration(key, use)
      case .operator: `operator`(key, use)
      }
    guard case .failure(let error) = result else { return result }
    return failed(error, credential, shown: key.description)
  }

  private func failed(
    _ error: RPCError, _ credential: Credential, shown: String
  ) -> Result<Principal, RPCError> {
    #if PLANTED_PLAIN_KEY_IN_LOG
      let shown = String(decoding: credential.token, as: UTF8.self)
    #endif
    return .failure(
      failedLogins.answer(
        to: credential.peer, error, credential: shown,
        atMs: ServiceTimer<IntegrationService.Deadline>.nowMs))
  }

  private func integration(_ key: AccessKey, _ use: CredentialUse) -> Result<Principal, RPCError> {
    let named = catalogue.key(key.id)
    guard key.matches(digest: named?.secretHash ?? AccessKey.noDigest), let stored = named else {
      return .failure(
        .credentialUnknown(
          "the key \(key)", see: "an operator sees its keys with `integrationctl keys list`"))
    }
    guard stored.isLive(at: use.at) else {
      return .failure(
        .credentialEnded(
          "the key \(key)", isRevoked: stored.revokedAt != nil,
          next: "make another with `integrationctl keys create`"))
    }
    catalogue.keyUsed(stored.id, use)
    return .success(.agent(of: stored.integration, catalogue: catalogue, key: stored.id))
  }

  private func `operator`(_ key: AccessKey, _ use: CredentialUse) -> Result<Principal, RPCError> {
    let named = tokens.token(key.id)
    guard key.matches(digest: named?.secretHash ?? AccessKey.noDigest), let stored = named else {
      return .failure(
        .credentialUnknown(
          "the token \(key)", see: "an admin sees its tokens with `integrationctl tokens list`"))
    }
    guard stored.isLive(at: use.at) else {
      return .failure(
        .credentialEnded(
          "the token \(key)", isRevoked: stored.revokedAt != nil,
          next: "an admin makes another with `integrationctl tokens create`"))
    }
    tokens.used(stored.id, use)
    return .success(
      .operator(
        stored.name, role: stored.role, tokenID: stored.credentialID, address: use.from))
  }
}

extension Principal {
  /// An integration's agent behind one connection.
  static func agent(
    of integration: IntegrationID, catalogue: Catalogue, key: String
  ) -> Principal {
    Principal(
      name: "integration:\(catalogue.name(of: integration))", kind: .agent, id: integration,
      credentialID: key, attachment: AgentSession(integration: integration, keyID: key))
  }
}

extension RPCError {
  fileprivate static func credentialUnknown(_ what: String, see: String) -> RPCError {
    RPCError(
      .unauthenticated, "\(what) is not one of this server's: \(see)",
      reason: WireReason.tokenInvalid)
  }

  fileprivate static func credentialEnded(
    _ what: String, isRevoked: Bool, next: String
  ) -> RPCError {
    RPCError(
      .unauthenticated, "\(what) \(isRevoked ? "was revoked" : "has expired"): \(next)",
      reason: WireReason.tokenRevoked)
  }
}
