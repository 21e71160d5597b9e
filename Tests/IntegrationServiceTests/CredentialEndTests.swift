import Credentials
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCClient
import RPCInProcess
import RPCServer
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Keys and tokens: their lives and their ends", .limit(minutes: 3))
struct CredentialEndTests {
  private static func operators(_ connection: RPCConnection) -> OperatorServiceClient {
    OperatorServiceClient(channel: connection)
  }

  @Test("A token names its operator and role, and says when and from where it was used")
  func token() async throws {
    let stage = try await AccessStage()
    let viewer = Self.operators(try await stage.connect(.viewer))
    let info = try await viewer.getServerInfo(GetServerInfoRequest())
    #expect(info.principal == "operator:viewer" && info.role == .viewer)
    let local = try await stage.harness.operators.getServerInfo(GetServerInfoRequest())
    #expect(local.principal == "operator:local" && local.role == .admin)
    let tokens = try await stage.harness.operators.listTokens(ListTokensRequest()).tokens
    let live = tokens.filter(\.live).map(\.name).sorted()
    #expect(live == ["admin", "operator", "viewer"])
    #expect(tokens.filter { !$0.live }.map(\.name).sorted() == ["gone", "late"])
    let used = tokens.filter { $0.lastUsedAt != nil }
    #expect(used.map(\.name) == ["viewer"] && used.map(\.lastUsedFrom) == ["127.0.0.1"])
    // It is still known after a restart.
    let directory = await stage.harness.stop()
    let again = try await Harness(directory: directory)
    let kept = try await again.operators.listTokens(ListTokensRequest()).tokens
    #expect(kept == tokens)
  }

