import Credentials
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCInProcess
import RPCServer
import RPCWire
import SQLiteStore
import Synchronization
import TestSupport
import Testing

@testable import IntegrationService

/// The lines of a service's log, in their order.
final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])

  func append(_ line: String) {
    print(line)
    lines.withLock { $0.append(line) }
  }

  func count(with text: String) -> Int {
    lines.withLock { $0.count(where: { $0.contains(text) }) }
  }
}

/// A whole service over the real store, without a socket's address: one for each test.
final class Harness: Sendable {
  let store: SQLiteStore
  let service: IntegrationService
  let server: RPCServer
  let operators: OperatorServiceClient
  /// What the service has said in its log.
  let lines: LogLines
  private let directory: ScratchDirectory
  private let isStopped = Atomic<Bool>(false)

  /// Starts over a directory; a new one unless a directory is given, to start again over the same
  /// data.
  init(
    limits: ServiceLimits = ServiceLimits(), model: ModelLimits = ModelLimits(),
    directory: ScratchDirectory? = nil, maximumDatabaseBytes: Int64 = 0,
    configure: (inout ServiceConfiguration) -> Void = { _ in }
  ) async throws {
    let directory = try directory ?? ScratchDirectory()
    let lines = LogLines()
    self.lines = lines
    self.directory = directory
    var storeLimits = StoreLimits()
    storeLimits.model = model
    storeLimits.maximumDatabaseBytes = maximumDatabaseBytes
    store = try SQLiteStore(directory: directory.path, limits: storeLimits)
    var configuration = ServiceConfiguration()
    configuration.limits = limits
    configuration.model = model
    configuration.version = "test"
    configuration.log = { [lines] line in lines.append(line) }
    configuration.sealingKey = try SealingKey.generate()
    configure(&configuration)
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
  }

  deinit {
    // Server, service and store hold each other until they are stopped.
    guard !isStopped.load(ordering: .relaxed) else { return }
    Task { [server, service, store, directory] in
      await Self.stop(server, service, store)
      _ = directory
    }
  }

  /// Ends the server as a stop does, and gives the directory for a next start.
  func stop() async -> ScratchDirectory {
    isStopped.store(true, ordering: .relaxed)
    await Self.stop(server, service, store)
    return directory
  }

  private static func stop(
    _ server: RPCServer, _ service: IntegrationService, _ store: SQLiteStore
  ) async {
    server.stopNow()
    await server.waitUntilStopped()
    await service.stop()
    await store.close()
  }

  /// Creates an integration; the secret is that of its first key.
  @discardableResult
  func createIntegration(_ name: String = "customsoft") async throws -> String {
    var request = CreateIntegrationRequest()
    request.name = name
    request.author = "CustomSoft Inc."
    request.supportContact = "help@customsoft.example"
    return try await operators.createIntegration(request).secret
  }

  /// A connection of an agent of an integration, as its key's authentication would make it.
  func connection(of integration: String = "customsoft") throws -> InProcessChannel {
    let stored = try #require(service.catalogue.integration(named: integration))
    let key = service.catalogue.keys(of: stored.id).first?.id ?? ""
    return server.makeInProcessChannel(
      as: .agent(of: stored.id, catalogue: service.catalogue, key: key))
  }

  /// An integration with one agent that has registered actions.
  func agent(
    _ id: String = "agent-1", declaring actions: [ActionDefinition] = [.exportQuote]
  ) async throws -> TestAgent {
    if service.catalogue.integration(named: "customsoft") == nil { try await createIntegration() }
    let agent = TestAgent(id: id, channel: try connection())
    try await agent.register(actions)
    return agent
  }

  /// Asks for an action on a record.
  @discardableResult
  func request(
    _ entity: String = "Q-1", action: String = "export_quote", input: String = ""
  ) async throws -> ActionLog {
    var request = CreateRequestRequest()
    request.integration = "customsoft"
    request.actionType = action
    if !entity.isEmpty {
      request.entity = Entity()
      request.entity?.id = entity
    }
    request.input = input
    return try #require(try await operators.createRequest(request).log)
  }

  /// A log with everything that belongs to it.
  func log(_ id: String) async throws -> GetLogResponse {
    var request = GetLogRequest()
    request.id = id
    return try await operators.getLog(request)
  }
}

extension ActionDefinition {
  /// "Export Quote": works on a quote, may be asked for.
  static var exportQuote: ActionDefinition {
    var action = ActionDefinition()
    action.type = "export_quote"
    action.name = "Export Quote"
    action.entityType = "quote"
    action.canBeRequested = true
    action.supportsCancel = true
    return action
  }

  /// "Bulk Import": works on no record, takes an input.
  static var bulkImport: ActionDefinition {
    var action = ActionDefinition()
    action.type = "bulk_import"
    action.canBeRequested = true
    action.inputSchema = """
      {"type": "object", "required": ["file"], "properties": {"file": {"type": "string"}}}
      """
    return action
  }
}

/// An agent of a test: a client that fills in its id.
struct TestAgent: Sendable {
  let id: String
  let channel: InProcessChannel
  var client: AgentServiceClient { AgentServiceClient(channel: channel) }

  func register(_ actions: [ActionDefinition]) async throws {
    var request = RegisterActionRequest()
    request.agentID = id
    request.actions = actions
    _ = try await client.registerAction(request)
  }

  func heartbeat(
    _ state: AgentState = .running, leases: [HeldLease] = []
  ) async throws(RPCError) -> HeartbeatResponse {
    var request = HeartbeatRequest()
    request.agentID = id
    request.instanceID = "process-1"
    request.intervalMs = 10_000
    request.state = state
    request.leases = leases
    return try await client.heartbeat(request)
  }

  func poll(
    waitMs: UInt32 = 0, leaseMs: UInt32 = 0, maximum: UInt32 = 1, actions: [String] = []
  ) async throws(RPCError) -> PollRequestsResponse {
    var request = PollRequestsRequest()
    request.agentID = id
    request.waitMs = waitMs
    request.leaseMs = leaseMs
    request.maximumRequests = maximum
    request.actionTypes = actions
    return try await client.pollRequests(request)
  }

  func report(
    _ change: (inout LogReport) -> Void
  ) async throws(RPCError) -> ReportLogResponse {
    var request = ReportLogRequest()
    request.agentID = id
    var report = LogReport.attempt()
    change(&report)
    request.report = report
    return try await client.reportLog(request)
  }

  /// A report on a request that this agent holds.
  func report(
    on held: DeliveredRequest, _ status: LogStatus, sequence: UInt64 = 1
  ) async throws(RPCError) -> ReportLogResponse {
    try await report { report in
      report.logID = held.logID
      report.leaseToken = held.leaseToken
      report.sequence = sequence
      report.status = status
    }
  }
}

extension LogReport {
  /// A whole attempt in one report, on a log of its own.
  static func attempt() -> LogReport {
    var report = LogReport()
    report.logID = IntegrationService.newLogID().description
    report.sequence = 1
    report.actionType = "export_quote"
    report.entity = Entity()
    report.entity?.type = "quote"
    report.entity?.id = "Q-1"
    report.status = .completed
    report.statusMessage = "Exported as SO-1"
    return report
  }
}

extension HeldLease {
  init(_ request: DeliveredRequest) {
    self.init()
    logID = request.logID
    leaseToken = request.leaseToken
  }
}

/// The error of a call that must fail.
func failure<Response>(
  _ body: () async throws -> Response
) async throws -> RPCError {
  do {
    let response = try await body()
    Issue.record("expected a failure; got \(response)")
    throw NotInTime("a failure", within: .zero)
  } catch let error as RPCError {
    return error
  }
}
