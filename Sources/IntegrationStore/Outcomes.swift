import IntegrationModel

/// What became of a command.
public enum CommandOutcome: Sendable {
  /// Of a report.
  case reported(ReportOutcome)
  /// Of a renewal.
  case renewed(RenewOutcome)
  /// Of a lease.
  case leased(LeaseOutcome)
  /// Of a registration: all named actions as stored.
  case registered(actions: [StoredAction], unservableRequests: UInt32)
  /// Of a request or retry; with `duplicate` the log is the earlier one.
  case requested(StoredLog, duplicate: Bool)
  /// Of a cancellation; `askedAgent`: it runs, the agent decides how it ends.
  case cancelled(StoredLog, askedAgent: Bool)
  /// Of a command about many, in the order of its items.
  case many([CommandOutcome])
  /// Of a note or a mark.
  case log(StoredLog)
  /// Of the wish for a journal: everything up to here is committed and told, or in the journal.
  case journal(ChangePlace)
  /// Of a change of an integration, and the key made with it.
  case integration(StoredIntegration, key: StoredKey?)
  /// Of a change of an action.
  case action(StoredAction)
  /// Of a deletion: how many logs go, and how many requests were open.
  case deleted(logs: UInt64, requests: UInt64)
  /// Of a step of a deletion; done: nothing is left of any.
  case deletionContinued(isDone: Bool)
  /// Of a change of a key.
  case key(StoredKey)
  /// Of a rotation: the new key, and the old ones with when they end.
  case rotated(StoredKey, expiring: [StoredKey])
  /// Of a change of a token.
  case token(StoredToken)
  /// Of a change of a schedule.
  case schedule(StoredSchedule)
  /// Of a schedule's time.
  case scheduleFired(FireOutcome)
  /// Of an expiry: how many deadlines were handled, and when the next is due.
  case expired(count: Int, next: Instant?)
  /// Of a step of the clock: when the next deadline is due, and whether the clock is believed.
  case clockMoved(next: Instant?, doubt: ClockDoubt)
  /// Of a change of rules: all of them.
  case retention([StoredRetentionRule])
  /// Of a step of pruning.
  case pruned(PruneOutcome)
  /// It has nothing to tell.
  case done
  /// It changed nothing, except that a late report stands in the timeline.
  case failed(StoreFailure)
}

/// What became of a report.
public struct ReportOutcome: Hashable, Sendable {
  /// What the log now says.
  public var status: Status
  /// The last sequence that was taken.
  public var sequence: UInt64
  /// Whether it was taken before and nothing changed.
  public var isDuplicate: Bool
  /// Whether an operator wants the log stopped; the wish came as an event before.
  public var isCancelWanted: Bool

  /// Makes an outcome.
  public init(status: Status, sequence: UInt64, isDuplicate: Bool, isCancelWanted: Bool) {
    self.status = status
    self.sequence = sequence
    self.isDuplicate = isDuplicate
    self.isCancelWanted = isCancelWanted
  }
}

/// What became of a renewal.
public struct RenewOutcome: Hashable, Sendable {
  /// Logs that somebody else holds, that are final or unknown, in the order named.
  public var lost: [LogID]
  /// Held logs that an operator wants stopped.
  public var cancels: [CancelWish]

  /// Makes an outcome.
  public init(lost: [LogID] = [], cancels: [CancelWish] = []) {
    self.lost = lost
    self.cancels = cancels
  }
}

/// Requests that an agent now holds.
public struct LeaseOutcome: Hashable, Sendable {
  /// The requests, oldest first.
  public var requests: [LeasedRequest]
  /// Whether more could be leased at once.
  public var hasMore: Bool

  /// Makes an outcome.
  public init(requests: [LeasedRequest] = [], hasMore: Bool = false) {
    self.requests = requests
    self.hasMore = hasMore
  }
}

/// A request on its way to an agent.
public struct LeasedRequest: Hashable, Sendable {
  /// The log to report on.
  public var logID: LogID
  /// The action's type.
  public var actionType: String
  /// The record.
  public var entity: EntityReference
  /// JSON.
  public var input: String
  /// Fences this delivery.
  public var token: LeaseToken
  /// When the lease ends unless it is renewed.
  public var leaseExpiresAt: Instant
  /// From 1; more: an earlier holder lost it.
  public var delivery: UInt32
  /// From 1.
  public var attempt: UInt32
  /// Who asked.
  public var requestedBy: String
  /// When.
  public var requestedAt: Instant
  /// Stable over deliveries and retries.
  public var idempotencyKey: String

  /// Makes a leased request.
  public init(
    logID: LogID, actionType: String, entity: EntityReference, input: String, token: LeaseToken,
    leaseExpiresAt: Instant, delivery: UInt32, attempt: UInt32, requestedBy: String,
    requestedAt: Instant, idempotencyKey: String
  ) {
    self.logID = logID
    self.actionType = actionType
    self.entity = entity
    self.input = input
    self.token = token
    self.leaseExpiresAt = leaseExpiresAt
    self.delivery = delivery
    self.attempt = attempt
    self.requestedBy = requestedBy
    self.requestedAt = requestedAt
    self.idempotencyKey = idempotencyKey
  }
}

/// Something that a commit brought about and that somebody may wait for.
public enum StoreEvent: Sendable {
  /// A request of this action can be leased now.
  case requestAvailable(IntegrationID, actionType: String)
  /// An operator wants a running log stopped.
  case cancelWanted(CancelWish)
  /// A log was made or changed; only while the observer wants these. The place is behind the
  /// change; nil: no journal is kept.
  case logChanged(StoredLog, ChangePlace?)
  /// The next deadline is now earlier than said before.
  case dueChanged(Instant)
  /// An integration was made or changed.
  case integrationChanged(StoredIntegration)
  /// An integration is gone, with its keys, actions and agents; its logs are not found any more.
  case integrationRemoved(IntegrationID)
  /// Actions were declared, changed or retired.
  case actionsChanged(IntegrationID, [StoredAction])
  /// A key was made or revoked, or ends at another time.
  case keyChanged(StoredKey)
  /// A token was made or revoked.
  case tokenChanged(StoredToken)
  /// A schedule was made, changed or has fired.
  case scheduleChanged(StoredSchedule)
  /// A schedule is gone.
  case scheduleRemoved(name: String)
}
