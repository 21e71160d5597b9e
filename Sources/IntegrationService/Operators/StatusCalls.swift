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
    return configuration.limits.described.merging(configuration.otherLimits) { $1 }.merging(
      retention.described
    ) { $1 }.merging([
      "accept-timeout": Duration.milliseconds(model.acceptTimeoutMs).flagText,
      "grace-time": Duration.milliseconds(model.connectionGraceMs).flagText,
      "queue-timeout": Duration.milliseconds(model.queueTimeoutMs).flagText,
      "progress-timeout": Duration.milliseconds(model.progressTimeoutMs).flagText,
      "maximum-deliveries": "\(model.maximumDeliveries)",
      "maximum-notes": "\(model.maximumNotes)",
    ]) { $1 }
  }

  /// What is wrong with the store itself: before everything else, which may come of it.
  private var storeTroubles: [Trouble] {
    storeHealth.withLock { $0 }.troubles(directory: configuration.dataDirectory)
  }

  private var counters: [String: UInt64] {
    let statistics = server.withLock { $0 }?.statistics ?? RPCServerStatistics()
    let logins = failedLogins.counts
    let storage = storeHealth.withLock { $0 }
    return [
      "storage_full": storage.isFull ? 1 : 0,
      "store_problems": UInt64(clamping: storage.problems),
      "failed_logins": logins.total,
      "failed_logins_limited": logins.limited,
      "connections": UInt64(clamping: statistics.connections),
      "connections_accepted": UInt64(clamping: statistics.connectionsAccepted),
      "connections_refused": UInt64(clamping: statistics.connectionsRefused),
      "calls_started": UInt64(clamping: statistics.callsStarted),
      "waiting_polls": UInt64(clamping: polls.count),
      "tails": UInt64(clamping: tails.count),
    ].merging(configuration.otherCounters()) { $1 }
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
        boards, failing: schedules.failing(),
        with: endingCredentials(for: role) + Troubles.clock(retention.doubt))
      response.integrations = boards.map(\.integration)
      let actions = boards.flatMap(\.counts.actions)
      response.queued = actions.reduce(0) { $0 + $1.queued }
      response.inProgress = actions.reduce(0) { $0 + $1.inProgress }
      response.oldestQueuedAt = Timestamp(actions.compactMap(\.oldestQueuedAt).min())
      response.troubles = storeTroubles + response.troubles
      response.serverTime = Timestamp(ServerClock.now)
      return response
    }
  }
}
