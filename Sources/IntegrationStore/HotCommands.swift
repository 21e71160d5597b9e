import IntegrationModel

/// One report of an agent about a log; a fixed-size value, its texts stand in the batch.
///
/// The submitter has checked every text, list and id against `FieldRules`; the store checks what
/// depends on what is stored.
public struct ReportCommand: Sendable {
  /// The integration that the caller's key names.
  public var integration: IntegrationID
  /// The log.
  public var logID: LogID
  /// Counts reports from 1; 0: not counted.
  public var sequence: UInt64
  /// The status asked for; nil: as it is.
  public var status: Status?
  /// How it came to be; used by the first report.
  public var trigger: LogTrigger
  /// The reporting agent.
  public var agentID: TextRange
  /// The action's type; needed by the first report.
  public var actionType: TextRange
  /// The entity's type.
  public var entityType: TextRange = .empty
  /// The entity's id.
  public var entityID: TextRange = .empty
  /// The entity's name for people.
  public var entityName: TextRange = .empty
  /// The entity's place.
  public var entityURL: TextRange = .empty
  /// One sentence for people; empty: as it is.
  public var message: TextRange = .empty
  /// The lease's token as text; empty: none.
  public var leaseToken: TextRange = .empty
  /// Labels to merge: key NUL value NUL, and so on.
  public var labels: TextRange = .empty
  /// JSON; empty: as it is.
  public var result: TextRange = .empty
  /// Which of the batch's record errors it brings: the first.
  public var firstRecordError: UInt32 = 0
  /// How many of them.
  public var recordErrorCount: UInt32 = 0
  /// Records done; 0: as it is.
  public var recordsDone: UInt64 = 0
  /// Records in all; 0: as it is.
  public var recordsTotal: UInt64 = 0
  /// With FAILED: the policy may try again.
  public var isRetryable = false
  /// With `isRetryable`: not before so many milliseconds.
  public var retryAfterMs: UInt32 = 0
  /// The agent's clock; nil: not said.
  ///
  /// Taken for start and end where it lies between the log's creation and now.
  public var occurredAt: Instant?
  /// Whether its id is of a time so far ahead that no log is made with it, unless the store's clock
  /// was there before.
  public var isAhead = false

  /// Makes a report with what every report has.
  public init(
    integration: IntegrationID, logID: LogID, agentID: TextRange, actionType: TextRange,
    sequence: UInt64, status: Status?, trigger: LogTrigger = .event
  ) {
    self.integration = integration
    self.logID = logID
    self.agentID = agentID
    self.actionType = actionType
    self.sequence = sequence
    self.status = status
    self.trigger = trigger
  }
}

/// One record error of a report.
public struct RecordErrorText: Sendable {
  /// Which external record.
  public var referenceID: TextRange
  /// What went wrong.
  public var message: TextRange
  /// Why.
  public var cause: TextRange
  /// Whether another try may help.
  public var isRetryable: Bool

  /// Makes a record error.
  public init(referenceID: TextRange, message: TextRange, cause: TextRange, isRetryable: Bool) {
    self.referenceID = referenceID
    self.message = message
    self.cause = cause
    self.isRetryable = isRetryable
  }
}

/// A lease that an agent says it holds.
public struct HeldLeaseText: Sendable {
  /// The log.
  public var logID: LogID
  /// The token as text.
  public var token: TextRange

  /// Makes a held lease.
  public init(logID: LogID, token: TextRange) {
    self.logID = logID
    self.token = token
  }
}

/// Renews the leases that a heartbeat names; accepts those that were not accepted yet.
///
/// With `condition` STOPPED they return to the queue instead, with everything else that the agent
/// holds.
public struct RenewCommand: Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The agent.
  public var agentID: TextRange
  /// What the agent says of itself.
  public var condition: AgentCondition
  /// The first of the batch's held leases.
  public var firstLease: UInt32
  /// How many of them.
  public var leaseCount: UInt32

  /// Makes a renewal.
  public init(
    integration: IntegrationID, agentID: TextRange, condition: AgentCondition, firstLease: UInt32,
    leaseCount: UInt32
  ) {
    self.integration = integration
    self.agentID = agentID
    self.condition = condition
    self.firstLease = firstLease
    self.leaseCount = leaseCount
  }
}

/// Leases requests to an agent, oldest first.
public struct LeaseCommand: Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The agent that will hold them.
  public var agentID: TextRange
  /// The first of the batch's action types.
  public var firstActionType: UInt32
  /// How many of them; 0: all that the integration declares.
  public var actionTypeCount: UInt32
  /// At most so many requests, 1 to 1000.
  public var maximumRequests: UInt32
  /// How long a lease lasts, in milliseconds.
  public var leaseMs: UInt32

  /// Makes a lease.
  public init(
    integration: IntegrationID, agentID: TextRange, firstActionType: UInt32,
    actionTypeCount: UInt32, maximumRequests: UInt32, leaseMs: UInt32
  ) {
    self.integration = integration
    self.agentID = agentID
    self.firstActionType = firstActionType
    self.actionTypeCount = actionTypeCount
    self.maximumRequests = maximumRequests
    self.leaseMs = leaseMs
  }
}
