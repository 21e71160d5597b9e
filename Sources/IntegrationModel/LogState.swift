/// What decides how one log may move; a value without clock or storage.
///
/// Legal transitions:
///
/// | from | to | by |
/// | --- | --- | --- |
/// | – | QUEUED | server: a request, schedule or retry |
/// | – | IN_PROGRESS or a final one | agent |
/// | QUEUED | IN_PROGRESS, COMPLETED, FAILED, CANCELLED | agent with the lease |
/// | QUEUED | CANCELLED | operator, while nobody holds it |
/// | QUEUED | TIMED_OUT | server: queue timeout |
/// | QUEUED, IN_PROGRESS | QUEUED | server: its lease is lost |
/// | QUEUED, IN_PROGRESS | FAILED | server: its lease is lost too often |
/// | QUEUED, IN_PROGRESS | CANCELLED | server: its lease is lost and an operator wants it stopped |
/// | IN_PROGRESS | IN_PROGRESS or a final one | agent |
/// | IN_PROGRESS | TIMED_OUT | server: progress timeout |
public struct LogState: Hashable, Sendable {
  /// Who has the right to work on it.
  public enum Hold: UInt8, Sendable {
    /// Nobody; or the log does not come from a request.
    case none = 0
    /// An agent that has not answered yet.
    case offered = 1
    /// An agent that has answered.
    case accepted = 2
  }

  /// Where it stands.
  public var status: Status
  /// Of the last report that was taken, in the last delivery.
  public var sequence: UInt64
  /// From 1.
  public var attempt: UInt32
  /// Whether an operator wants it stopped.
  public var isCancelWanted: Bool
  /// Whether it comes from a request, so that only a lease gives the right to report.
  public var isRequest: Bool
  /// Who has the right to work on it.
  public var hold: Hold
  /// The token of the last delivery; nil: never delivered.
  public var token: LeaseToken?
  /// How many accepted deliveries were lost.
  public var lostDeliveries: UInt32

  /// Makes a state.
  public init(
    status: Status, sequence: UInt64 = 0, attempt: UInt32 = 1, isCancelWanted: Bool = false,
    isRequest: Bool = false, hold: Hold = .none, token: LeaseToken? = nil,
    lostDeliveries: UInt32 = 0
  ) {
    self.status = status
    self.sequence = sequence
    self.attempt = attempt
    self.isCancelWanted = isCancelWanted
    self.isRequest = isRequest
    self.hold = hold
    self.token = token
    self.lostDeliveries = lostDeliveries
  }

  /// The number of the next delivery, from 1; one that was never accepted is not counted.
  public var nextDelivery: UInt32 { lostDeliveries + 1 }
}

/// What an agent's report says, as far as it decides about the transition.
public struct ReportFacts: Hashable, Sendable {
  /// The lease that a report names.
  public enum Lease: Hashable, Sendable {
    /// None.
    case absent
    /// Text that is no token.
    case unreadable
    /// This one.
    case token(LeaseToken)
  }

  /// Counts reports from 1; 0: not counted.
  public var sequence: UInt64
  /// The status asked for; nil: as it is.
  public var status: Status?
  /// The lease that it names.
  public var lease: Lease
  /// Whether status and message are those that the log has.
  public var repeatsContent: Bool

  /// Makes facts.
  public init(
    sequence: UInt64, status: Status?, lease: Lease = .absent, repeatsContent: Bool = false
  ) {
    self.sequence = sequence
    self.status = status
    self.lease = lease
    self.repeatsContent = repeatsContent
  }
}

/// Something that happened to a log.
public enum LogEvent: Hashable, Sendable {
  /// An agent reported.
  case reported(ReportFacts)
  /// The holder named its lease in a heartbeat.
  case renewed(LeaseToken)
  /// The store gave it to an agent.
  case leased(nonce: UInt64)
  /// Its holder lost it, for the cause named.
  case leaseEnded(TransitionCause)
  /// Nobody took it in time.
  case queueTimeoutPassed
  /// Nothing was heard of it in time.
  case progressTimeoutPassed
  /// An operator wants it withdrawn or stopped.
  case cancelAsked
}

/// Why an event may not happen.
public enum LogRefusal: Error, Hashable, Sendable {
  /// Somebody else holds it, or it is back in the queue.
  case leaseLost
  /// It comes from a request; a report names the lease.
  case leaseRequired
  /// It has ended with this status.
  case logFinal(Status)
  /// Reports are missing before this one.
  case sequenceGap(expected: UInt64)
  /// The status may not follow.
  case statusInvalid(from: Status, to: Status)
}

/// What is to be done about an event.
public enum LogDecision: Hashable, Sendable {
  /// The log now looks like this; one timeline entry says so.
  case move(LogState, cause: TransitionCause)
  /// The log keeps its status; the lease is accepted or longer.
  case hold(LogState)
  /// The operator's wish is kept, the agent decides how it ends.
  case askAgent(LogState)
  /// Everything of it is stored already.
  case duplicate
  /// Nothing changes.
  case refuse(LogRefusal)
}

