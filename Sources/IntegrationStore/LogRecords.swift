import IntegrationModel

/// A log as stored.
public struct StoredLog: Hashable, Sendable {
  /// Its id, unique in its integration.
  public var id: LogID
  /// The integration.
  public var integration: IntegrationID
  /// The action's type.
  public var actionType: String
  /// The record that it works on.
  public var entity: EntityReference
  /// Where it stands.
  public var status: Status
  /// One sentence for people.
  public var message: String
  /// How it came to be.
  public var trigger: LogTrigger
  /// The principal that asked for it; empty: nobody.
  public var requestedBy: String
  /// Who works or worked on it; empty: nobody yet.
  public var agentID: String
  /// From 1.
  public var attempt: UInt32
  /// The log that this one retries.
  public var retryOf: LogID?
  /// Records that are done.
  public var recordsDone: UInt64
  /// Records in all; 0: unknown.
  public var recordsTotal: UInt64
  /// Record errors reported.
  public var recordErrors: UInt64
  /// Labels by key.
  public var labels: [String: String]
  /// What the action brought, JSON.
  public var result: String
  /// Of the last report taken, within the last delivery.
  public var sequence: UInt64
  /// When it began to exist: its id's time, at most the server's when it was stored.
  public var createdAt: Instant
  /// When work began; nil: not yet.
  public var startedAt: Instant?
  /// When it was changed last.
  public var updatedAt: Instant
  /// When it ended; nil: it is open.
  public var finishedAt: Instant?
  /// Whether an operator wants it stopped.
  public var isCancelWanted: Bool
  /// Whether people say that they put this failure right elsewhere.
  public var isHandled: Bool

  /// Makes a record with what every log has.
  public init(
    id: LogID, integration: IntegrationID, actionType: String, status: Status,
    trigger: LogTrigger, createdAt: Instant
  ) {
    self.id = id
    self.integration = integration
    self.actionType = actionType
    self.status = status
    self.trigger = trigger
    self.createdAt = createdAt
    updatedAt = createdAt
    entity = EntityReference()
    message = ""
    requestedBy = ""
    agentID = ""
    attempt = 1
    recordsDone = 0
    recordsTotal = 0
    recordErrors = 0
    labels = [:]
    result = ""
    sequence = 0
    isCancelWanted = false
    isHandled = false
  }
}

/// One transition of a log.
public struct StoredTimelineEntry: Hashable, Sendable {
  /// When the server took it.
  public var at: Instant
  /// Where the log stood; nil: it began here.
  public var from: Status?
  /// Where it stood afterwards.
  public var to: Status
  /// By whom: `operator:local`, `integration:customsoft`, `server`.
  public var principal: String
  /// Through which agent; empty: none.
  public var agentID: String
  /// Why.
  public var cause: TransitionCause
  /// The message that came with it.
  public var message: String
  /// Whether it is a report that came after the end and changed nothing.
  public var isLate: Bool

  /// Makes an entry.
  public init(
    at: Instant, from: Status?, to: Status, principal: String, agentID: String,
    cause: TransitionCause, message: String, isLate: Bool
  ) {
    self.at = at
    self.from = from
    self.to = to
    self.principal = principal
    self.agentID = agentID
    self.cause = cause
    self.message = message
    self.isLate = isLate
  }
}

/// One record that went wrong inside an attempt.
public struct StoredRecordError: Hashable, Sendable {
  /// Which external record.
  public var referenceID: String
  /// What went wrong.
  public var message: String
  /// Why.
  public var cause: String
  /// Whether another try may help.
  public var isRetryable: Bool

  /// Makes a record error.
  public init(referenceID: String, message: String, cause: String, isRetryable: Bool) {
    self.referenceID = referenceID
    self.message = message
    self.cause = cause
    self.isRetryable = isRetryable
  }
}

/// A request, open or ended, and its lease.
public struct StoredRequest: Hashable, Sendable {
  /// The log that it made.
  public var log: StoredLog
  /// JSON.
  public var input: String
  /// Stable over deliveries and retries.
  public var idempotencyKey: String
  /// 0: never delivered.
  public var delivery: UInt32
  /// The agent that holds the lease; empty: nobody.
  public var holder: String
  /// Whether the holder has answered for it.
  public var isAccepted: Bool
  /// When the lease ends; nil: nobody holds it.
  public var leaseExpiresAt: Instant?
  /// Not delivered before; nil: at once.
  public var notBefore: Instant?
  /// TIMED_OUT when no agent has it by then; nil: by the action's queue timeout alone.
  public var expiresAt: Instant?

  /// Makes a record.
  public init(
    log: StoredLog, input: String, idempotencyKey: String, delivery: UInt32, holder: String,
    isAccepted: Bool, leaseExpiresAt: Instant?, notBefore: Instant?, expiresAt: Instant? = nil
  ) {
    self.log = log
    self.input = input
    self.idempotencyKey = idempotencyKey
    self.delivery = delivery
    self.holder = holder
    self.isAccepted = isAccepted
    self.leaseExpiresAt = leaseExpiresAt
    self.notBefore = notBefore
    self.expiresAt = expiresAt
  }
}

/// What an operator wants of an agent: that it stops work on a log.
public struct CancelWish: Hashable, Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The agent that works on it; empty: nobody was seen to.
  public var agentID: String
  /// The log.
  public var logID: LogID
  /// Why.
  public var reason: String
  /// The principal that asked.
  public var requestedBy: String

  /// Makes a wish.
  public init(
    integration: IntegrationID, agentID: String, logID: LogID, reason: String, requestedBy: String
  ) {
    self.integration = integration
    self.agentID = agentID
    self.logID = logID
    self.reason = reason
    self.requestedBy = requestedBy
  }
}
