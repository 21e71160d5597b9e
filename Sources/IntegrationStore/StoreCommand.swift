import IntegrationModel

/// Everything that is asked rarely, with its texts as strings.
public enum StoreCommand: Sendable {
  /// Declares actions. Outcome: `registered`.
  case registerActions(RegisterActions)
  /// A person's wish. Outcome: `requested`. Failures: INTEGRATION_UNKNOWN, ACTION_UNKNOWN,
  /// ACTION_RETIRED, ACTION_NOT_REQUESTABLE, REQUEST_OPEN_FOR_ENTITY, IDEMPOTENCY_KEY_USED.
  case createRequest(CreateRequest)
  /// Withdraws or asks the agent to stop. Outcome: `cancelled`. Failures: LOG_UNKNOWN,
  /// REQUEST_NOT_OPEN.
  case cancelRequest(logID: LogID, reason: String, principal: String)
  /// A new log for the same work; `input` nil: the old one's. The reason is its first message.
  /// Outcome: `requested`. Failures: LOG_UNKNOWN, RETRY_NOT_POSSIBLE, ACTION_RETIRED,
  /// REQUEST_OPEN_FOR_ENTITY.
  case retryLog(
    logID: LogID, newID: LogID, principal: String, input: String? = nil, reason: String = "")
  /// New logs for the work of many. Outcome: `many`, for each log `requested`, `failed`, or `done`
  /// where it was skipped, because it was retried before, is marked as handled, or is gone.
  case retryLogs(RetryLogs)
  /// Withdraws many requests or asks their agents to stop. Outcome: `many`, for each log
  /// `cancelled`, `failed`, or `done` where it has ended or is to be stopped already.
  case cancelRequests([LogPosition], reason: String, principal: String)
  /// Many wishes. Outcome: `many`, for each `requested` or `failed`.
  case createRequests([CreateRequest])
  /// A sentence of a person in a log's timeline. Outcome: `log`. Failures: LOG_UNKNOWN,
  /// TOO_MANY_NOTES.
  case addNote(logID: LogID, note: String, principal: String)
  /// Says that a failure was put right elsewhere, or takes that back; what is so already stays as
  /// it is. Outcome: `log`. Failures: LOG_UNKNOWN, NOT_A_FAILURE, TOO_MANY_NOTES.
  case markHandled(logID: LogID, isHandled: Bool, note: String, principal: String)
  /// Changed logs are kept in a journal from here on, until `StoreLimits` says that nobody asks
  /// any more. Outcome: `journal`.
  case keepJournal
  /// Creates an integration with its first key. The record's `id` is ignored, the key's
  /// `integration` too. Outcome: `integration`. Failure: INTEGRATION_EXISTS.
  case createIntegration(StoredIntegration, firstKey: StoredKey?)
  /// Changes the named fields; nil: as it is. Outcome: `integration`. Failure:
  /// INTEGRATION_UNKNOWN.
  case updateIntegration(IntegrationChange)
  /// Leases hand out nothing from now on. Outcome: `integration`. Failure: INTEGRATION_UNKNOWN.
  case pauseIntegration(IntegrationID, reason: String)
  /// Ends a pause. Outcome: `integration`. Failure: INTEGRATION_UNKNOWN.
  case resumeIntegration(IntegrationID)
  /// Leases hand out nothing of an action from now on, whatever its integration says; queued
  /// requests wait, their queue timeout goes on. Outcome: `action`. Failures: INTEGRATION_UNKNOWN,
  /// ACTION_UNKNOWN.
  case pauseAction(IntegrationID, type: String, reason: String)
  /// Ends a pause of an action; one of its integration stays. Outcome: `action`. Failures:
  /// INTEGRATION_UNKNOWN, ACTION_UNKNOWN.
  case resumeAction(IntegrationID, type: String)
  /// Sets rules instead of declared ones, or takes that back. Outcome: `action`. Failures:
  /// INTEGRATION_UNKNOWN, ACTION_UNKNOWN.
  case overridePolicy(OverridePolicy)
  /// Ends an integration: its keys are gone, nothing finds it or its logs any more. Its rows go
  /// with `continueDeletion`, also after a restart; until they have, its name is taken. Outcome:
  /// `deleted`. Failures: INTEGRATION_UNKNOWN, INTEGRATION_HAS_LOGS.
  case deleteIntegration(IntegrationID, logs: DeletedLogs, principal: String)
  /// Removes about `maximum` rows of deleted integrations. Outcome: `deletionContinued`.
  case continueDeletion(maximum: Int)
  /// Adds a key. Outcome: `key`. Failures: INTEGRATION_UNKNOWN, TOO_MANY_KEYS, KEY_EXISTS.
  case createKey(StoredKey)
  /// Ends a key; one that is revoked stays as it is. Outcome: `key`. Failure: KEY_UNKNOWN.
  case revokeKey(id: String)
  /// Adds a key, and lets the integration's other live keys end at a time, or when they end anyway
  /// if that is earlier. Outcome: `rotated`. Failures: INTEGRATION_UNKNOWN, KEY_EXISTS, and
  /// TOO_MANY_KEYS where no place is free: nobody's key ends early, whatever was planned for it.
  case rotateKey(StoredKey, expireOldAt: Instant)
  /// Saves when keys were used last; unknown ones are skipped. Outcome: `done`.
  case saveKeyUses([String: CredentialUse])
  /// Adds an operator's token. Outcome: `token`. Failures: TOKEN_EXISTS, TOO_MANY_TOKENS.
  case createToken(StoredToken)
  /// Ends a token; one that is revoked stays as it is. Outcome: `token`. Failure: TOKEN_UNKNOWN.
  case revokeToken(id: String)
  /// Saves when tokens were used last; unknown ones are skipped. Outcome: `done`.
  case saveTokenUses([String: CredentialUse])
  /// Does a command and enters into the audit what it changed, in the same transaction. Outcome:
  /// that of the command; one that is refused or changes nothing leaves no entry.
  indirect case audited(AuditContext, StoreCommand)
  /// Something happened that is no change of the store: inside `audited` it is entered as it
  /// stands, alone it does nothing. Outcome: `done`.
  case recordAudit(AuditRecord)
  /// Saves what is known of agents; new ones are added. Outcome: `done`.
  case saveAgents([StoredAgent])
  /// The last connection of an agent is gone: its leases end after the grace time. Outcome: `done`.
  case connectionLost(IntegrationID, agentID: String)
  /// The agent is back within the grace time: its leases last as long as they did. Outcome: `done`.
  case connectionRestored(IntegrationID, agentID: String)
  /// A lease whose holder never heard of it: back to the queue at once. One that was accepted, or
  /// that somebody else has by now, stays. Outcome: `done`.
  case returnLease(IntegrationID, LogID, LeaseToken)
  /// What is done to schedules.
  case schedule(ScheduleCommand)
  /// Handles deadlines that are due, at most `maximum` of them. Outcome: `expired`.
  case expire(maximum: Int)
  /// The clock that times of commands come from was set by so many milliseconds, and the command's
  /// own time is the first by the new one. Ends of spans move by the step, so that each lasts as
  /// long as it would have; times that people named stay. Commands that come behind it with a time
  /// by the old clock are taken as by the new one. With a step of 0, where a server starts, it is
  /// how far the clock is behind the latest time that commands had before. `read` is when the
  /// command's time was read. Outcome: `clockMoved`. One that is refused for want of space is not
  /// repeated: the store keeps the step and moves what it has to move before the next command that
  /// it takes.
  case moveClock(byMs: Int64, read: ContinuousClock.Instant = .now)
  /// Changes how long logs are kept; other statuses stay as they are. Outcome: `retention`.
  case setRetention([StoredRetentionRule])
  /// Removes some of the logs that the rules keep no longer. Outcome: `pruned`.
  case prune(PruneBudget)
}

