import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime

/// How one integration is at a time: its agents, actions and counts, and what is wrong with it.
///
/// A value: built from copies, then only read.
struct HealthBoard {
  /// One agent with its judged health.
  struct AgentView {
    let agent: Agent
    let health: AgentHealth
    let hasStopped: Bool
    /// Which declared actions it takes; nil: any.
    let takes: [String]?
    let isPolling: Bool
    /// Processes that phone home in turns under the one id; empty: it is one.
    let twins: [AgentInstances.Process]
  }

  let stored: StoredIntegration
  let counts: IntegrationCounts
  let agents: [AgentView]
  let actions: [StoredAction]
  /// What its actions did, hour by hour.
  let activity: IntegrationActivity
  let now: Instant
  /// Reasons of pauses by the action's type.
  let pauses: [String: String]
  private let takers: (any: Int, byType: [String: Int])

  /// A poll counts as open for so long after it ended: between two polls an agent takes work.
  static let pollPauseMs: Int64 = 2_000

  init(
    _ stored: StoredIntegration, _ counts: IntegrationCounts, agents: [AgentRecord],
    actions: [StoredAction], activity: IntegrationActivity = IntegrationActivity(), now: Instant
  ) {
    self.stored = stored
    self.activity = activity
    self.counts = counts
    self.actions = actions
    self.now = now
    let pauses = Dictionary(
      actions.compactMap { action in action.pauseReason.map { (action.declaration.type, $0) } },
      uniquingKeysWith: { $1 })
    // What is paused waits for an operator, not for an agent.
    let oldest = counts.actions.filter { pauses[$0.actionType] == nil }
      .compactMap(\.oldestQueuedAt).min()
    let views = agents.map { record in
      Self.view(record, stored, counts.heldLeases[record.id] ?? 0, oldest, now)
    }
    self.pauses = pauses
    self.agents = views
    takers = Self.takers(views)
  }

  private static func takers(_ views: [AgentView]) -> (any: Int, byType: [String: Int]) {
    var any = 0
    var byType: [String: Int] = [:]
    for view in views where view.isPolling {
      guard let takes = view.takes else {
        any += 1
        continue
      }
      for type in Set(takes) { byType[type, default: 0] += 1 }
    }
    return (any, byType)
  }

  private static func view(
    _ record: AgentRecord, _ integration: StoredIntegration, _ heldLeases: UInt32,
    _ oldestQueued: Instant?, _ now: Instant
  ) -> AgentView {
    let saved = record.stored
    let isPolling = record.waitingPolls.load(ordering: .relaxed) > 0
    let pollsOn =
      isPolling
      || saved.lastPollAt.map { now.milliseconds(since: $0) < pollPauseMs }
        ?? false
    let isConnected = record.connections.load(ordering: .relaxed) > 0
    var clocks = HealthClocks(
      lastHeartbeat: saved.lastHeartbeatAt, heartbeatIntervalMs: saved.heartbeatIntervalMs,
      lastPoll: saved.lastPollAt, isPolling: pollsOn, lastProgress: saved.lastProgressAt,
      heldLeases: heldLeases, condition: saved.condition,
      conditionMessage: saved.conditionMessage, requestsWaitSince: oldestQueued,
      isPaused: integration.isPaused)
    clocks.isConnected = isConnected
    clocks.endedKey = record.endedKey.withLock { $0 }
    let (health, reason) = clocks.health(at: now)
    var agent = Agent(saved, integration: integration.name)
    agent.health = Health(health)
    agent.healthReason = reason
    agent.heldLeases = heldLeases
    agent.connected = isConnected
    agent.polling = isPolling
    return AgentView(
      agent: agent, health: health, hasStopped: saved.condition == .stopped,
      takes: record.polledActions.withLock { $0 }, isPolling: pollsOn,
      twins: record.instances.withLock {
        $0.twins(atMs: now.milliseconds, withinMs: record.downAfterMs)
      })
  }

  /// The integration's own health: that of the agents that are alive, the worst of them where they
  /// take work at all; DOWN only when none is alive.
  var health: AgentHealth {
    if stored.isPaused { return .paused }
    let seen = agents.map(\.health).filter { $0 != .neverSeen }
    guard !seen.isEmpty else { return .neverSeen }
    let alive = seen.filter { $0 != .down }
    guard !alive.isEmpty else { return .down }
    let order: [AgentHealth] = [.degraded, .notTakingWork, .up, .draining, .paused]
    return order.first { alive.contains($0) } ?? .up
  }

