import Credentials
import IntegrationAPI
import IntegrationStore
import RPCInProcess
import RPCServer
import RPCWire
import TestSupport

@testable import IntegrationService

/// A whole service over a store that counts its commits, with one integration and one agent.
final class Stage: Sendable {
  static let integration = "customsoft"

  let store: CountingStore
  let service: IntegrationService
  let operators: OperatorServiceClient
  let agent: AgentServiceClient
  private let server: RPCServer
  private let directory: ScratchDirectory

  init() async throws {
    directory = try ScratchDirectory()
    store = try CountingStore(directory: directory.path)
    var configuration = ServiceConfiguration()
    configuration.sealingKey = try SealingKey.generate()
    service = IntegrationService(store: store, configuration: configuration)
    try await service.load()
    var router = ServiceRouter()
    service.register(in: &router)
    server = RPCServer(
      configuration: RPCServerConfiguration(), router: router,
      authenticator: service.authenticator, observer: service)
    try server.start()
    service.attach(to: server, addresses: [])
    operators = OperatorServiceClient(channel: server.makeInProcessChannel(as: .localOperator))
    var create = CreateIntegrationRequest()
    create.name = Self.integration
    create.author = "CustomSoft Inc."
    create.supportContact = "help@customsoft.example"
    _ = try await operators.createIntegration(create)
    let stored = service.catalogue.integration(named: Self.integration)
    let id = stored?.id ?? 0
    agent = AgentServiceClient(
      channel: server.makeInProcessChannel(
        as: .agent(of: id, catalogue: service.catalogue, key: "")))
    try await register()
  }

  private func register() async throws {
    var action = ActionDefinition()
    action.type = "export_quote"
    action.entityType = "quote"
    action.canBeRequested = true
    var request = RegisterActionRequest()
    request.agentID = "agent-1"
    request.actions = [action]
    _ = try await agent.registerAction(request)
  }

  func end() async {
    server.stopNow()
    await server.waitUntilStopped()
    await service.stop()
    await store.close()
  }

  func poll(waitMs: UInt32 = 60_000) async throws -> PollRequestsResponse {
    var request = PollRequestsRequest()
    request.agentID = "agent-1"
    request.waitMs = waitMs
    return try await agent.pollRequests(request)
  }

  func heartbeat() async throws {
    var request = HeartbeatRequest()
    request.agentID = "agent-1"
    request.instanceID = "process-1"
    request.intervalMs = 10_000
    _ = try await agent.heartbeat(request)
  }

  /// Asks for an action; an id that is in the store already is refused.
  func request(_ entity: String, key: String = "") async throws -> ActionLog {
    var request = CreateRequestRequest()
    request.integration = Self.integration
    request.actionType = "export_quote"
    request.idempotencyKey = key
    request.entity = Entity()
    request.entity?.id = entity
    return try await operators.createRequest(request).log ?? ActionLog()
  }

  /// Stores a request while other submits are kept out; returns the log's id.
  func storeRequest() async -> String {
    let integration = service.catalogue.integration(named: Self.integration)?.id ?? 0
    let id = IntegrationService.newLogID()
    let command = CreateRequest(
      integration: integration, actionType: "export_quote", logID: id,
      entity: EntityReference(type: "quote", id: "Q-1"), input: "", idempotencyKey: "",
      notBefore: nil, principal: "operator:local")
    await withCheckedContinuation { continuation in
      _ = store.submitAtOnce { batch in
        batch.append(
          .createRequest(command), now: ServerClock.now,
          origin: .completion { _ in continuation.resume() })
      }
    }
    return id.description
  }

  func untilPollWaits() async throws {
    try await eventually("a poll waits") {
      self.service.polls.waitingCount == 1 ? true : nil
    }
  }
}
