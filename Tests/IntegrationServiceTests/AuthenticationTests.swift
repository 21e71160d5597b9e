import Credentials
import IntegrationAPI
import IntegrationModel
import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Whom a credential names")
struct AuthenticationTests {
  static func credential(
    _ token: String, peer: PeerAddress = .tcp("127.0.0.1:1")
  ) -> Credential {
    Credential(token: Array(token.utf8), peer: peer, clientName: "test", clientVersion: "")
  }

  static func reason(_ result: Result<Principal, RPCError>) -> String {
    switch result {
    case .success(let principal): principal.name
    case .failure(let error): "\(error.code) \(error.reason)"
    }
  }

  @Test("A key opens its integration, until it is revoked")
  func key() async throws {
    let harness = try await Harness()
    let secret = try await harness.createIntegration()
    let authenticator = harness.service.authenticator
    let opened = authenticator.authenticate(Self.credential(secret))
    #expect(Self.reason(opened) == "integration:customsoft")
    var revoke = RevokeKeyRequest()
    revoke.keyID = String(secret.dropFirst(4).prefix(8))
    let revoked = try await harness.operators.revokeKey(revoke)
    #expect(revoked.key?.live == false)
    #expect(
      Self.reason(authenticator.authenticate(Self.credential(secret)))
        == "UNAUTHENTICATED TOKEN_REVOKED")
  }

  @Test("A key that was mistyped, cut, or is of another server is refused")
  func wrongKeys() async throws {
    let harness = try await Harness()
    let secret = try await harness.createIntegration()
    let other = try AccessKey.generate(.integration).secretText
    // The name of a key that exists with another's random part, and a checksum that fits: only the
    // digest can tell.
    for token in [other, String(secret.dropLast()), secret + "0", "imk_", "x", "\u{0}"] {
      let result = harness.service.authenticator.authenticate(Self.credential(token))
      #expect(Self.reason(result) == "UNAUTHENTICATED TOKEN_INVALID")
    }
  }

  @Test("No message of a refusal holds any of the token")
  func noSecrets() async throws {
    let harness = try await Harness()
    let other = try AccessKey.generate(.integration).secretText
    let result = harness.service.authenticator.authenticate(Self.credential(other))
    guard case .failure(let error) = result else {
      Issue.record("a strange key was taken")
      return
    }
    #expect(!error.message.contains(other.dropFirst(12).prefix(32)))
  }

  @Test(
    "On the Unix socket the own user and root need no token; others do, and everybody over TCP",
    arguments: [
      (PeerAddress.unix(userID: 1_000, processID: 1), "operator:local"),
      (.unix(userID: 0, processID: 1), "operator:local"),
      (.unix(userID: 1_001, processID: 1), "UNAUTHENTICATED TOKEN_MISSING"),
      (.tcp("127.0.0.1:9"), "UNAUTHENTICATED TOKEN_MISSING"),
    ])
  func peers(peer: PeerAddress, expected: String) {
    let authenticator = KeyAuthenticator(
      catalogue: Catalogue(), tokens: TokenTable(),
      failedLogins: FailedLogins(limits: ServiceLimits()), ownUserID: 1_000)
    #expect(Self.reason(authenticator.authenticate(Self.credential("", peer: peer))) == expected)
  }

  @Test("Revoking a key closes the connections that it has opened, and no others")
  func revokeCloses() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.createIntegration("other")
    let bystander = TestAgent(id: "b", channel: try harness.connection(of: "other"))
    _ = try await bystander.heartbeat()
    async let waiting = failure { try await agent.poll(waitMs: 60_000) }
    try await eventually("the poll waits") { harness.service.polls.count == 1 ? true : nil }
    var revoke = RevokeKeyRequest()
    revoke.keyID = try #require(harness.service.catalogue.keys(of: 1).first?.id)
    _ = try await harness.operators.revokeKey(revoke)
    let ended = try await waiting
    #expect(ended.reason == "TOKEN_REVOKED", "\(ended)")
    _ = try await bystander.heartbeat()
    #expect(try await failure { try await agent.heartbeat() }.code != .ok)
  }

  @Test("An integration has at most two live keys; a revoked one makes room")
  func twoKeys() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    var create = CreateKeyRequest()
    create.integration = "customsoft"
    let second = try await harness.operators.createKey(create)
    #expect(second.secret.hasPrefix("imk_\(second.key?.id ?? "?")"))
    #expect(
      try await failure { try await harness.operators.createKey(create) }.reason
        == "TOO_MANY_KEYS")
    var revoke = RevokeKeyRequest()
    revoke.keyID = second.key?.id ?? ""
    _ = try await harness.operators.revokeKey(revoke)
    _ = try await harness.operators.createKey(create)
    var list = ListKeysRequest()
    list.integration = "customsoft"
    let keys = try await harness.operators.listKeys(list).keys
    #expect(keys.count == 3)
    #expect(keys.filter { !$0.live }.map(\.id) == [revoke.keyID])
    #expect(keys.allSatisfy { $0.createdBy == "operator:local" })
  }
}
