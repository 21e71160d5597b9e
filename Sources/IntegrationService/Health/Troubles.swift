import IntegrationAPI
import IntegrationModel
import IntegrationStore

/// Finds what is wrong, for the first lines of `status`: worst first, each with whom to call and
/// the next command.
enum Troubles {
  /// How bad each kind is; the first is the worst.
  enum Kind: String, CaseIterable {
    case storageFull = "STORAGE_FULL"
    case storeNotWhole = "STORE_NOT_WHOLE"
    case integrationDown = "INTEGRATION_DOWN"
    case unservedRequests = "UNSERVED_REQUESTS"
    case notTakingWork = "NOT_TAKING_WORK"
    case agentIDTwice = "AGENT_ID_TWICE"
    case agentDown = "AGENT_DOWN"
    case clockDoubted = "CLOCK_DOUBTED"
    case agentDegraded = "AGENT_DEGRADED"
    case failureRateUp = "FAILURE_RATE_UP"
    case quietTooLong = "QUIET_TOO_LONG"
    case scheduleFailing = "SCHEDULE_FAILING"
    case failedLogs = "FAILED_LOGS"
    case keyExpiring = "KEY_EXPIRING"
    case pausedWithQueue = "PAUSED_WITH_QUEUE"
    case clockSkew = "CLOCK_SKEW"
    case neverSeen = "NEVER_SEEN"
  }

  /// How long a request may wait before it counts as unserved.
  static let unservedMs: Int64 = 5_000
  /// From where an agent's clock is worth a line: leases and order by time still work, but people
  /// read times.
  static let clockSkewMs: UInt64 = 60_000
  /// The most lines that are listed.
  static let maximumTroubles = 200

  /// All troubles, worst first, then by integration; with those that no board shows.
  static func find(
    _ boards: [HealthBoard], failing: [StoredSchedule] = [], with others: [(Kind, Trouble)] = []
  ) -> [Trouble] {
    var found = others
    for board in boards {
      found += troubles(of: board)
      for schedule in failing where schedule.integration == board.stored.id {
        found.append((.scheduleFailing, trouble(of: schedule, board)))
      }
    }
    let rank = Dictionary(
      uniqueKeysWithValues: Kind.allCases.enumerated().map { ($1, $0) })
    found.sort { left, right in
      (rank[left.0] ?? 0, left.1.integration) < (rank[right.0] ?? 0, right.1.integration)
    }
    return found.prefix(maximumTroubles).map(\.1)
  }

  /// The server's clock went so far ahead that it may be wrong.
  static func clock(_ doubt: ClockDoubt) -> [(Kind, Trouble)] {
    guard doubt.isDoubtful else { return [] }
    var trouble = Trouble()
    trouble.kind = Kind.clockDoubted.rawValue
    trouble.message =
      "The server's clock went \(words(ms: doubt.aheadMs)) ahead; no log is removed by its age for "
      + "another \(words(ms: doubt.leftMs))."
    trouble.nextStep = "Compare the time of the server's machine, and set it if it is wrong."
    return [(.clockDoubted, trouble)]
  }

  private static func trouble(of schedule: StoredSchedule, _ board: HealthBoard) -> Trouble {
    var trouble = Trouble()
    trouble.kind = Kind.scheduleFailing.rawValue
    trouble.integration = board.stored.name
    let times = schedule.failures == 1 ? "time" : "\(schedule.failures) times"
    let lead = schedule.failures == 0 ? "cannot run" : "made no request the last \(times)"
    trouble.message = "Schedule \(schedule.name) \(lead): \(schedule.lastError)."
    trouble.supportContact = board.stored.supportContact
    trouble.nextStep = "integrationctl schedules show \(schedule.name)"
    return trouble
  }

  private static func troubles(of board: HealthBoard) -> [(Kind, Trouble)] {
    let name = board.stored.name
    var found: [(Kind, Trouble)] = []
    func add(_ kind: Kind, _ message: String, _ nextStep: String) {
      var trouble = Trouble()
      trouble.kind = kind.rawValue
      trouble.integration = name
      trouble.message = message
      trouble.supportContact = board.stored.supportContact
      trouble.nextStep = nextStep
      found.append((kind, trouble))
    }
    switch board.health {
    case .neverSeen:
      add(
        .neverSeen, "No agent has ever phoned home.",
        "integrationctl keys create \(name)")
    case .down:
      let agents = board.agents.map(\.agent.agentID).prefix(3).joined(separator: ", ")
      add(
        .integrationDown, "No agent phones home any more (\(agents)).",
        "integrationctl agents list --integration \(name)")
    case .up, .notTakingWork, .degraded, .draining, .paused:
      agentTroubles(board, add)
    }
    queueTroubles(board, add)
    failureTroubles(board, add)
    quietTroubles(board, add)
    return found
  }

