import IntegrationAPI
import ProtobufRuntime

extension WallTime {
  /// A timestamp of the API, to the millisecond; out of range becomes the nearest end.
  init(_ timestamp: Timestamp) {
    let (scaled, tooLong) = timestamp.seconds.multipliedReportingOverflow(by: 1000)
    let (sum, overflow) = scaled.addingReportingOverflow(Int64(timestamp.nanos) / 1_000_000)
    let nearest = timestamp.seconds < 0 ? Self.range.lowerBound : Self.range.upperBound
    guard !tooLong, !overflow, Self.range.contains(WallTime(milliseconds: sum)) else {
      self = nearest
      return
    }
    self.init(milliseconds: sum)
  }

  /// The same moment for the API.
  var timestamp: Timestamp {
    let seconds = TimeText.floorDivide(milliseconds, 1000)
    var timestamp = Timestamp()
    timestamp.seconds = seconds
    timestamp.nanos = Int32(milliseconds - seconds * 1000) * 1_000_000
    return timestamp
  }
}

// What people read in place of the API's values.

extension Cell {
  /// "3m ago", or the moment itself as `--time` says; `missing` where the time is not set.
  static func ago(_ timestamp: Timestamp?, _ now: WallTime, missing: String = "-") -> Cell {
    guard let timestamp else { return Cell(missing, .faint) }
    return Cell(TimeText.shown(WallTime(timestamp), now: now))
  }

  /// "2026-11-24 08:30:00 UTC (3m ago)"; empty where the time is not set.
  static func moment(_ timestamp: Timestamp?, _ now: WallTime, missing: String = "") -> Cell {
    guard let timestamp else { return Cell(missing, .faint) }
    let time = WallTime(timestamp)
    return Cell("\(TimeText.whole(time)) (\(TimeText.relative(time, now: now)))")
  }

  static func status(_ status: LogStatus) -> Cell { Cell(status.jsonName, status.tone) }

  static func health(_ health: Health) -> Cell { Cell(health.words, health.tone) }

  /// `3/10`, `7`, or nothing where no records are counted.
  static func progress(_ log: ActionLog) -> Cell {
    if log.recordsTotal > 0 { return Cell("\(log.recordsDone)/\(log.recordsTotal)") }
    return log.recordsDone > 0 ? Cell("\(log.recordsDone)") : ""
  }
}

extension LogStatus {
  var tone: Tone {
    switch self {
    case .queued, .unspecified, .unrecognized: .plain
    case .inProgress: .active
    case .completed: .good
    case .failed, .timedOut: .bad
    case .cancelled: .faint
    }
  }

  /// Whether nothing more will happen to the log.
  var isFinal: Bool {
    switch self {
    case .completed, .failed, .cancelled, .timedOut: true
    case .queued, .inProgress, .unspecified, .unrecognized: false
    }
  }
}

extension Health {
  var words: String {
    switch self {
    case .unspecified: "unknown"
    case .neverSeen: "never seen"
    case .up: "up"
    case .notTakingWork: "not taking work"
    case .degraded: "degraded"
    case .draining: "draining"
    case .paused: "paused"
    case .down: "down"
    case .unrecognized(let number): "health \(number)"
    }
  }

  var tone: Tone {
    switch self {
    case .up: .good
    case .down: .bad
    case .notTakingWork, .degraded, .draining, .paused: .warning
    case .neverSeen, .unspecified, .unrecognized: .faint
    }
  }
}

extension TimelineCause {
  var words: String {
    switch self {
    case .unspecified: ""
    case .report: "report"
    case .request: "request"
    case .leaseExpired: "lease expired"
    case .queueTimeout: "queue timeout"
    case .progressTimeout: "progress timeout"
    case .operator: "operator"
    case .leased: "delivered"
    case .notAccepted: "not accepted"
    case .connectionLost: "connection lost"
    case .agentStopped: "agent stopped"
    case .retry: "retry"
    case .deliveriesSpent: "deliveries spent"
    case .note: "note"
    case .handled: "handled elsewhere"
    case .reopened: "reopened"
    case .unrecognized(let number): "cause \(number)"
    }
  }
}

extension Entity {
  /// "quote Q-1042"; empty where the action has no record.
  var words: String {
    [type, id].filter { !$0.isEmpty }.joined(separator: " ")
  }
}

extension ActionLog {
  /// How the attempt came to be, as the rest of "Triggered by".
  var triggerWords: String {
    switch trigger {
    case .request: requestedBy.isEmpty ? "a request" : "a request of \(requestedBy)"
    case .event: "an event that the agent saw"
    case .schedule: "a schedule"
    case .retry: retryOf.isEmpty ? "a retry" : "a retry of \(retryOf)"
    case .unspecified: ""
    case .unrecognized(let number): "trigger \(number)"
    }
  }
}
