/// How an agent or integration is; the raw values are those of `Health` in the schema.
public enum AgentHealth: UInt8, Sendable, CaseIterable {
  /// No agent ever phoned home.
  case neverSeen = 1
  /// Phones home and takes work.
  case up = 2
  /// Phones home, polls nothing, and requests wait for it.
  case notTakingWork = 3
  /// Its target system is not reached.
  case degraded = 4
  /// Finishing; takes nothing new.
  case draining = 5
  /// Its integration is paused.
  case paused = 6
  /// No heartbeat for twice its interval plus 5 s, or a clean goodbye.
  case down = 7
}

/// What an agent's health is judged by: three clocks, and what it says of itself.
public struct HealthClocks: Sendable {
  /// The last heartbeat; nil: never.
  public var lastHeartbeat: Instant?
  /// When to expect the next heartbeat after it, in milliseconds.
  public var heartbeatIntervalMs: UInt32
  /// The last poll; nil: never.
  public var lastPoll: Instant?
  /// Whether a poll is open now.
  public var isPolling: Bool
  /// The last report on held work; nil: never.
  public var lastProgress: Instant?
  /// How many leases it holds.
  public var heldLeases: UInt32
  /// What it says of itself.
  public var condition: AgentCondition
  /// Why it is degraded.
  public var conditionMessage: String
  /// Since when the oldest request that it could take waits; nil: none waits.
  public var requestsWaitSince: Instant?
  /// Whether its integration is paused.
  public var isPaused: Bool
  /// Whether a connection of it is open.
  public var isConnected = true
  /// The key that its last connection had, where that has ended; nil: it works.
  public var endedKey: String?

  /// Makes the clocks of an agent that was never seen.
  public init(
    lastHeartbeat: Instant? = nil, heartbeatIntervalMs: UInt32 = 0, lastPoll: Instant? = nil,
    isPolling: Bool = false, lastProgress: Instant? = nil, heldLeases: UInt32 = 0,
    condition: AgentCondition = .running, conditionMessage: String = "",
    requestsWaitSince: Instant? = nil, isPaused: Bool = false
  ) {
    self.lastHeartbeat = lastHeartbeat
    self.heartbeatIntervalMs = heartbeatIntervalMs
    self.lastPoll = lastPoll
    self.isPolling = isPolling
    self.lastProgress = lastProgress
    self.heldLeases = heldLeases
    self.condition = condition
    self.conditionMessage = conditionMessage
    self.requestsWaitSince = requestsWaitSince
    self.isPaused = isPaused
  }

  /// How long a request waits before a silent agent is called not taking work: 5 s.
  public static let takingWorkGraceMs: Int64 = 5_000
  /// What is added to twice the interval before an agent is down: 5 s.
  public static let downGraceMs: Int64 = 5_000
  /// The heartbeat interval taken where the agent names none: 30 s.
  public static let defaultIntervalMs: UInt32 = 30_000

  /// When the agent counts as down unless it phones home before; nil: it never did.
  public var downAt: Instant? {
    lastHeartbeat?.adding(milliseconds: Self.downAfterMs(interval: heartbeatIntervalMs))
  }

  /// After how long a silence an agent is down that phones home in an interval; 0: it names none.
  public static func downAfterMs(interval: UInt32) -> Int64 {
    2 * Int64(interval == 0 ? defaultIntervalMs : interval) + downGraceMs
  }

  /// The agent's health at a time, and one sentence that says why.
  public func health(at now: Instant) -> (AgentHealth, reason: String) {
    guard let lastHeartbeat, let downAt else { return (.neverSeen, "It never phoned home.") }
    if condition == .stopped { return (.down, "It said goodbye and stopped.") }
    guard now <= downAt else {
      let silent = now.milliseconds(since: lastHeartbeat) / 1000
      return (.down, "It has not phoned home for \(silent) s.")
    }
    if !isConnected, let endedKey {
      return (.down, "Its key \(endedKey) has ended, and it has not come back with another.")
    }
    if condition == .draining { return (.draining, "It finishes what it holds and stops.") }
    if isPaused { return (.paused, "Its integration is paused.") }
    if condition == .degraded {
      return (
        .degraded, conditionMessage.isEmpty ? "It says that it is degraded." : conditionMessage
      )
    }
    if let since = waitingUnserved(at: now) {
      let waited = now.milliseconds(since: since) / 1000
      return (.notTakingWork, "It phones home but polls nothing; a request waits for \(waited) s.")
    }
    guard isConnected else {
      let silent = max(0, now.milliseconds(since: lastHeartbeat)) / 1000
      let left = downAt.milliseconds(since: now) / 1000
      return (
        .up,
        "It phoned home \(silent) s ago and is not connected now; it is down in \(left) s "
          + "unless it comes back."
      )
    }
    return (.up, "It phones home and takes work.")
  }

  private func waitingUnserved(at now: Instant) -> Instant? {
    guard !isPolling, let since = requestsWaitSince else { return nil }
    let idleSince = max(since, lastPoll ?? .epoch)
    guard now.milliseconds(since: idleSince) > Self.takingWorkGraceMs else { return nil }
    return since
  }
}