/// Declares what an integration can do.
public struct RegisterActions: Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The declarations; types differ.
  public var actions: [ActionDeclaration]
  /// Whether the list is complete: what it leaves out is retired.
  public var retiresUndeclared: Bool

  /// Makes the command.
  public init(
    integration: IntegrationID, actions: [ActionDeclaration], retiresUndeclared: Bool
  ) {
    self.integration = integration
    self.actions = actions
    self.retiresUndeclared = retiresUndeclared
  }
}

/// Sets rules of an action instead of those that are declared.
public struct OverridePolicy: Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The action's type.
  public var actionType: String
  /// What is set; the rest stays.
  public var change: ActionOverride
  /// Of which the declared ones hold again.
  public var cleared: Set<ActionOverride.Field>

  /// Makes the command.
  public init(
    integration: IntegrationID, actionType: String, change: ActionOverride,
    cleared: Set<ActionOverride.Field> = []
  ) {
    self.integration = integration
    self.actionType = actionType
    self.change = change
    self.cleared = cleared
  }
}

/// A wish that an integration does something.
public struct CreateRequest: Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The action's type.
  public var actionType: String
  /// The id of the log that it makes.
  public var logID: LogID
  /// The record.
  public var entity: EntityReference
  /// JSON, already checked against the action's schema.
  public var input: String
  /// Empty: the log's id.
  public var idempotencyKey: String
  /// Not delivered before; nil: at once.
  public var notBefore: Instant?
  /// TIMED_OUT when no agent has it by then; nil: by the action's queue timeout alone.
  public var expiresAt: Instant?
  /// Who asks.
  public var principal: String
  /// `request` or `schedule`.
  public var trigger: LogTrigger

  /// Makes the command.
  public init(
    integration: IntegrationID, actionType: String, logID: LogID, entity: EntityReference,
    input: String, idempotencyKey: String, notBefore: Instant?, expiresAt: Instant? = nil,
    principal: String, trigger: LogTrigger = .request
  ) {
    self.integration = integration
    self.actionType = actionType
    self.logID = logID
    self.entity = entity
    self.input = input
    self.idempotencyKey = idempotencyKey
    self.notBefore = notBefore
    self.expiresAt = expiresAt
    self.principal = principal
    self.trigger = trigger
  }
}

/// Retries of many logs in one commit.
public struct RetryLogs: Sendable {
  /// One of them.
  public struct Item: Sendable {
    /// The log.
    public var log: LogPosition
    /// The id of the log that its retry makes.
    public var newID: LogID

    /// Makes an item.
    public init(log: LogPosition, newID: LogID) {
      self.log = log
      self.newID = newID
    }
  }

  /// The logs in the order in which they are done.
  public var items: [Item]
  /// The first message of each new log; empty: none.
  public var reason: String
  /// Who asks.
  public var principal: String

  /// Makes the command.
  public init(items: [Item], reason: String, principal: String) {
    self.items = items
    self.reason = reason
    self.principal = principal
  }
}

/// Whether a deletion takes the integration's logs with it.
public enum DeletedLogs: Sendable {
  /// They go too.
  case included
  /// There must be none.
  case refused
}

/// What people change of an integration; nil: as it is.
public struct IntegrationChange: Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// What people call it.
  public var displayName: String?
  /// What kind of software it connects.
  public var category: String?
  /// Who wrote it.
  public var author: String?
  /// Whom to call.
  public var supportContact: String?
  /// What it does.
  public var description: String?

  /// Makes a change of nothing.
  public init(integration: IntegrationID) {
    self.integration = integration
  }
}
