/// A stretch of a log's life.
public struct LogPhase: Hashable, Sendable {
  /// What the log did meanwhile; the raw values are those of `LogPhaseKind` in the schema.
  public enum Kind: UInt8, Sendable, CaseIterable {
    /// Waited for an agent.
    case queued = 1
    /// An agent had it and had not begun.
    case leased = 2
    /// An agent worked on it.
    case running = 3
  }

  /// What it did.
  public var kind: Kind
  /// From when.
  public var startedAt: Instant
  /// Until when; nil: it lasts.
  public var endedAt: Instant?
  /// Which delivery; 0: none yet, or own work of the agent.
  public var delivery: UInt32
  /// Through which agent; empty: none.
  public var agentID: String

  /// Makes a phase.
  public init(
    kind: Kind, startedAt: Instant, endedAt: Instant? = nil, delivery: UInt32 = 0,
    agentID: String = ""
  ) {
    self.kind = kind
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.delivery = delivery
    self.agentID = agentID
  }
}

/// A timeline entry as far as phases need it.
public struct LogMoment: Hashable, Sendable {
  /// When.
  public var at: Instant
  /// Where the log stood afterwards.
  public var to: Status
  /// Why.
  public var cause: TransitionCause
  /// Through which agent; empty: none.
  public var agentID: String

  /// Makes a moment.
  public init(at: Instant, to: Status, cause: TransitionCause, agentID: String = "") {
    self.at = at
    self.to = to
    self.cause = cause
    self.agentID = agentID
  }
}

extension LogMoment {
  /// Whether a person only wrote something down.
  fileprivate var isNote: Bool {
    switch cause {
    case .note, .handled, .reopened: true
    case .report, .request, .leaseExpired, .queueTimeout, .progressTimeout, .operatorAction,
      .leased,
      .notAccepted, .connectionLost, .agentStopped, .retry, .deliveriesSpent:
      false
    }
  }
}

extension LogPhase {
  /// The phases of a log, first to last, from its transitions in their order.
  ///
  /// Late reports are no transitions and must be left out; notes are passed over. A log that one
  /// report told
  /// whole has no phases: nobody saw it between. Deliveries are counted as leases are: one that was
  /// not accepted in time keeps its number for the next.
  public static func phases(of moments: [LogMoment]) -> [LogPhase] {
    var phases: [LogPhase] = []
    var delivery: UInt32 = 0
    var keepsNumber = false
    for moment in moments where !moment.isNote {
      if moment.cause == .leased {
        if !keepsNumber { delivery += 1 }
        keepsNumber = false
      }
      if moment.cause == .notAccepted { keepsNumber = true }
      guard let kind = kind(at: moment, after: phases.last) else {
        end(&phases, at: moment.at)
        continue
      }
      let isOther = phases.last.map { $0.endedAt != nil || $0.kind != kind } ?? true
      guard isOther || moment.cause == .leased else { continue }
      end(&phases, at: moment.at)
      phases.append(
        LogPhase(
          kind: kind, startedAt: moment.at, delivery: kind == .queued ? 0 : delivery,
          agentID: kind == .queued ? "" : moment.agentID))
    }
    return phases
  }

  /// What the log does from a moment on; nil: it has ended.
  private static func kind(at moment: LogMoment, after last: LogPhase?) -> Kind? {
    switch moment.to {
    case .completed, .failed, .cancelled, .timedOut: return nil
    case .inProgress: return .running
    case .queued:
      if moment.cause == .leased { return .leased }
      // A report that leaves it queued is from its holder; everything else gives it back.
      let isHeld = moment.cause == .report || moment.cause == .operatorAction
      return isHeld && last?.kind == .leased ? .leased : .queued
    }
  }

  private static func end(_ phases: inout [LogPhase], at instant: Instant) {
    guard let last = phases.indices.last, phases[last].endedAt == nil else { return }
    phases[last].endedAt = max(instant, phases[last].startedAt)
  }
}
