import Credentials
import Glibc
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire

/// Decides from memory whom a credential names.
///
/// An API key names its integration. Without one, the server's own user and root are the operator
/// `local` on a Unix socket, where the kernel vouches for the peer (SO_PEERCRED, unix(7)).
final class KeyAuthenticator: Authenticator {
  private let catalogue: Catalogue
  private let ownUserID: UInt32

  init(catalogue: Catalogue, ownUserID: UInt32 = geteuid()) {
    self.catalogue = catalogue
    self.ownUserID = ownUserID
  }

  func authenticate(_ credential: Credential) -> Result<Principal, RPCError> {
    credential.token.isEmpty ? byPeer(credential.peer) : byKey(credential.token)
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
          "a token is needed here: an integration's API key (imk_…); only the server's own user "
            + "and root need none, on the Unix socket",
          reason: WireReason.tokenMissing))
    }
  }

  private func byKey(_ token: [UInt8]) -> Result<Principal, RPCError> {
    let key: APIKey
    do {
      key = try APIKey(parsing: token)
    } catch {
      return .failure(
        RPCError(.unauthenticated, error.description, reason: WireReason.tokenInvalid))
    }
    guard let stored = catalogue.key(key.id), key.matches(digest: stored.secretHash) else {
      return .failure(
        RPCError(
          .unauthenticated,
          "the key \(key) is not one of this server's: an operator sees its keys with "
            + "`integrationctl keys list`",
          reason: WireReason.tokenInvalid))
    }
    let now = ServerClock.now
    guard stored.isLive(at: now) else {
      let what = stored.revokedAt == nil ? "has expired" : "was revoked"
      return .failure(
        RPCError(
          .unauthenticated,
          "the key \(key) \(what): make another with `integrationctl keys create`",
          reason: WireReason.tokenRevoked))
    }
    catalogue.keyUsed(stored.id, at: now)
    return .success(.agent(of: stored.integration, catalogue: catalogue, key: stored.id))
  }
}

extension Principal {
  /// Whoever has the server's own user id, or root's, on its Unix socket.
  static var localOperator: Principal {
    Principal(name: "operator:local", kind: .operator, id: 0, credentialID: "")
  }

  /// An integration's agent behind one connection.
  static func agent(
    of integration: IntegrationID, catalogue: Catalogue, key: String
  ) -> Principal {
    Principal(
      name: "integration:\(catalogue.name(of: integration))", kind: .agent, id: integration,
      credentialID: key, attachment: AgentSession(integration: integration))
  }
}