  private static func agentTroubles(
    _ board: HealthBoard, _ add: (Kind, String, String) -> Void
  ) {
    let name = board.stored.name
    for view in board.agents {
      let id = view.agent.agentID
      let show = "integrationctl agents list --integration \(name)"
      switch view.health {
      case .down where !view.hasStopped:
        add(.agentDown, "Agent \(id): \(view.agent.healthReason)", show)
      case .notTakingWork:
        add(.notTakingWork, "Agent \(id): \(view.agent.healthReason)", show)
      case .degraded:
        add(.agentDegraded, "Agent \(id): \(view.agent.healthReason)", show)
      case .neverSeen, .up, .draining, .paused, .down:
        break
      }
      if !view.twins.isEmpty {
        add(.agentIDTwice, "Agent \(id): \(words(twins: view.twins))", show)
      }
      if view.agent.clockSkewMs.magnitude > clockSkewMs, view.health != .down {
        let seconds = view.agent.clockSkewMs.magnitude / 1_000
        let host = view.agent.host.isEmpty ? "its host" : view.agent.host
        let direction = view.agent.clockSkewMs > 0 ? "ahead" : "behind"
        add(
          .clockSkew,
          "Agent \(id): its clock is \(seconds) s \(direction); set the clock of \(host).", show
        )
      }
    }
  }

  private static func words(twins: [AgentInstances.Process]) -> String {
    let named = twins.map { $0.host.isEmpty ? $0.id : "\($0.id) on \($0.host)" }
    return "\(twins.count) processes run under this one id (\(named.joined(separator: ", "))); "
      + "they take each other's work and answers: give each an agent id of its own."
  }

  private static func failureTroubles(
    _ board: HealthBoard, _ add: (Kind, String, String) -> Void
  ) {
    let (today, before) = (board.activity.today, board.activity.dayBefore)
    let next =
      "integrationctl logs failures --integration \(board.stored.name) --since 24h "
      + "--handling OPEN"
    if today.isClearlyAbove(before) {
      return add(
        .failureRateUp,
        "\(today.percent) % of \(today.ended) logs failed in the last 24 hours, "
          + "\(before.percent) % of \(before.ended) in the day before.", next)
    }
    let count = board.counts.failedDay
    guard count > 0 else { return }
    add(
      .failedLogs,
      "\(count) \(count == 1 ? "log" : "logs") failed or timed out in the last 24 hours.", next)
  }

  /// Actions that did not run when they were to; nothing is said where that is no wonder.
  private static func quietTroubles(
    _ board: HealthBoard, _ add: (Kind, String, String) -> Void
  ) {
    switch board.health {
    case .down, .paused, .neverSeen: return
    case .up, .notTakingWork, .degraded, .draining: break
    }
    let retired = Set(board.actions.filter(\.isRetired).map(\.declaration.type))
    for counts in board.counts.actions where !retired.contains(counts.actionType) {
      guard let expected = board.expectedBy(counts), counts.inProgress == 0,
        ActivityHabit.isQuietTooLong(
          expectedBy: expected, last: counts.lastLogAt ?? expected, now: board.now)
      else { continue }
      let silent = counts.lastLogAt.map { "for " + words(ms: board.now.milliseconds(since: $0)) }
      let late = words(ms: board.now.milliseconds(since: expected))
      add(
        .quietTooLong,
        "\(counts.actionType) has not run \(silent ?? "yet"); it was expected \(late) ago.",
        "integrationctl logs list --integration \(board.stored.name) "
          + "--action \(counts.actionType) --limit 5")
    }
  }

  /// A span for people: `45 min`, `26 h`, `3 days`.
  static func words(ms: Int64) -> String {
    let minutes = ms / 60_000
    switch minutes {
    case ..<120: return "\(max(1, minutes)) min"
    case ..<(72 * 60): return "\(minutes / 60) h"
    default: return "\(minutes / (24 * 60)) days"
    }
  }

  private static func reason(_ text: String) -> String { text.isEmpty ? "" : " (\(text))" }

  private static func requests(_ count: UInt64) -> String {
    count == 1 ? "1 request waits" : "\(count) requests wait"
  }

  private static func queueTroubles(
    _ board: HealthBoard, _ add: (Kind, String, String) -> Void
  ) {
    let name = board.stored.name
    let queued = board.counts.actions.reduce(0) { $0 + $1.queued }
    if board.stored.isPaused, queued > 0 {
      add(
        .pausedWithQueue,
        "Paused\(reason(board.stored.pauseReason)) while \(requests(queued)).",
        "integrationctl integrations resume \(name)")
    }
    for counts in board.counts.actions where counts.queued > 0 {
      guard let reason = board.pauses[counts.actionType] else { continue }
      add(
        .pausedWithQueue,
        "\(counts.actionType) is paused\(Self.reason(reason)) while \(requests(counts.queued)).",
        "integrationctl actions resume \(name) \(counts.actionType)")
    }
    guard !board.stored.isPaused else { return }
    for counts in board.counts.actions where board.pauses[counts.actionType] == nil {
      guard let since = counts.oldestQueuedAt, counts.queued > 0 else { continue }
      let waitedMs = board.now.milliseconds(since: since)
      guard waitedMs > unservedMs, board.pollingAgents(counts.actionType) == 0 else { continue }
      add(
        .unservedRequests,
        "\(requests(counts.queued)) for \(counts.actionType), the oldest for "
          + "\(waitedMs < 120_000 ? "\(waitedMs / 1_000) s" : words(ms: waitedMs)), "
          + "and no agent takes \(counts.queued == 1 ? "it" : "them").",
        "integrationctl requests list --integration \(name) --action \(counts.actionType)")
    }
  }
}
