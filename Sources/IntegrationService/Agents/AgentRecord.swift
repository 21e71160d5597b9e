import IntegrationModel
import IntegrationStore
import Synchronization

/// What an agent says about itself; changes rarely.
struct AgentDetails: Equatable, Sendable {
  var instanceID = ""
  var version = ""
  var host = ""
  var platform = ""
  var targetSystem = ""
  var targetVersion = ""
  var conditionMessage = ""
}

/// One agent of an integration in memory: its clocks, its state and what operators want of it.
///
/// Every heartbeat touches it, from the reactor of whichever connection carries the agent, so the
/// clocks are atomics with relaxed order: each stands alone, and a reader needs no consistent set.
/// They are written only when they change, so that connections that share an agent do not fight for
/// its cache line more than once a millisecond. Times are milliseconds since 1970, 0: never.
final class AgentRecord: Sendable {
  let integration: Int64
  let id: String
  let firstSeenMs: Int64

  let lastFrameMs: Atomic<Int64>
  let lastHeartbeatMs: Atomic<Int64>
  let lastPollMs: Atomic<Int64>
  let lastProgressMs: Atomic<Int64>
  let intervalMs: Atomic<UInt32>
  /// The number of an `AgentCondition`.
  let condition: Atomic<UInt8>
  let clockSkewMs: Atomic<Int64>
  /// How many open connections have carried a call of this agent.
  let connections = Atomic<Int>(0)
  /// Whether the store was told that its last connection is gone.
  let isLost = Atomic<Bool>(false)
  /// Whether it was ever given a lease, as far as memory knows.
  let mayHoldLeases = Atomic<Bool>(false)
  /// How many of its polls wait.
  let waitingPolls = Atomic<Int>(0)
  /// Whether the store does not yet know what this record says.
  let isUnsaved = Atomic<Bool>(false)
  /// When its clocks were last noted to be saved.
  let lastSavedMs = Atomic<Int64>(0)
  /// The version of the last directive; 0: there never was one.
  ///
  /// A session that has seen it has nothing to send.
  let directiveVersion = Atomic<UInt64>(0)
  /// Whether operators want it to finish and stop.
  ///
  /// Said again with each heartbeat until the agent says that it does: a reply with the wish may
  /// have been lost with its call.
  let isDrainWanted = Atomic<Bool>(false)
  let details: Mutex<AgentDetails>
  /// Which declared actions its last poll asked for; nil: any.
  let polledActions = Mutex<[String]?>(nil)
  let directives = Mutex<AgentDirectives>(AgentDirectives())
  /// The key that its last connection had, where that has ended; nil: it works, or it is not known.
  let endedKey = Mutex<String?>(nil)
  /// The processes that have phoned home under its id.
  let instances = Mutex(AgentInstances())
  #if PLANTED_UNLOCKED_AGENT
    nonisolated(unsafe) var calls = 0
  // It is not safe: that is the planted bug.
  #endif

  init(_ stored: StoredAgent) {
    integration = stored.integration
    id = stored.agentID
    firstSeenMs = stored.firstSeenAt.milliseconds
    lastFrameMs = Atomic(stored.lastFrameAt?.milliseconds ?? 0)
    lastHeartbeatMs = Atomic(stored.lastHeartbeatAt?.milliseconds ?? 0)
    lastPollMs = Atomic(stored.lastPollAt?.milliseconds ?? 0)
    lastProgressMs = Atomic(stored.lastProgressAt?.milliseconds ?? 0)
    intervalMs = Atomic(stored.heartbeatIntervalMs)
    condition = Atomic(stored.condition.rawValue)
    clockSkewMs = Atomic(stored.clockSkewMs)
    details = Mutex(
      AgentDetails(
        instanceID: stored.instanceID, version: stored.version, host: stored.host,
        platform: stored.platform, targetSystem: stored.targetSystem,
        targetVersion: stored.targetVersion, conditionMessage: stored.conditionMessage))
    mayHoldLeases.store(stored.lastPollAt != nil, ordering: .relaxed)
    if let reason = stored.drainReason { want(.drain(reason: reason)) }
  }

