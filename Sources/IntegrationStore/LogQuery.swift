import IntegrationModel

/// Which logs.
///
/// Values in one field are alternatives, fields narrow each other; empty: all.
public struct LogSelection: Hashable, Sendable {
  /// Integrations.
  public var integrations: [IntegrationID] = []
  /// Types of actions.
  public var actionTypes: [String] = []
  /// Statuses.
  public var statuses: Set<Status> = []
  /// The entity's type; empty: any.
  public var entityType = ""
  /// The entity's ids.
  public var entityIDs: [String] = []
  /// Agents.
  public var agentIDs: [String] = []
  /// How they came to be.
  public var triggers: Set<LogTrigger> = []
  /// Created at or after.
  public var since: Instant?
  /// Created before.
  public var until: Instant?
  /// In messages and entity names, any case.
  public var text = ""
  /// Each of these labels.
  public var labels: [String: String] = [:]
  /// Whether people say that they put it right elsewhere; nil: either.
  public var isHandled: Bool?

  /// Makes a selection of all logs.
  public init() {}
}

/// The order of a list.
public enum LogOrder: UInt8, Sendable {
  /// By id, falling.
  case newestFirst = 1
  /// By id, rising.
  case oldestFirst = 2
}

/// A place in a list: the log after which the next page begins.
public struct LogPosition: Hashable, Sendable {
  /// The log's id.
  public var logID: LogID
  /// Its integration.
  public var integration: IntegrationID

  /// Makes a position.
  public init(logID: LogID, integration: IntegrationID) {
    self.logID = logID
    self.integration = integration
  }
}

/// What is asked of a list.
public struct LogQuery: Hashable, Sendable {
  /// Which logs.
  public var selection: LogSelection
  /// In which order.
  public var order: LogOrder
  /// At most so many, 1 to 1000.
  public var limit: Int
  /// Behind this place; nil: from the beginning.
  public var after: LogPosition?

  /// Makes a query.
  public init(
    _ selection: LogSelection = LogSelection(), order: LogOrder = .newestFirst, limit: Int = 50,
    after: LogPosition? = nil
  ) {
    self.selection = selection
    self.order = order
    self.limit = limit
    self.after = after
  }
}

/// A page of logs.
///
/// A page ends when it is full or when the limit of visited rows is reached; so it may hold fewer
/// logs than asked for, even none, while `next` says where to go on.
public struct LogPage: Sendable {
  /// The logs in order.
  public var logs: [StoredLog]
  /// Where the next page begins; nil: this was the last.
  public var next: LogPosition?
  /// The last commit of the journal that the page has seen; 0: none is kept.
  public var commit: Int64

  /// Makes a page.
  public init(logs: [StoredLog], next: LogPosition?, commit: Int64 = 0) {
    self.logs = logs
    self.next = next
    self.commit = commit
  }
}

/// A page of open requests, oldest first.
public struct RequestPage: Sendable {
  /// The requests in order.
  public var requests: [StoredRequest]
  /// Where the next page begins; nil: this was the last.
  public var next: LogPosition?

  /// Makes a page.
  public init(requests: [StoredRequest], next: LogPosition?) {
    self.requests = requests
    self.next = next
  }
}

/// One log with everything that belongs to it.
public struct LogDetail: Sendable {
  /// The log.
  public var log: StoredLog
  /// Its transitions, first to last.
  public var timeline: [StoredTimelineEntry]
  /// A page of its record errors.
  public var recordErrors: [StoredRecordError]
  /// Give this as `errorsAfter` for the next page; nil: this was the last.
  public var nextRecordError: Int64?
  /// Where it came from one.
  public var request: StoredRequest?
  /// Its retries, oldest first.
  public var retriedBy: [LogID]
  /// All attempts at the same work, this one included, first to last; at most 1,000.
  public var chain: [StoredLog] = []

  /// Makes a detail.
  public init(
    log: StoredLog, timeline: [StoredTimelineEntry], recordErrors: [StoredRecordError],
    nextRecordError: Int64?, request: StoredRequest?, retriedBy: [LogID]
  ) {
    self.log = log
    self.timeline = timeline
    self.recordErrors = recordErrors
    self.nextRecordError = nextRecordError
    self.request = request
    self.retriedBy = retriedBy
  }
}

/// Counts of one action.
public struct ActionCounts: Hashable, Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The action's type.
  public var actionType: String
  /// All stored logs.
  public var logs: UInt64
  /// Those that are QUEUED.
  public var queued: UInt64
  /// Those that are IN_PROGRESS.
  public var inProgress: UInt64
  /// When one was changed last.
  public var lastLogAt: Instant?
  /// Since when the oldest request that could be leased waits; nil: none.
  public var oldestQueuedAt: Instant?

  /// Makes counts of nothing.
  public init(integration: IntegrationID, actionType: String) {
    self.integration = integration
    self.actionType = actionType
    logs = 0
    queued = 0
    inProgress = 0
  }
}

/// Counts of one integration.
public struct IntegrationCounts: Hashable, Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// QUEUED or IN_PROGRESS.
  public var open: UInt64
  /// FAILED or TIMED_OUT and created in the last 24 hours; counted up to 100,000.
  public var failedDay: UInt64
  /// All stored logs.
  public var logs: UInt64
  /// When one was changed last.
  public var lastLogAt: Instant?
  /// Its actions.
  public var actions: [ActionCounts]
  /// Held leases by agent.
  public var heldLeases: [String: UInt32]

  /// Makes counts of nothing.
  public init(integration: IntegrationID) {
    self.integration = integration
    open = 0
    failedDay = 0
    logs = 0
    actions = []
    heldLeases = [:]
  }
}

/// What a server needs in memory to begin.
public struct StoreCatalog: Sendable {
  /// All integrations.
  public var integrations: [StoredIntegration] = []
  /// All keys, also revoked ones.
  public var keys: [StoredKey] = []
  /// All tokens of operators, also revoked ones.
  public var tokens: [StoredToken] = []
  /// All actions, also retired ones.
  public var actions: [StoredAction] = []
  /// All agents.
  public var agents: [StoredAgent] = []
  /// Agents that hold leases.
  public var holders: [(IntegrationID, String)] = []
  /// All schedules.
  public var schedules: [StoredSchedule] = []
  /// Running logs that operators want stopped.
  public var cancelWishes: [CancelWish] = []
  /// Actions with requests in the queue.
  public var queuedActions: [(IntegrationID, String)] = []
  /// The next deadline.
  public var nextDue: Instant?
  /// Whether rows of deleted integrations are left, which `continueDeletion` removes.
  public var isDeleting = false
  /// The number of the last migration.
  public var schemaVersion = 0

  /// Makes an empty catalog.
  public init() {}
}