extension LogState {
  /// Decides about an event.
  public func apply(_ event: LogEvent, limits: ModelLimits) -> LogDecision {
    switch event {
    case .reported(let facts): report(facts)
    case .renewed(let token): renew(token)
    case .leased(let nonce): lease(nonce)
    case .leaseEnded(let cause): loseLease(cause, maximumDeliveries: limits.maximumDeliveries)
    case .queueTimeoutPassed:
      status == .queued && hold == .none ? end(.timedOut, .queueTimeout) : unchanged
    case .progressTimeoutPassed:
      status == .inProgress && hold == .none ? end(.timedOut, .progressTimeout) : unchanged
    case .cancelAsked: cancel()
    }
  }

  private var unchanged: LogDecision {
    status.isFinal ? .refuse(.logFinal(status)) : .hold(self)
  }

  private func end(_ status: Status, _ cause: TransitionCause) -> LogDecision {
    var next = self
    next.status = status
    next.hold = .none
    next.isCancelWanted = false
    return .move(next, cause: cause)
  }

  private func report(_ facts: ReportFacts) -> LogDecision {
    if let refusal = fence(facts.lease) { return .refuse(refusal) }
    if facts.sequence != 0, facts.sequence <= sequence { return .duplicate }
    if status.isFinal {
      let isRepeat = facts.sequence == 0 && facts.repeatsContent
      return isRepeat ? .duplicate : .refuse(.logFinal(status))
    }
    #if !PLANTED_NO_LEASE_CHECK
      if isRequest, hold == .none { return .refuse(.leaseLost) }
    #endif
    guard facts.sequence == 0 || facts.sequence == sequence + 1 else {
      return .refuse(.sequenceGap(expected: sequence + 1))
    }
    let target = facts.status ?? status
    guard mayFollow(target) else { return .refuse(.statusInvalid(from: status, to: target)) }
    var next = self
    next.status = target
    next.sequence = facts.sequence == 0 ? sequence : facts.sequence
    if isRequest { next.hold = target.isFinal ? .none : .accepted }
    if target.isFinal { next.isCancelWanted = false }
    return .move(next, cause: .report)
  }

  private func fence(_ lease: ReportFacts.Lease) -> LogRefusal? {
    switch lease {
    case .absent: isRequest ? .leaseRequired : nil
    case .unreadable: .leaseLost
    #if PLANTED_NO_LEASE_CHECK
      case .token: nil
    #else
      case .token(let named): named == token ? nil : .leaseLost
    #endif
    }
  }

  private func mayFollow(_ target: Status) -> Bool {
    switch (status, target) {
    case (.queued, .queued), (.queued, .inProgress), (.queued, .completed), (.queued, .failed),
      (.queued, .cancelled):
      true
    case (.queued, .timedOut): false
    case (.inProgress, .queued): false
    case (.inProgress, _): true
    case (.completed, _), (.failed, _), (.cancelled, _), (.timedOut, _): false
    }
  }

  private func renew(_ named: LeaseToken) -> LogDecision {
    guard !status.isFinal, hold != .none, named == token else { return .refuse(.leaseLost) }
    var next = self
    next.hold = .accepted
    return .hold(next)
  }

  private func lease(_ nonce: UInt64) -> LogDecision {
    guard isRequest, status == .queued, hold == .none else { return unchanged }
    var next = self
    next.hold = .offered
    next.token = LeaseToken(delivery: nextDelivery, nonce: nonce)
    next.sequence = 0
    return .move(next, cause: .leased)
  }

  private func loseLease(_ cause: TransitionCause, maximumDeliveries: UInt32) -> LogDecision {
    guard hold != .none, !status.isFinal else { return unchanged }
    if isCancelWanted { return end(.cancelled, .operatorAction) }
    var next = self
    next.status = .queued
    if hold == .accepted { next.lostDeliveries += 1 }
    if next.lostDeliveries >= max(1, maximumDeliveries) { return end(.failed, .deliveriesSpent) }
    next.hold = .none
    return .move(next, cause: cause)
  }

  private func cancel() -> LogDecision {
    if status.isFinal { return .refuse(.logFinal(status)) }
    if status == .queued, hold == .none { return end(.cancelled, .operatorAction) }
    var next = self
    next.isCancelWanted = true
    return .askAgent(next)
  }

  /// The state of a log that an agent's first report makes; refused: it may not begin so.
  public static func begin(_ facts: ReportFacts) -> Result<LogState, LogRefusal> {
    guard case .absent = facts.lease else { return .failure(.leaseLost) }
    guard facts.sequence <= 1 else { return .failure(.sequenceGap(expected: 1)) }
    let status = facts.status ?? .inProgress
    guard status != .queued else { return .failure(.statusInvalid(from: .inProgress, to: .queued)) }
    return .success(LogState(status: status, sequence: facts.sequence))
  }
}
