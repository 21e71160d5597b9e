import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Version, uptime, addresses, limits and counters of the server.
  public func getServerInfo(
    _ request: GetServerInfoRequestView, _ call: ServerCall<GetServerInfoResponse>
  ) {
    guard isOperator(call.handle) else { return }
    var response = GetServerInfoResponse()
    response.version = configuration.version
    response.startedAt = Timestamp(startedAt)
    response.addresses = addresses.withLock { $0 }
    response.dataDirectory = configuration.dataDirectory
    response.schemaVersion = UInt32(clamping: schemaVersion.withLock { $0 })
    response.limits = limitsByFlag
    response.counters = counters
    response.principal = call.principal.name
    response.role = (call.principal.identity?.role).map(Role.init) ?? .unspecified
    call.answer(response)
  }

  private var limitsByFlag: [String: String] {
    let model = configuration.model
    return configuration.limits.described.merging(configuration.otherLimits) { $1 }.merging([
      "accept-timeout": Duration.milliseconds(model.acceptTimeoutMs).flagText,
      "grace-time": Duration.milliseconds(model.connectionGraceMs).flagText,
      "queue-timeout": Duration.milliseconds(model.queueTimeoutMs).flagText,
      "progress-timeout": Duration.milliseconds(model.progressTimeoutMs).flagText,
      "maximum-deliveries": "\(model.maximumDeliveries)",
    ]) { $1 }
  }

  private var counters: [String: UInt64] {
    let statistics = server.withLock { $0 }?.statistics ?? RPCServerStatistics()
    return [
      "connections": UInt64(clamping: statistics.connections),
      "connections_accepted": UInt64(clamping: statistics.connectionsAccepted),
      "connections_refused": UInt64(clamping: statistics.connectionsRefused),
      "calls_started": UInt64(clamping: statistics.callsStarted),
      "waiting_polls": UInt64(clamping: polls.count),
      "tails": UInt64(clamping: tails.count),
    ]
  }

  /// What is wrong first, then every integration with its health and counts.
  public func getStatus(
    _ request: GetStatusRequestView, _ call: ServerCall<GetStatusResponse>
  ) {
    let role = call.principal.identity?.role
    read(call) { [self] () async throws(RPCError) in
      let boards = try await boards(catalogue.integrations())
      var response = GetStatusResponse()
      response.troubles = Troubles.find(
        boards, failing: schedules.failing(), with: endingCredentials(for: role))
      response.integrations = boards.map(\.integration)
      let actions = boards.flatMap(\.counts.actions)
      response.queued = actions.reduce(0) { $0 + $1.queued }
      response.inProgress = actions.reduce(0) { $0 + $1.inProgress }
      response.oldestQueuedAt = Timestamp(actions.compactMap(\.oldestQueuedAt).min())
      response.serverTime = Timestamp(ServerClock.now)
      return response
    }
  }

  /// Agents with their three clocks.
  public func listAgents(
    _ request: ListAgentsRequestView, _ call: ServerCall<ListAgentsResponse>
  ) {
    let name = request.integration.string
    read(call) { [self] () async throws(RPCError) in
      var response = ListAgentsResponse()
      response.agents = try await boards(try chosen(name)).flatMap { $0.agents.map(\.agent) }
      return response
    }
  }

  /// What integrations can do, with what waits for it and who serves it.
  public func listActions(
    _ request: ListActionsRequestView, _ call: ServerCall<ListActionsResponse>
  ) {
    let name = request.integration.string
    read(call) { [self] () async throws(RPCError) in
      var response = ListActionsResponse()
      response.actions = try await boards(try chosen(name)).flatMap(\.shownActions)
      return response
    }
  }

  /// Asks an agent to finish what it holds and stop.
  public func drainAgent(
    _ request: DrainAgentRequestView, _ call: ServerCall<DrainAgentResponse>
  ) {
    guard isOperator(call.handle) else { return }
    let name = request.integration.string
    let id = request.agentID.string
    let reason = request.reason.string
    var checks = FieldChecks()
    checks.bytes(reason, "reason", FieldRules.maximumMessageBytes)
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    read(call) { [self] () async throws(RPCError) in
      let integration = try known(name)
      guard let record = agents.find(integration: integration.id, id: id) else {
        throw RPCError(
          .notFound,
          "no agent of \(name) has the id \"\(RPCError.shown(id))\": "
            + "`integrationctl agents list --integration \(name)`",
          reason: Reason.agentUnknown)
      }
      tell(record, .drain(reason: reason))
      // On disk before the reply: the wish outlives a crash of the server.
      try await recordAudit(
        AuditRecord(
          target: "agent/\(name)/\(id)", after: ["drainReason": reason], reason: reason),
        for: call, with: [.saveAgents([record.stored])])
      let board = try await boards([integration])
      var response = DrainAgentResponse()
      response.agent = board.first?.agents.first { $0.agent.agentID == id }?.agent
      return response
    }
  }
}