  /// A copy of what is persisted.
  var stored: StoredAgent {
    var stored = StoredAgent(
      integration: integration, agentID: id, firstSeenAt: Instant(milliseconds: firstSeenMs))
    let details = details.withLock { $0 }
    stored.instanceID = details.instanceID
    stored.version = details.version
    stored.host = details.host
    stored.platform = details.platform
    stored.targetSystem = details.targetSystem
    stored.targetVersion = details.targetVersion
    stored.conditionMessage = details.conditionMessage
    stored.condition = currentCondition
    stored.heartbeatIntervalMs = intervalMs.load(ordering: .relaxed)
    stored.clockSkewMs = clockSkewMs.load(ordering: .relaxed)
    #if PLANTED_UNLOCKED_AGENT
      if unsafe calls < 0 { stored.clockSkewMs = 0 }
    #endif
    stored.lastFrameAt = lastFrameMs.instant
    stored.lastPollAt = lastPollMs.instant
    stored.lastProgressAt = lastProgressMs.instant
    stored.lastHeartbeatAt = lastHeartbeatMs.instant
    stored.drainReason = directives.withLock { $0.drainReason }
    return stored
  }

  /// After how long a silence it counts as down.
  var downAfterMs: Int64 {
    HealthClocks.downAfterMs(interval: intervalMs.load(ordering: .relaxed))
  }

  /// What the agent last said of itself.
  var currentCondition: AgentCondition {
    AgentCondition(rawValue: condition.load(ordering: .relaxed)) ?? .running
  }

  /// Notes what operators want; each of the agent's connections hears it with its next reply.
  func want(_ wish: AgentDirectives.Wish) {
    directives.withLock { directives in
      guard let version = directives.add(wish) else { return }
      if wish.isDrain { isDrainWanted.store(true, ordering: .relaxed) }
      directiveVersion.store(version, ordering: .releasing)
    }
  }

  /// The wall clock was set: what was noted in a range of the old one's times moves with it.
  func clockMoved(byMs step: Int64, from old: ClosedRange<Instant>) {
    lastFrameMs.move(byMs: step, from: old)
    lastHeartbeatMs.move(byMs: step, from: old)
    lastPollMs.move(byMs: step, from: old)
    lastProgressMs.move(byMs: step, from: old)
    lastSavedMs.move(byMs: step, from: old)
  }

  /// Another process runs under the id: what the last one was asked to finish is over.
  func instanceChanged() {
    directives.withLock { directives in
      directives.instanceChanged()
      isDrainWanted.store(false, ordering: .relaxed)
    }
  }

  /// The wish to drain, where the agent does not yet say that it heeds it.
  var openDrain: AgentDirectives.Wish? {
    guard isDrainWanted.load(ordering: .relaxed) else { return nil }
    switch currentCondition {
    case .draining, .stopped: return nil
    case .running, .degraded:
      return directives.withLock { $0.drainReason }.map { .drain(reason: $0) }
    }
  }
}

extension Atomic where Value == Int64 {
  /// The value as a point in time; nil for 0: never.
  var instant: Instant? {
    let milliseconds = load(ordering: .relaxed)
    return milliseconds == 0 ? nil : Instant(milliseconds: milliseconds)
  }
}

extension Atomic where Value == Int64 {
  /// Adds a step to a time in a range; one that changes meanwhile is newer than the step.
  fileprivate func move(byMs step: Int64, from range: ClosedRange<Instant>) {
    let found = load(ordering: .relaxed)
    guard range.contains(Instant(milliseconds: found)) else { return }
    let moved = Instant(milliseconds: found).adding(milliseconds: step).milliseconds
    _ = compareExchange(expected: found, desired: moved, ordering: .relaxed)
  }

  /// Stores a value unless it is there already: reading a shared cache line is cheap, writing is
  /// not.
  func update(_ value: Int64) {
    if load(ordering: .relaxed) != value { store(value, ordering: .relaxed) }
  }
}

extension Atomic where Value == UInt8 {
  /// Stores a value unless it is there already.
  func update(_ value: UInt8) {
    if load(ordering: .relaxed) != value { store(value, ordering: .relaxed) }
  }
}

extension Atomic where Value == UInt32 {
  /// Stores a value unless it is there already.
  func update(_ value: UInt32) {
    if load(ordering: .relaxed) != value { store(value, ordering: .relaxed) }
  }
}

extension StoredAgent {
  /// The agent where nothing was heard later than now: an earlier run's clock was ahead.
  func heard(before now: Instant) -> StoredAgent {
    var agent = self
    agent.lastFrameAt = lastFrameAt.map { min($0, now) }
    agent.lastPollAt = lastPollAt.map { min($0, now) }
    agent.lastProgressAt = lastProgressAt.map { min($0, now) }
    agent.lastHeartbeatAt = lastHeartbeatAt.map { min($0, now) }
    return agent
  }
}