  /// How many agents take an action now.
  func pollingAgents(_ type: String) -> Int {
    takers.any + (takers.byType[type] ?? 0)
  }

  /// By when an action is to have run again, by habit or schedule; nil: nobody knows.
  func expectedBy(_ counts: ActionCounts) -> Instant? {
    let habit = activity.habits[counts.actionType].flatMap { habit in
      counts.lastLogAt.map(habit.expectedBy(after:))
    }
    // What has run since, whoever asked for it, or still runs is not quiet.
    let scheduled = activity.scheduled[counts.actionType].flatMap { expected in
      counts.lastLogAt.map { $0 >= expected } == true ? nil : expected
    }
    return [habit, scheduled].compactMap(\.self).min()
  }

  /// The integration as operators see it.
  var integration: Integration {
    var shown = Integration(stored)
    shown.health = Health(health)
    shown.lastLogAt = Timestamp(counts.lastLogAt)
    shown.lastPhoneHomeAt = agents.compactMap(\.agent.lastHeartbeatAt).max()
    shown.openLogs = counts.open
    shown.failedLogsDay = counts.failedDay
    shown.endedLogsDay = activity.today.ended
    shown.endedLogsDayBefore = activity.dayBefore.ended
    shown.failedLogsDayBefore = activity.dayBefore.failed
    shown.logs = counts.logs
    shown.agents = UInt32(clamping: agents.count)
    return shown
  }

  /// What is shown of an action that operators left as it was declared.
  enum Detail {
    /// What holds, which is what was declared.
    case brief
    /// Also what was declared.
    case full
  }

  /// Some of the integration's actions with what waits and who serves them.
  func shown(_ actions: [StoredAction], _ detail: Detail) -> [Action] {
    let counts = Dictionary(
      counts.actions.map { ($0.actionType, $0) }, uniquingKeysWith: { $1 })
    return actions.map { stored in
      var action = Action()
      action.integration = self.stored.name
      action.definition = ActionDefinition(effective: stored)
      if detail == .full || !stored.override.isEmpty {
        action.declared = ActionDefinition(stored)
      }
      if !stored.override.isEmpty { action.override = PolicyOverride(stored.override) }
      action.paused = stored.isPaused
      action.pauseReason = stored.pauseReason ?? ""
      action.pollingAgents = UInt32(clamping: pollingAgents(stored.declaration.type))
      if let counts = counts[stored.declaration.type] {
        action.queued = counts.queued
        action.inProgress = counts.inProgress
        action.lastLogAt = Timestamp(counts.lastLogAt)
        if !stored.isRetired { action.expectedBy = Timestamp(expectedBy(counts)) }
      }
      return action
    }
  }
}

extension Integration {
  /// What is stored of an integration, without health and counts.
  init(_ stored: StoredIntegration) {
    self.init()
    name = stored.name
    displayName = stored.displayName
    category = stored.category
    author = stored.author
    supportContact = stored.supportContact
    description = stored.description
    paused = stored.isPaused
    pauseReason = stored.pauseReason
    createdAt = Timestamp(stored.createdAt)
  }
}

extension Agent {
  /// What an agent said and when, without its health.
  init(_ saved: StoredAgent, integration: String) {
    self.init()
    self.integration = integration
    agentID = saved.agentID
    instanceID = saved.instanceID
    lastFrameAt = Timestamp(saved.lastFrameAt)
    lastPollAt = Timestamp(saved.lastPollAt)
    lastProgressAt = Timestamp(saved.lastProgressAt)
    lastHeartbeatAt = Timestamp(saved.lastHeartbeatAt)
    heartbeatIntervalMs = saved.heartbeatIntervalMs
    agentVersion = saved.version
    host = saved.host
    platform = saved.platform
    targetSystem = saved.targetSystem
    targetVersion = saved.targetVersion
    stateMessage = saved.conditionMessage
    clockSkewMs = saved.clockSkewMs
    firstSeenAt = Timestamp(saved.firstSeenAt)
  }
}
