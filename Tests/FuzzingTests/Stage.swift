import Dispatch
import Foundation
import IntegrationAPI
import IntegrationStore
import RPCInProcess
import RPCWire
import SQLiteStore
import Synchronization

@testable import Credentials
@testable import IntegrationService
@testable import RPCServer

/// A whole server over the real store, for inputs that are sessions; its lifetime is a number of
/// inputs, so that what they leave behind stays small.
final class Stage: Sendable {
  private static let shared = Mutex<(stage: Stage, uses: Int)?>(nil)
  private static let maximumUses = 1_000

  /// The server of this input.
  static func current() throws -> Stage {
    try shared.withLock { shared in
      if let (stage, uses) = shared, uses < maximumUses, stage.hasIntegration {
        shared = (stage, uses + 1)
        return stage
      }
      shared?.stage.stop()
      let stage = try made()
      shared = (stage, 1)
      return stage
    }
  }

  /// A server of its own.
  static func made() throws -> Stage { try waiting { try await Stage() } }

  let server: RPCServer
  let service: IntegrationService
  let methods: [MethodDescriptor]
  private let store: SQLiteStore
  private let folder: ScratchFolder
  private let key = Mutex("")
  /// The integration's first key.
  var secret: String { key.withLock { $0 } }
  /// Connections that stay.
  private let kept = Mutex<[InProcessChannel]>([])
  var keptConnections: Int { kept.withLock { $0.count } }

  private init() async throws {
    folder = try ScratchFolder()
    store = try SQLiteStore(directory: folder.path)
    var configuration = ServiceConfiguration()
    configuration.version = "fuzzing"
    configuration.sealingKey = try SealingKey.generate()
    service = IntegrationService(store: store, configuration: configuration)
    try await service.load()
    var router = ServiceRouter()
    service.register(in: &router)
    // A backup writes to any path that its caller names.
    var chosen = ServiceRouter()
    for entry in router.entries.compactMap(\.self)
    where entry.method != OperatorServiceMethods.backUp {
      chosen.register(entry.method, entry.handler)
    }
    methods = chosen.methods
    server = RPCServer(
      configuration: RPCServerConfiguration(), router: chosen,
      authenticator: service.authenticator, observer: service)
    try server.start()
    service.attach(to: server, addresses: [])
    try await fill()
  }

  /// An integration with an agent, an action, a request and a log.
  private func fill() async throws {
    let operators = OperatorServiceClient(channel: makeChannel(as: .localOperator))
    var integration = CreateIntegrationRequest()
    integration.name = "erp"
    integration.author = "a"
    integration.supportContact = "b"
    let created = try await operators.createIntegration(integration)
    key.withLock { $0 = created.secret }
    let agents = AgentServiceClient(channel: makeChannel(as: try agent()))
    var action = ActionDefinition()
    action.type = "export"
    action.entityType = "order"
    action.canBeRequested = true
    action.supportsCancel = true
    action.inputSchema = #"{"type": "object", "properties": {"n": {"type": "integer"}}}"#
    var registration = RegisterActionRequest()
    registration.agentID = "agent-1"
    registration.actions = [action]
    _ = try await agents.registerAction(registration)
    _ = try await operators.createRequest(.export(entity: "1"))
    _ = try await agents.reportLog(.export("01", .failed, "HTTP 500 from ERP"))
  }

  private func makeChannel(as principal: Principal) -> InProcessChannel {
    let channel = server.makeInProcessChannel(as: principal)
    kept.withLock { $0.append(channel) }
    return channel
  }

  var hasIntegration: Bool { service.catalogue.integration(named: "erp") != nil }

  func agent() throws -> Principal {
    guard let stored = service.catalogue.integration(named: "erp") else {
      throw Broken("the integration is gone")
    }
    let key = service.catalogue.keys(of: stored.id).first?.id ?? ""
    return .agent(of: stored.id, catalogue: service.catalogue, key: key)
  }

  /// Our end of a new connection.
  func connect(as admission: ServerConnection.Admission) throws -> RawConnection {
    let (end, channel) = InProcessChannel.makePair()
    guard let descriptor = channel.takeDescriptor() else {
      throw Broken("a new channel has no descriptor")
    }
    server.shared.admitAlways()
    server.adopt(end, as: admission)
    return RawConnection(adopting: descriptor)
  }

  private func stop() {
    server.stopNow()
    try? waiting { [self] in
      await server.waitUntilStopped()
      await service.stop()
      await store.close()
    }
  }
}

/// A folder that goes with its last reference, in memory where the system offers that: an input
/// must not wait for a disk.
final class ScratchFolder: Sendable {
  let path: String

  init() throws {
    let environment = ProcessInfo.processInfo.environment
    let isInMemory = access("/dev/shm", W_OK) == 0
    let base = environment["FUZZ_SCRATCH"] ?? (isInMemory ? "/dev/shm" : "/tmp")
    var template = Array("\(base)/imfXXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw Broken("no folder below \(base)") }
    path = String(cString: made)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Waits for asynchronous work on a thread that may block.
func waiting<Value: Sendable>(
  _ body: @escaping @Sendable () async throws -> Value
) throws -> Value {
  let done = DispatchSemaphore(value: 0)
  let result = Mutex<Result<Value, any Error>?>(nil)
  Task.detached {
    let outcome: Result<Value, any Error>
    do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    result.withLock { $0 = outcome }
    done.signal()
  }
  guard done.wait(timeout: .now() + 60) == .success, let value = result.withLock({ $0 }) else {
    throw Broken("something did not end within a minute")
  }
  return try value.get()
}

extension CreateRequestRequest {
  /// Asks the stage's integration for an export of a record.
  static func export(entity: String) -> CreateRequestRequest {
    var request = CreateRequestRequest()
    request.integration = "erp"
    request.actionType = "export"
    request.entity = Entity()
    request.entity?.id = entity
    return request
  }
}

extension ReportLogRequest {
  /// A report of the stage's agent on an export of its own, whose id ends with two digits.
  static func export(_ id: String, _ status: LogStatus, _ message: String) -> ReportLogRequest {
    var request = ReportLogRequest()
    request.agentID = "agent-1"
    var report = LogReport()
    report.logID = "01890000-0000-7000-8000-0000000000" + id
    report.sequence = 1
    report.actionType = "export"
    report.status = status
    report.statusMessage = message
    request.report = report
    return request
  }
}
