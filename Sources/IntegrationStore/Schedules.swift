import IntegrationModel

/// A schedule as stored: what people set, and how far it is.
public struct StoredSchedule: Hashable, Sendable {
  /// The store's number, from 1; 0: not stored yet.
  public var id: Int64
  /// The unique name.
  public var name: String
  /// The integration that it asks.
  public var integration: IntegrationID
  /// For which action.
  public var actionType: String
  /// On which record.
  public var entity: EntityReference
  /// JSON, checked against the action's schema each time it is used.
  public var input: String
  /// Cron expression; empty: `intervalMs`.
  public var cron: String
  /// The name of the zone in which cron is read; empty: UTC.
  public var timeZone: String
  /// Every so many milliseconds; 0: cron.
  public var intervalMs: UInt64
  /// What happens when the run before has not ended.
  public var overlap: ScheduleOverlap
  /// What happens with times at which the server was down.
  public var catchUp: ScheduleCatchUp
  /// How old such a time may be; 0: one day.
  public var catchUpWindowMs: UInt64
  /// How long a run may wait.
  public var jitterMs: UInt64
  /// How long a request may wait for an agent; 0: the action's queue timeout.
  public var expiresMs: UInt64
  /// Whether times pass without a run.
  public var isPaused: Bool
  /// Why.
  public var pauseReason: String
  /// The first time that was not handled; nil: none to come, or paused.
  public var nextAt: Instant?
  /// When that time fires: `nextAt` and its jitter.
  public var fireAt: Instant?
  /// The last time that made a request; nil: none did.
  public var lastAt: Instant?
  /// The log that it made.
  public var lastLog: LogID?
  /// How many requests it made.
  public var runs: UInt64
  /// How many times passed without one because the one before ran, or the server was down.
  public var skipped: UInt64
  /// Why the last time made no request; empty: it made one.
  public var lastError: String
  /// How many times in a row the store or the service refused.
  public var failures: UInt64
  /// When it was made; intervals count from then.
  public var createdAt: Instant
  /// The principal that made it.
  public var createdBy: String
  /// Counts what people change, from 1.
  public var revision: UInt64

  /// Makes a schedule that has not run.
  public init(
    name: String, integration: IntegrationID, actionType: String, createdAt: Instant,
    createdBy: String
  ) {
    id = 0
    self.name = name
    self.integration = integration
    self.actionType = actionType
    entity = EntityReference()
    input = ""
    cron = ""
    timeZone = ""
    intervalMs = 0
    overlap = .skip
    catchUp = .last
    catchUpWindowMs = 0
    jitterMs = 0
    expiresMs = 0
    isPaused = false
    pauseReason = ""
    runs = 0
    skipped = 0
    lastError = ""
    failures = 0
    self.createdAt = createdAt
    self.createdBy = createdBy
    revision = 1
  }

  /// Who asks when it runs: `schedule:NAME`.
  public var principal: String { "schedule:\(name)" }
}

/// What is done to schedules.
public enum ScheduleCommand: Sendable {
  /// Makes one; its `id` is ignored. Outcome: `schedule`. Failures: INTEGRATION_UNKNOWN,
  /// SCHEDULE_EXISTS, TOO_MANY_SCHEDULES.
  case create(StoredSchedule)
  /// Changes what people set; counters stay. Outcome: `schedule`. Failures: SCHEDULE_UNKNOWN, and
  /// SCHEDULE_CHANGED where revision or `nextAt` are others than `from` says: read it again.
  case update(StoredSchedule, from: StoredSchedule, principal: String)
  /// Times pass from now on. Outcome: `schedule`. Failure: SCHEDULE_UNKNOWN.
  case pause(name: String, reason: String, principal: String)
  /// Ends a pause; where there was none, nothing changes. Outcome: `schedule`. Failure:
  /// SCHEDULE_UNKNOWN.
  case resume(name: String, nextAt: Instant?, fireAt: Instant?, principal: String)
  /// A time has come. Outcome: `scheduleFired`. No failures: what is wrong stands in the schedule.
  case fire(FireSchedule)
  /// A request beside the set times, whether or not one before is open. Outcome: `requested`.
  /// Failures: SCHEDULE_UNKNOWN, SCHEDULE_BUSY and those of `createRequest`.
  case trigger(name: String, logID: LogID, principal: String)
  /// Ends it; what it made stays, and what waits behind another run may go. Outcome: `done`.
  /// Failure: SCHEDULE_UNKNOWN.
  case delete(name: String, principal: String)
}

/// A schedule's time has come: the request, the counters and the next time in one commit.
public struct FireSchedule: Sendable {
  /// The schedule.
  public var name: String
  /// The stored `nextAt`; where it is another, somebody was faster, and nothing happens.
  public var due: Instant
  /// What to do.
  public var plan: SchedulePlan
  /// Why no request can be made, where the service knows: the input does not fit.
  public var refusal: String?
  /// The id of the log that may be made.
  public var logID: LogID

  /// Makes the command.
  public init(
    name: String, due: Instant, plan: SchedulePlan, refusal: String?, logID: LogID
  ) {
    self.name = name
    self.due = due
    self.plan = plan
    self.refusal = refusal
    self.logID = logID
  }

  /// One key for each time of a schedule, so that a time makes one request at most.
  public static func idempotencyKey(schedule name: String, time: Instant) -> String {
    "schedule \(name) \(time.utcText)"
  }
}

/// What became of a schedule's time.
public enum FireOutcome: Hashable, Sendable {
  /// It was handled before, or the schedule is paused or gone.
  case stale
  /// It passed without a request; the schedule says why.
  case passed
  /// It made this log.
  case requested(LogID)
}
