import Credentials
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("The audit")
struct AuditTests {
  /// One entry as a line, without number and time.
  static func line(_ entry: AuditEntry) -> String {
    var line = "\(entry.principal) \(entry.action) \(entry.target) \(entry.before)>\(entry.after)"
    if !entry.reason.isEmpty { line += " (\(entry.reason))" }
    return line
  }

  @Test("A new integration and its key are two entries, without secret and hash")
  func creation() async throws {
    let harness = try await Harness()
    let secret = try await harness.createIntegration()
    let id = String(secret.dropFirst(4).prefix(8))
    let entries = try await harness.audit { $0.oldestFirst = true }
    #expect(
      entries.map(Self.line) == [
        "operator:local CreateIntegration integration/customsoft >{\"displayName\":\"customsoft\","
          + "\"author\":\"CustomSoft Inc.\",\"supportContact\":\"help@customsoft.example\","
          + "\"paused\":false}",
        "operator:local CreateIntegration key/\(id) >{\"integration\":\"customsoft\","
          + "\"createdBy\":\"operator:local\"}",
      ])
    #expect(entries.map(\.number) == [1, 2])
    #expect(entries.allSatisfy { $0.from == "unix" && $0.at != nil })
  }

  @Test("A change shows before and after, and the reason")
  func pause() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    var pause = PauseIntegrationRequest()
    pause.name = "customsoft"
    pause.reason = "a \"quoted\" reason\nwith\u{1}controls and é"
    _ = try await harness.operators.pauseIntegration(pause)
    let entry = try #require(try await harness.audit().first)
    #expect(entry.action == "PauseIntegration" && entry.reason == pause.reason)
    let after = try JSONParser.parse(entry.after)
    let before = try JSONParser.parse(entry.before)
    guard case .object(let paused) = after, case .object(let free) = before else {
      Issue.record("no JSON objects: \(entry)")
      return
    }
    #expect(paused["paused"] == .bool(true) && free["paused"] == .bool(false))
    #expect(paused["pauseReason"] == .string(pause.reason) && free["pauseReason"] == nil)
  }

  @Test("What was refused, and what changed nothing, leaves no entry")
  func nothing() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    var pause = PauseIntegrationRequest()
    pause.name = "customsoft"
    _ = try await harness.operators.pauseIntegration(pause)
    let count = try await harness.audit().count
    _ = try await harness.operators.pauseIntegration(pause)
    pause.name = "nobody"
    _ = try await failure { try await harness.operators.pauseIntegration(pause) }
    _ = try await failure { try await harness.createIntegration() }
    _ = try await harness.operators.listIntegrations(ListIntegrationsRequest())
    #expect(try await harness.audit().count == count)
  }

  @Test("Requests, retries, cancellations and drains are entered by their targets")
  func work() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let log = try await harness.request("Q-7")
    var cancel = CancelRequestRequest()
    cancel.id = log.id
    cancel.reason = "wrong quote"
    _ = try await harness.operators.cancelRequest(cancel)
    var retry = RetryLogRequest()
    retry.id = log.id
    let retried = try #require(try await harness.operators.retryLog(retry).log)
    var drain = DrainAgentRequest()
    drain.integration = "customsoft"
    drain.agentID = agent.id
    drain.reason = "new version"
    _ = try await harness.operators.drainAgent(drain)
    let queued = "{\"integration\":\"customsoft\",\"actionType\":\"export_quote\","
    #expect(
      try await harness.audit().prefix(4).map(Self.line) == [
        "operator:local DrainAgent agent/customsoft/agent-1 >{\"drainReason\":\"new version\"}"
          + " (new version)",
        "operator:local RetryLog log/\(retried.id) >\(queued)\"status\":\"QUEUED\","
          + "\"entity\":\"Q-7\",\"attempt\":2,\"retryOf\":\"\(log.id)\"}",
        "operator:local CancelRequest log/\(log.id) \(queued)\"status\":\"QUEUED\","
          + "\"entity\":\"Q-7\",\"attempt\":1}>\(queued)\"status\":\"CANCELLED\","
          + "\"entity\":\"Q-7\",\"attempt\":1} (wrong quote)",
        "operator:local CreateRequest log/\(log.id) >\(queued)\"status\":\"QUEUED\","
          + "\"entity\":\"Q-7\",\"attempt\":1}",
      ])
  }

  @Test("Filters narrow, and pages follow each other in both orders without a gap")
  func pages() async throws {
    let stage = try await AccessStage()
    let admin = OperatorServiceClient(channel: try await stage.connect(.admin))
    var create = CreateIntegrationRequest()
    create.author = "A"
    create.supportContact = "C"
    for number in 1...7 {
      create.name = "system-\(number)"
      _ = try await admin.createIntegration(create)
    }
    let mine = try await stage.harness.audit { $0.principal = "operator:admin" }
    #expect(mine.count == 14 && mine.allSatisfy { $0.from == "127.0.0.1" })
    let some = try await stage.harness.audit { $0.target = "integration" }
    #expect(some.count == 8 && some.allSatisfy { $0.target.hasPrefix("integration/") })
    #expect(try await stage.harness.audit { $0.target = "integration/system-1" }.count == 1)
    #expect(try await stage.harness.audit { $0.target = "integration/system" }.isEmpty)
    #expect(try await stage.harness.audit { $0.action = "RevokeKey" }.count == 1)
    let all = try await stage.harness.audit()
    #expect(all.map(\.number) == (1...UInt64(all.count)).reversed())
    #expect(try await stage.harness.audit { $0.since = all.last?.at }.count == all.count)
    #expect(try await stage.harness.audit { $0.until = all.last?.at }.isEmpty)
    for oldestFirst in [false, true] {
      var request = ListAuditRequest()
      request.pageSize = 4
      request.oldestFirst = oldestFirst
      var numbers: [UInt64] = []
      repeat {
        let page = try await admin.listAudit(request)
        numbers += page.entries.map(\.number)
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty
      #expect(numbers == (oldestFirst ? all.reversed() : all).map(\.number))
    }
  }

  @Test("Impossible filters and tokens of other lists are refused")
  func impossible() async throws {
    let harness = try await Harness()
    var request = ListAuditRequest()
    request.since = .init(ServerClock.now)
    request.until = request.since
    let wrong = try await failure { [request] in try await harness.operators.listAudit(request) }
    #expect(wrong.violations.map(\.field) == ["until"])
    for token in ["a1", "x", "d", "d0", "l", "d99999999999999999999"] {
      var request = ListAuditRequest()
      request.pageToken = token
      let sent = request
      let stale = try await failure { try await harness.operators.listAudit(sent) }
      #expect(stale.reason == "PAGE_TOKEN_INVALID", "\(token)")
    }
  }

  @Test("Neither the audit nor any file of the store has a secret in the clear")
  func noSecrets() async throws {
    let harness = try await Harness()
    var secrets = [try await harness.createIntegration()]
    secrets.append(try await harness.createToken("alice", .operator).secret)
    var rotate = RotateKeyRequest()
    rotate.integration = "customsoft"
    let rotated = try await harness.operators.rotateKey(rotate)
    secrets.append(rotated.secret)
    var reveal = RevealKeyRequest()
    reveal.keyID = try #require(rotated.key).id
    #expect(try await harness.operators.revealKey(reveal).secret == rotated.secret)
    let entries = try await harness.audit()
    #expect(entries.map(\.action).contains("RevealKey"))
    let shown = entries.map { $0.before + $0.after + $0.target + $0.reason }.joined()
    let directory = await harness.stop()
    // What is there in the clear is found.
    #expect(try !directory.files(with: "operator:local").isEmpty)
    for secret in secrets {
      let random = String(secret.dropFirst(12).prefix(32))
      #expect(!shown.contains(random))
      #expect(try directory.files(with: random).isEmpty)
    }
  }
}
