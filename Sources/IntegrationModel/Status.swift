/// A log's status; the raw values are those of `LogStatus` in the schema.
///
/// Legal transitions stand in `LogState.apply`.
public enum Status: UInt8, Sendable, CaseIterable {
  /// Waits for an agent.
  case queued = 1
  /// An agent works on it.
  case inProgress = 2
  /// Ended as wished.
  case completed = 3
  /// Ended with a fault that the message names.
  case failed = 4
  /// Withdrawn by an operator or by the agent.
  case cancelled = 5
  /// Ended because nobody took it, or nothing was heard of it, for too long.
  case timedOut = 6

  /// Whether nothing follows this status.
  public var isFinal: Bool {
    switch self {
    case .queued, .inProgress: false
    case .completed, .failed, .cancelled, .timedOut: true
    }
  }

  /// The name that users know: `IN_PROGRESS`.
  public var name: String {
    switch self {
    case .queued: "QUEUED"
    case .inProgress: "IN_PROGRESS"
    case .completed: "COMPLETED"
    case .failed: "FAILED"
    case .cancelled: "CANCELLED"
    case .timedOut: "TIMED_OUT"
    }
  }
}

/// How an attempt came to be; the raw values are those of `Trigger` in the schema.
public enum LogTrigger: UInt8, Sendable, CaseIterable {
  /// An operator asked for it.
  case request = 1
  /// The agent reacted to something.
  case event = 2
  /// A schedule.
  case schedule = 3
  /// A retry of an earlier log.
  case retry = 4
}

/// Why a log moved; the raw values are those of `TimelineCause` in the schema.
public enum TransitionCause: UInt8, Sendable, CaseIterable {
  /// A report of an agent.
  case report = 1
  /// A request made it.
  case request = 2
  /// The lease ran out.
  case leaseExpired = 3
  /// Nobody took it within the queue timeout.
  case queueTimeout = 4
  /// Nothing was heard within the progress timeout.
  case progressTimeout = 5
  /// An operator.
  case operatorAction = 6
  /// Delivered to an agent.
  case leased = 7
  /// The holder did not answer within the accept timeout.
  case notAccepted = 8
  /// The holder's connection was gone for longer than the grace time.
  case connectionLost = 9
  /// The holder said goodbye.
  case agentStopped = 10
  /// A retry made it.
  case retry = 11
  /// Delivered as often as allowed, and lost each time.
  case deliveriesSpent = 12
  /// A person wrote something down.
  case note = 13
  /// A person put it right elsewhere.
  case handled = 14
  /// That was taken back.
  case reopened = 15
}

/// What an agent says of itself; the raw values are those of `AgentState` in the schema.
public enum AgentCondition: UInt8, Sendable, CaseIterable {
  /// All is well.
  case running = 1
  /// Alive, but its target system is not reached.
  case degraded = 2
  /// Finishing; takes nothing new.
  case draining = 3
  /// A clean goodbye.
  case stopped = 4
}