  @Test("A start with another sealing key says which keys cannot be shown")
  func otherSealingKey() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    #expect(harness.lines.count(with: "event=sealing_key_other") == 0)
    // Each harness has a sealing key of its own.
    let again = try await Harness(directory: await harness.stop())
    #expect(again.lines.count(with: "level=warning event=sealing_key_other keys=1") == 1)
  }

  @Test("A token that is revoked ends calls that wait, on its open connections only")
  func revokeToken() async throws {
    let stage = try await AccessStage()
    let ended = Self.operators(try await stage.connect(.viewer))
    let bystander = Self.operators(try await stage.connect(.operator))
    _ = try await bystander.getServerInfo(GetServerInfoRequest())
    async let tail = failure { for try await _ in ended.tailLogs(TailLogsRequest()) {} }
    try await eventually("the tail waits") { stage.harness.service.tails.count == 1 ? true : nil }
    var revoke = RevokeTokenRequest()
    // By its name: two tokens that were made in one millisecond have no order.
    let tokens = stage.harness.service.tokens.all()
    revoke.tokenID = try #require(tokens.first { $0.name == "viewer" }).id
    let reply = try await stage.harness.operators.revokeToken(revoke)
    #expect(reply.token?.live == false)
    #expect(try await tail.reason == "TOKEN_REVOKED")
    _ = try await bystander.getServerInfo(GetServerInfoRequest())
    let refused = try await failure {
      try await Self.operators(try await stage.connect(.viewer)).getStatus(GetStatusRequest())
    }
    #expect(refused.reason == "TOKEN_REVOKED")
  }

  @Test("An admin who ends the own token gets the answer, then the connection closes")
  func revokeOwnToken() async throws {
    let stage = try await AccessStage()
    let (id, secret) = try await stage.harness.createToken("brief", .admin)
    let own = Self.operators(try await stage.connect(token: secret))
    var revoke = RevokeTokenRequest()
    revoke.tokenID = id
    #expect(try await own.revokeToken(revoke).token?.live == false)
    try await eventually("the connection ends") {
      await stage.isRefused { try await own.getServerInfo(GetServerInfoRequest()) }
    }
  }

  @Test("A key that is revoked over a real socket ends the agent's open poll at once")
  func revokeKey() async throws {
    let stage = try await AccessStage()
    let agent = AgentServiceClient(channel: try await stage.connect(.agent))
    var poll = PollRequestsRequest()
    poll.agentID = "agent-1"
    poll.waitMs = 60_000
    poll.maximumRequests = 1
    let sent = poll
    async let waiting = failure { try await agent.pollRequests(sent) }
    try await eventually("the poll waits") { stage.harness.service.polls.count == 1 ? true : nil }
    let key = try #require(stage.harness.service.catalogue.keys(of: 1).first { $0.lastUse != nil })
    #expect(key.lastUse?.from == "127.0.0.1")
    var revoke = RevokeKeyRequest()
    revoke.keyID = key.id
    _ = try await stage.harness.operators.revokeKey(revoke)
    #expect(try await waiting.reason == "TOKEN_REVOKED")
  }

  @Test("A token and a key that expire close their connections by themselves")
  func expiry() async throws {
    let stage = try await AccessStage()
    let token = try await stage.harness.storeToken("short", .viewer, endsAfterMs: 300)
    let key = try await stage.harness.storeKey(endsAfterMs: 300)
    let viewer = Self.operators(try await stage.connect(token: token))
    let agent = AgentServiceClient(channel: try await stage.connect(token: key))
    async let tail = failure { for try await _ in viewer.tailLogs(TailLogsRequest()) {} }
    var poll = PollRequestsRequest()
    poll.agentID = "agent-1"
    poll.waitMs = 60_000
    let sent = poll
    // Another key goes on, which the agent hears first.
    let told = try await agent.pollRequests(sent)
    #expect(told.directives.map { $0.rotateKeyEnd != nil } == [true])
    let waiting = try await failure { try await agent.pollRequests(sent) }
    #expect(waiting.reason == "TOKEN_REVOKED")
    #expect(try await tail.reason == "TOKEN_REVOKED")
  }

  @Test("A token that ends while others are being closed is closed next")
  func endBetween() async throws {
    let stage = try await AccessStage()
    let service = stage.harness.service
    // The timer stays out of it until the token has ended.
    service.credentialsDueMs.withLock { $0 = 0 }
    let token = try await stage.harness.storeToken("short", .viewer, endsAfterMs: 2_000)
    let viewer = Self.operators(try await stage.connect(token: token))
    _ = try await viewer.getServerInfo(GetServerInfoRequest())
    let before = ServerClock.now
    let stored = try #require(service.tokens.all().first { $0.name == "short" })
    try await eventually("the token ends") { stored.isLive(at: ServerClock.now) ? nil : true }
    service.endExpired(by: before)
    try await eventually("the connection ends") {
      await stage.isRefused { try await viewer.getServerInfo(GetServerInfoRequest()) }
    }
  }

  @Test("Wrong names, roles and times of a new token are named, each")
  func wrongToken() async throws {
    let harness = try await Harness()
    var request = CreateTokenRequest()
    request.name = "Alice Smith"
    request.expiresAt = .init(Instant(milliseconds: 1_000))
    let wrong = try await failure { [request] in try await harness.operators.createToken(request) }
    #expect(wrong.violations.map(\.field) == ["name", "role", "expires_at"])
    request.name = "local"
    request.role = .admin
    request.expiresAt = nil
    let taken = try await failure { [request] in try await harness.operators.createToken(request) }
    #expect(taken.violations.map(\.field) == ["name"])
    var revoke = RevokeTokenRequest()
    revoke.tokenID = "nothing0"
    let unknown = try await failure { [revoke] in try await harness.operators.revokeToken(revoke) }
    #expect(unknown.reason == "TOKEN_UNKNOWN" && unknown.code == .notFound)
    _ = try await harness.createToken("alice", .viewer)
    _ = try await harness.createToken("alice", .operator)
    let many = try await failure { try await harness.createToken("alice", .viewer) }
    #expect(many.reason == "TOO_MANY_TOKENS")
    #expect(try await harness.operators.listTokens(ListTokensRequest()).tokens.count == 2)
  }

  @Test("A rotation ends old keys after a while and tells their agents, and no others, at once")
  func rotation() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    async let waiting = agent.poll(waitMs: 60_000)
    try await eventually("the poll waits") { harness.service.polls.count == 1 ? true : nil }
    var rotate = RotateKeyRequest()
    rotate.integration = "customsoft"
    rotate.expireOldMs = 3_600_000
    let before = ServerClock.now
    let reply = try await harness.operators.rotateKey(rotate)
    #expect(reply.secret.hasPrefix("imk_\(reply.key?.id ?? "?")"))
    let end = try #require(reply.expiring.first?.expiresAt?.instant)
    #expect(end.milliseconds(since: before) >= 3_600_000)
    let told = try await waiting
    #expect(told.directives.map(\.rotateKeyEnd) == [end])
    // Whoever comes with the new key need not hear that the old one ends.
    let fresh = TestAgent(id: agent.id, channel: try harness.connection(key: reply.key?.id ?? ""))
    #expect(try await fresh.heartbeat().directives.isEmpty)
    // Two are live: nobody's key ends early.
    let refused = try await failure { [rotate] in try await harness.operators.rotateKey(rotate) }
    #expect(refused.reason == "TOO_MANY_KEYS")
    #expect(refused.message.contains("keys revoke \(reply.expiring.first?.id ?? "?")"))
    // A restart forgets nothing of it.
    let again = try await Harness(directory: await harness.stop())
    let old = TestAgent(
      id: agent.id, channel: try again.connection(key: reply.expiring.first?.id ?? ""))
    #expect(try await old.heartbeat().directives.map(\.rotateKeyEnd) == [end])
  }

  @Test("An old key that ends earlier anyway is not prolonged; the default is a day")
  func rotationTimes() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    var rotate = RotateKeyRequest()
    rotate.integration = "customsoft"
    let before = ServerClock.now
    let first = try await harness.operators.rotateKey(rotate)
    let end = try #require(first.expiring.first?.expiresAt?.instant)
    #expect((86_400_000..<86_460_000).contains(end.milliseconds(since: before)))
    var revoke = RevokeKeyRequest()
    revoke.keyID = first.expiring.first?.id ?? ""
    _ = try await harness.operators.revokeKey(revoke)
    rotate.expireOldMs = 60_000
    let second = try await harness.operators.rotateKey(rotate)
    #expect(second.expiring.map(\.id) == [first.key?.id ?? ""])
    rotate.expireOldMs = UInt64.max
    let wrong = try await failure { [rotate] in try await harness.operators.rotateKey(rotate) }
    #expect(wrong.violations.map(\.field) == ["expire_old_ms"])
  }

  @Test("A key is revealed from its seal; without seal, or under another sealing key, it says so")
  func reveal() async throws {
    let harness = try await Harness()
    let secret = try await harness.createIntegration()
    var reveal = RevealKeyRequest()
    reveal.keyID = String(secret.dropFirst(4).prefix(8))
    #expect(try await harness.operators.revealKey(reveal).secret == secret)
    let shown = try #require(try await harness.audit().first)
    #expect(shown.action == "RevealKey" && shown.target == "key/\(reveal.keyID)")
    let unsealed = try await harness.storeKey(endsAfterMs: 60_000)
    var other = RevealKeyRequest()
    other.keyID = String(unsealed.dropFirst(4).prefix(8))
    let none = try await failure { [other] in try await harness.operators.revealKey(other) }
    #expect(none.reason == "KEY_NOT_SEALED" && none.code == .failedPrecondition)
    other.keyID = "nothing0"
    let unknown = try await failure { [other] in try await harness.operators.revealKey(other) }
    #expect(unknown.reason == "KEY_UNKNOWN")
    // Each harness makes a sealing key of its own.
    let again = try await Harness(directory: await harness.stop())
    let broken = try await failure { [reveal] in try await again.operators.revealKey(reveal) }
    #expect(broken.reason == "KEY_SEAL_BROKEN" && broken.code == .failedPrecondition)
    #expect(try await again.audit { $0.action = "RevealKey" }.count == 1)
  }
}

extension Directive {
  /// When the key ends that the directive speaks of.
  var rotateKeyEnd: Instant? {
    if case .rotateKey(let rotate) = kind { rotate.currentKeyExpiresAt?.instant } else { nil }
  }
}

extension Harness {
  /// A connection of an agent of `customsoft` with one of its keys.
  func connection(key: String) throws -> InProcessChannel {
    let stored = try #require(service.catalogue.integration(named: "customsoft"))
    return server.makeInProcessChannel(
      as: .agent(of: stored.id, catalogue: service.catalogue, key: key))
  }
}

extension AccessStage {
  /// True once a call fails; nil before.
  func isRefused<Response>(_ body: () async throws -> Response) async -> Bool? {
    do {
      _ = try await body()
      return nil
    } catch {
      return true
    }
  }
}
