import CommandLineOptions
import IntegrationAPI
import RPCWire

/// Looks up what the server or the machine knows of a kind.
struct CompletionSource: Sendable {
  /// More than a person looks through.
  private static let maximumCount: UInt32 = 50

  let program: OperatorProgram
  let point: CompletionPoint

  func list(_ kind: CompletionKind) async throws -> [CompletionCandidate] {
    switch kind {
    case .contexts:
      return try ContextFile(environment: program.environment).read().entries.map {
        CompletionCandidate($0.name, "\($0.server)")
      }
    case .addresses:
      return [
        CompletionCandidate("unix:", "a path"), CompletionCandidate("tcp:", "a host and a port"),
      ]
    default: return try await list(kind, try await client())
    }
  }

  /// Connects as the unfinished line says.
  private func client() async throws -> OperatorServiceClient {
    var line: [String] = []
    for flag in [GlobalFlags.server, GlobalFlags.token, GlobalFlags.context] as [any DeclaredFlag] {
      guard let value = point.value(of: flag) else { continue }
      line.append("--\(flag.declaration.name.long)=\(value)")
    }
    let command = Command("integrationctl", "", flags: GlobalFlags.all)
    guard
      case .run(var arguments) = try CommandLineProgram(command).parse(
        line, environment: program.environment)
    else { throw UsageError("no connection", hint: "") }
    try ServerChoice.put(into: &arguments, ContextFile(environment: program.environment))
    return OperatorServiceClient(
      channel: try await program.connect(
        arguments[GlobalFlags.server], arguments[GlobalFlags.token] ?? ""))
  }

  private var integration: String { point.value(of: .integrations) ?? "" }

  private func list(
    _ kind: CompletionKind, _ client: OperatorServiceClient
  ) async throws -> [CompletionCandidate] {
    switch kind {
    case .integrations: return try await integrations(client)
    case .actions: return try await actions(client)
    case .logs: return try await logs(client)
    case .requests: return try await requests(client)
    case .agents:
      var request = ListAgentsRequest()
      request.integration = integration
      return try await client.listAgents(request).agents.map {
        CompletionCandidate($0.agentID, "\($0.health.words), \($0.integration)")
      }
    case .keys:
      var request = ListKeysRequest()
      request.integration = integration
      return try await client.listKeys(request).keys.map {
        CompletionCandidate($0.id, "\($0.integration), \($0.live ? "live" : "ended")")
      }
    case .schedules:
      var request = ListSchedulesRequest()
      request.integration = integration
      return try await client.listSchedules(request).schedules.map {
        CompletionCandidate($0.name, "\($0.integration) \($0.actionType)")
      }
    case .tokens:
      return try await client.listTokens(ListTokensRequest()).tokens.map {
        CompletionCandidate($0.id, "\($0.name), \($0.live ? "live" : "ended")")
      }
    default: return []
    }
  }

  private func integrations(_ client: OperatorServiceClient) async throws -> [CompletionCandidate] {
    var request = ListIntegrationsRequest()
    request.pageSize = 1000
    return try await client.listIntegrations(request).integrations.map {
      CompletionCandidate($0.name, $0.health.words)
    }
  }

  private func actions(_ client: OperatorServiceClient) async throws -> [CompletionCandidate] {
    var request = ListActionsRequest()
    request.integration = integration
    var known: Set<String> = []
    return try await client.listActions(request).actions.compactMap { action in
      guard let definition = action.definition, known.insert(definition.type).inserted else {
        return nil
      }
      return CompletionCandidate(definition.type, definition.name)
    }
  }

  private func logs(_ client: OperatorServiceClient) async throws -> [CompletionCandidate] {
    var request = ListLogsRequest()
    request.pageSize = Self.maximumCount
    return try await client.listLogs(request).logs.map { candidate($0) }
  }

  private func requests(_ client: OperatorServiceClient) async throws -> [CompletionCandidate] {
    var request = ListRequestsRequest()
    request.pageSize = Self.maximumCount
    return try await client.listRequests(request).requests.compactMap { $0.log.map(candidate) }
  }

  private func candidate(_ log: ActionLog) -> CompletionCandidate {
    let words = [
      log.status.jsonName, "\(log.integration)/\(log.actionType)", log.entity?.id ?? "",
      log.updatedAt.map { TimeText.relative(WallTime($0), now: program.console.now()) } ?? "",
    ]
    return CompletionCandidate(
      log.id, DisplayWidth.printable(words.filter { !$0.isEmpty }.joined(separator: " ")))
  }
}
