import IntegrationAPI
import IntegrationModel
import ProtobufRuntime
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("What a request may ask for")
struct RequestInputTests {
  static func create(
    _ harness: Harness, _ change: (inout CreateRequestRequest) -> Void
  ) async throws -> CreateRequestResponse {
    var request = CreateRequestRequest()
    request.integration = "customsoft"
    request.actionType = "export_quote"
    request.entity = Entity()
    request.entity?.id = "Q-1"
    change(&request)
    return try await harness.operators.createRequest(request)
  }

  @Test(
    "An input that the schema does not allow is refused, each wrong place named",
    arguments: [
      ("", ["input.file"]), ("{}", ["input.file"]), ("{\"file\": 3}", ["input.file"]),
      ("{\"file\"", ["input"]), ("[]", ["input"]),
    ])
  func input(input: String, fields: [String]) async throws {
    let harness = try await Harness()
    _ = try await harness.agent(declaring: [.bulkImport])
    let refused = try await failure {
      try await harness.request("", action: "bulk_import", input: input)
    }
    #expect(refused.code == .invalidArgument && refused.reason == "INPUT_INVALID")
    #expect(refused.violations.map(\.field) == fields)
  }

  @Test("An action without a schema takes no input")
  func noSchema() async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    let refused = try await failure { try await harness.request(input: "{}") }
    #expect(refused.reason == "INPUT_INVALID")
  }

  static let refusals: [(String, String, @Sendable (inout CreateRequestRequest) -> Void)] = [
    ("INTEGRATION_UNKNOWN", "", { $0.integration = "nobody" }),
    ("ACTION_UNKNOWN", "", { $0.actionType = "import_moon" }),
    ("FIELD_INVALID", "entity.id", { $0.entity = nil }),
    ("FIELD_INVALID", "entity.type", { $0.entity?.type = "order" }),
    (
      "FIELD_INVALID", "idempotency_key", { $0.idempotencyKey = String(repeating: "k", count: 257) }
    ),
    ("FIELD_INVALID", "entity.id", { $0.entity?.id = String(repeating: "k", count: 257) }),
  ]

  @Test("Each refusal has its reason and field", arguments: refusals.indices)
  func refused(index: Int) async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    let (reason, field, change) = Self.refusals[index]
    let refused = try await failure { try await Self.create(harness, change) }
    #expect(refused.reason == reason)
    #expect(refused.violations.map(\.field) == (field.isEmpty ? [] : [field]))
  }

  @Test(
    "A time that no calendar has is refused as not_before",
    arguments: [
      Timestamp(seconds: .max), Timestamp(seconds: -1), Timestamp(seconds: 253_402_300_800),
      Timestamp(seconds: 1, nanos: -1), Timestamp(seconds: 1, nanos: 1_000_000_000),
    ])
  func impossibleTime(time: Timestamp) async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    var request = CreateRequestRequest()
    request.integration = "customsoft"
    request.actionType = "export_quote"
    request.entity = Entity()
    request.entity?.id = "Q-1"
    request.notBefore = time
    let refused = try await failure { [request] in
      try await harness.operators.createRequest(request)
    }
    #expect(refused.reason == "FIELD_INVALID")
    #expect(refused.violations.map(\.field) == ["not_before"])
  }

  @Test("The same idempotency key brings back the first log")
  func idempotencyKey() async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    let first = try await Self.create(harness) { $0.idempotencyKey = "k1" }
    let again = try await Self.create(harness) { $0.idempotencyKey = "k1" }
    #expect(!first.duplicate && again.duplicate && again.log?.id == first.log?.id)
  }

  @Test("Only one request for a record is open, where the action says so")
  func oneOpen() async throws {
    var action = ActionDefinition.exportQuote
    action.oneOpenPerEntity = true
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [action])
    let open = try await harness.request("Q-1")
    #expect(
      try await failure { try await harness.request("Q-1") }.reason == "REQUEST_OPEN_FOR_ENTITY")
    try await harness.request("Q-2")
    let held = try #require(try await agent.poll().requests.first)
    #expect(held.logID == open.id)
    _ = try await agent.report(on: held, .completed)
    try await harness.request("Q-1")
  }

  @Test("An action that is retired, or may not be asked for, is refused")
  func notRequestable() async throws {
    var silent = ActionDefinition.bulkImport
    silent.canBeRequested = false
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [.exportQuote, silent])
    #expect(
      try await failure {
        try await harness.request("", action: "bulk_import", input: "{\"file\": \"a\"}")
      }.reason == "ACTION_NOT_REQUESTABLE")
    var complete = RegisterActionRequest()
    complete.agentID = agent.id
    complete.actions = [silent]
    complete.retireUndeclared = true
    _ = try await agent.client.registerAction(complete)
    #expect(try await failure { try await harness.request() }.reason == "ACTION_RETIRED")
  }

  @Test("An action's limit of attempts at once holds over all agents")
  func inFlight() async throws {
    var action = ActionDefinition.exportQuote
    action.maximumInFlight = 1
    let harness = try await Harness()
    let first = try await harness.agent("first", declaring: [action])
    let second = try await harness.agent("second", declaring: [action])
    try await harness.request("Q-1")
    let next = try await harness.request("Q-2")
    let held = try #require(try await first.poll(maximum: 10).requests.first)
    async let waiting = second.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    _ = try await first.report(on: held, .completed)
    #expect(try await waiting.requests.map(\.logID) == [next.id])
  }

  @Test("A failed attempt is retried by the policy, or by an operator, as a linked log")
  func retry() async throws {
    var action = ActionDefinition.exportQuote
    action.retry = RetryPolicy()
    action.retry?.maximumAttempts = 2
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [action])
    let original = try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report { report in
      report.logID = held.logID
      report.leaseToken = held.leaseToken
      report.status = .failed
      report.retryable = true
    }
    let again = try #require(try await agent.poll(waitMs: 10_000).requests.first)
    #expect(again.attempt == 2 && again.idempotencyKey == original.id)
    let log = try await harness.log(again.logID).log
    #expect(log?.retryOf == original.id && log?.trigger == .retry)
    _ = try await agent.report(on: again, .failed)
    var retry = RetryLogRequest()
    retry.id = again.logID
    let third = try await harness.operators.retryLog(retry).log
    #expect(third?.attempt == 3 && third?.retryOf == again.logID && third?.status == .queued)
    #expect(try await harness.log(again.logID).retriedBy == [third?.id])
  }

  static let wrongDeclarations: [(String, @Sendable (inout ActionDefinition) -> Void)] = [
    ("actions[0].type", { $0.type = "Export Quote" }),
    ("actions[0].entity_type", { $0.entityType = "Quote!" }),
    ("actions[0].input_schema", { $0.inputSchema = "{" }),
    ("actions[0].input_schema", { $0.inputSchema = "[]" }),
    ("actions[0].description", { $0.description = String(repeating: "x", count: 4_097) }),
    (
      "actions[0].retry.multiplier",
      {
        $0.retry = RetryPolicy(); $0.retry?.multiplier = .nan
      }
    ),
  ]

  @Test("Each wrong field of a declaration is named", arguments: wrongDeclarations.indices)
  func wrongDeclaration(index: Int) async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let (field, change) = Self.wrongDeclarations[index]
    var action = ActionDefinition.exportQuote
    change(&action)
    let refused = try await failure { [action] in try await agent.register([action]) }
    #expect(refused.violations.map(\.field) == [field])
  }

  @Test("The same declaration again changes nothing; another is a new revision")
  func revisions() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await agent.register([.exportQuote])
    #expect(harness.service.catalogue.action(1, "export_quote")?.revision == 1)
    var changed = ActionDefinition.exportQuote
    changed.description = "Writes it to CustomSoft."
    try await agent.register([changed])
    #expect(harness.service.catalogue.action(1, "export_quote")?.revision == 2)
  }
}
