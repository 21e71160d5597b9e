import Credentials
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

/// A service on real sockets, with a credential of each kind.
final class AccessStage: Sendable {
  let harness: Harness
  let tcp: ListenAddress
  let unix: ListenAddress
  private let scratch: ScratchDirectory
  private let secrets: [Caller: String]

  init() async throws {
    // Each call of the matrix is a login of its own, from one address.
    var limits = ServiceLimits()
    limits.maximumFailedLogins = 1_000
    let harness = try await Harness(limits: limits)
    self.harness = harness
    scratch = try ScratchDirectory()
    let addresses = try harness.server.listen(
      on: [.tcp(host: "127.0.0.1", port: 0), .unix(path: scratch.file("s"))])
    (tcp, unix) = (addresses[0], addresses[1])
    var secrets: [Caller: String] = [:]
    secrets[.agent] = try await harness.createIntegration()
    for caller in [Caller.viewer, .operator, .admin] {
      secrets[caller] = try await harness.createToken("\(caller)", try #require(caller.role)).secret
    }
    secrets[.stranger] = try AccessKey.generate(.operator).secretText
    let (id, secret) = try await harness.createToken("gone", .admin)
    var revoke = RevokeTokenRequest()
    revoke.tokenID = id
    _ = try await harness.operators.revokeToken(revoke)
    secrets[.revokedToken] = secret
    secrets[.expiredToken] = try await harness.storeToken("late", .admin, endsAfterMs: -1)
    secrets[.expiredKey] = try await harness.storeKey(endsAfterMs: -1)
    var create = CreateKeyRequest()
    create.integration = "customsoft"
    let key = try await harness.operators.createKey(create)
    var revokeKey = RevokeKeyRequest()
    revokeKey.keyID = key.key?.id ?? ""
    _ = try await harness.operators.revokeKey(revokeKey)
    secrets[.revokedKey] = key.secret
    self.secrets = secrets
  }

  /// Every method of the schema, as the router has them.
  var methods: [MethodDescriptor] {
    var router = ServiceRouter()
    harness.service.register(in: &router)
    return router.methods
  }

  /// A connection of a caller: over TCP with its secret, or over the Unix socket without one.
  func connect(_ caller: Caller) async throws(RPCError) -> RPCConnection {
    try await connect(token: secrets[caller] ?? "", to: caller == .local ? unix : tcp)
  }

  func connect(
    token: String, to address: ListenAddress? = nil
  ) async throws(RPCError) -> RPCConnection {
    try await RPCConnection.connect(
      to: address ?? tcp,
      hello: ClientIdentity(token: token, clientName: "tests", clientVersion: "1"))
  }

  /// What a call with an empty payload fails with; nil: it was answered.
  func call(_ method: MethodDescriptor, as caller: Caller) async -> RPCError? {
    do throws(RPCError) {
      let connection = try await connect(caller)
      let options = CallOptions(deadline: .milliseconds(200))
      guard method.isServerStreaming else {
        _ = try await connection.call(method, payload: [], options: options)
        return nil
      }
      let stream = connection.stream(method, payload: [], options: options)
      while try await stream.next() != nil {}
      return nil
    } catch {
      return error
    }
  }
}

extension Harness {
  /// Makes a token as an admin does.
  func createToken(
    _ name: String, _ role: OperatorRole
  ) async throws -> (id: String, secret: String) {
    var request = CreateTokenRequest()
    request.name = name
    request.role = Role(role)
    let reply = try await operators.createToken(request)
    return (try #require(reply.token).id, reply.secret)
  }

  /// Stores a token that ends at a time, which no call may set in the past.
  func storeToken(_ name: String, _ role: OperatorRole, endsAfterMs: Int64) async throws -> String {
    let key = try AccessKey.generate(.operator)
    let now = ServerClock.now
    _ = try await store.perform(
      .createToken(
        StoredToken(
          id: key.id, name: name, role: role, secretHash: key.digest, createdAt: now,
          createdBy: "operator:local", expiresAt: now.adding(milliseconds: endsAfterMs))),
      now: now)
    return key.secretText
  }

  /// Stores a key of `customsoft` that ends at a time.
  func storeKey(endsAfterMs: Int64) async throws -> String {
    let key = try AccessKey.generate(.integration)
    let now = ServerClock.now
    let integration = try #require(service.catalogue.integration(named: "customsoft"))
    _ = try await store.perform(
      .createKey(
        StoredKey(
          id: key.id, integration: integration.id, secretHash: key.digest, sealedSecret: [],
          createdAt: now, createdBy: "operator:local",
          expiresAt: now.adding(milliseconds: endsAfterMs))), now: now)
    return key.secretText
  }

  /// The audit, newest first.
  func audit(_ change: (inout ListAuditRequest) -> Void = { _ in }) async throws -> [AuditEntry] {
    var request = ListAuditRequest()
    request.pageSize = 1_000
    change(&request)
    return try await operators.listAudit(request).entries
  }
}
