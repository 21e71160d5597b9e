import CommandLineOptions
import Glibc
import IntegrationAPI
import RPCClient
import RPCWire

/// A server to load, with what the load needs of it: a key, registered actions and, where there is
/// one, an operator to check the results.
final class Session {
  /// What the command line says of the server.
  struct Options {
    /// Nil: a server of our own.
    var server: ListenAddress?
    var token: String
    /// Where operators' calls go, when the server is not our own.
    var operatorAddress: ListenAddress?
    /// Where an own server keeps its data and the bare append its file.
    var scratch: String
    /// What an own server is started with, itself included; empty: it is started as it is.
    var launcher: [String] = []
  }

  static let integration = "bench"
  /// Who registers the actions: the first of the idle agents, so that as many can wait as a server
  /// lets one integration have.
  static let agentID = "idle-0"
  let target: LoadTarget
  let scratch: String
  /// The process of an own server.
  let serverPID: pid_t?
  /// Where operators' calls go; nil when it is not known.
  let operatorAddress: ListenAddress?
  private let own: OwnServer?
  private let operatorConnection: RPCConnection?

  /// Starts or reaches the server, creates the integration on an own one, registers the actions.
  init(_ options: Options) async throws {
    let server =
      try options.server == nil
      ? OwnServer(scratch: options.scratch, launcher: options.launcher) : nil
    own = server
    serverPID = server?.process.pid
    scratch = server?.directory ?? options.scratch
    let operatorAddress = server?.unixAddress ?? options.operatorAddress
    self.operatorAddress = operatorAddress
    operatorConnection =
      if let operatorAddress { try await connect(to: operatorAddress, token: "") } else { nil }
    guard let address = server?.tcpAddress ?? options.server else {
      throw BenchError(.usage, "expected --server ADDRESS or a server of our own")
    }
    var token = options.token
    if server != nil, let operatorConnection {
      token = try await Self.createIntegration(over: operatorConnection)
    }
    target = LoadTarget(address: address, token: token)
    try await registerActions()
  }

  /// Ends an own server now, and waits until it has written what it writes at its end.
  func end() {
    operatorConnection?.close()
    own?.process.stop()
  }

  /// Opens a connection as the integration's agent.
  func connectAgent() async throws -> RPCConnection {
    try await connect(to: target.address, token: target.token)
  }

  /// The calls of an operator; throws when no operator's address is known.
  func operatorClient() throws -> OperatorServiceClient {
    guard let operatorConnection else {
      throw BenchError(
        .usage, "this needs an operator: name --operator unix:PATH of the same server")
    }
    return OperatorServiceClient(channel: operatorConnection)
  }

  /// How many logs all integrations have; nil when no operator's address is known.
  func storedLogs() async throws -> UInt64? {
    guard operatorConnection != nil else { return nil }
    let integrations = try await operatorClient().listIntegrations(ListIntegrationsRequest())
    return integrations.integrations.reduce(0) { $0 + $1.logs }
  }

  /// How many agents wait in a poll, as the server lists them.
  func pollingAgents() async throws -> Int {
    var request = ListAgentsRequest()
    var polling = 0
    repeat {
      let page = try await operatorClient().listAgents(request)
      polling += page.agents.filter(\.polling).count
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
    return polling
  }

  static func createIntegration(over connection: RPCConnection) async throws -> String {
    var request = CreateIntegrationRequest()
    request.name = integration
    request.author = "integration-bench"
    request.supportContact = "none"
    let client = OperatorServiceClient(channel: connection)
    return try await client.createIntegration(request).secret
  }

  private func registerActions() async throws {
    let connection = try await connectAgent()
    defer { connection.close() }
    var definition = ActionDefinition()
    definition.type = target.action
    definition.name = "Bench Export"
    definition.entityType = "order"
    definition.canBeRequested = true
    var request = RegisterActionRequest()
    request.agentID = Self.agentID
    request.actions = [definition]
    _ = try await AgentServiceClient(channel: connection).registerAction(request)
  }
}

/// Connects as this program.
func connect(to address: ListenAddress, token: String) async throws -> RPCConnection {
  let identity = ClientIdentity(
    token: token, clientName: "integration-bench", clientVersion: ProductVersion.text)
  do {
    return try await RPCConnection.connect(to: address, hello: identity)
  } catch {
    let kind: BenchError.Kind = error.code == .unavailable ? .unreachable : .refused
    throw BenchError(kind, "\(address): \(error)")
  }
}
