import IntegrationModel

/// By what logs are counted.
public enum LogDimension: UInt8, Hashable, Sendable, CaseIterable {
  /// Their status.
  case status
  /// Their integration.
  case integration
  /// The type of their action, whichever integration's.
  case action
  /// Their agent.
  case agent
  /// How they came to be.
  case trigger
  /// Their entity's type.
  case entityType
  /// The value of one label.
  case label
  /// When they were created.
  case time
}

/// A step of a count of logs: which logs, by what, and how far.
public struct LogAggregation: Hashable, Sendable {
  /// Which logs.
  public var selection: LogSelection
  /// By what; empty: one group of all.
  public var dimensions: Set<LogDimension>
  /// The key of the label that `label` means.
  public var labelKey = ""
  /// Where the first grain of `time` begins.
  public var timeOrigin = Instant.epoch
  /// How long a grain of `time` is, in milliseconds; above 0.
  public var grainMs = LogPeriod.grainMs
  /// Whether durations are wanted, from start to end of logs that ended.
  public var wantsDurations = false
  /// Where the step begins; nil: from the beginning.
  public var after: LogPlace?
  /// About how many rows the step may visit; other work counts as so many rows.
  public var maximumRows = 4_000

  /// Makes the first step of a count.
  public init(_ selection: LogSelection = LogSelection(), by dimensions: Set<LogDimension> = []) {
    self.selection = selection
    self.dimensions = dimensions
  }
}

/// How far a walk over logs has come; opaque to everybody but the store that gave it.
public struct LogPlace: Hashable, Sendable {
  /// The integration that is being walked.
  public var integration: IntegrationID
  /// Which of the parts of its logs.
  public var part: Int
  /// The log where it stands.
  public var logID: LogID
  /// Whether that log was taken.
  public var isTaken: Bool

  /// Makes a place.
  public init(integration: IntegrationID, part: Int, logID: LogID, isTaken: Bool) {
    self.integration = integration
    self.part = part
    self.logID = logID
    self.isTaken = isTaken
  }
}

/// What the logs of one group have in common; nil: they are not counted by it.
public struct LogGroupKey: Hashable, Sendable {
  /// Their status.
  public var status: Status?
  /// Their integration.
  public var integration: IntegrationID?
  /// The type of their action.
  public var actionType: String?
  /// Their agent; empty: none.
  public var agentID: String?
  /// How they came to be.
  public var trigger: LogTrigger?
  /// Their entity's type; empty: none.
  public var entityType: String?
  /// The label's value; empty: they do not have it.
  public var label: String?
  /// The grain of time, counted from the origin.
  public var grain: Int64?

  /// Makes the key of all logs.
  public init() {}
}

/// How many logs a group has.
public struct LogTally: Hashable, Sendable {
  /// All.
  public var logs: UInt64 = 0
  /// FAILED or TIMED_OUT.
  public var failed: UInt64 = 0
  /// QUEUED or IN_PROGRESS.
  public var open: UInt64 = 0
  /// How long those that ended took from their start, where that was asked for.
  public var durations = DurationHistogram()

  /// Makes a tally of nothing.
  public init() {}

  /// Takes in another.
  public mutating func add(_ other: LogTally) {
    logs += other.logs
    failed += other.failed
    open += other.open
    durations.add(other.durations)
  }
}

/// What a step of a count has found.
public struct LogAggregate: Sendable {
  /// The groups that the step met; each may come again with later steps.
  public var groups: [LogGroupKey: LogTally]
  /// Where the next step begins; nil: this was the last.
  public var next: LogPlace?

  /// Makes the result of a step.
  public init(groups: [LogGroupKey: LogTally], next: LogPlace?) {
    self.groups = groups
    self.next = next
  }
}

/// Failures of one action whose messages have one pattern.
public struct FailureKey: Hashable, Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The action's type.
  public var actionType: String
  /// What the messages have in common; see `MessagePattern`.
  public var pattern: String

  /// Makes a key.
  public init(integration: IntegrationID, actionType: String, pattern: String) {
    self.integration = integration
    self.actionType = actionType
    self.pattern = pattern
  }
}

/// How many failures a group has, and what they are like.
public struct FailureTally: Hashable, Sendable {
  /// The newest logs that are kept as samples.
  public static let maximumSamples = 3
  /// How many records are told apart.
  public static let maximumEntities = 1_000

  /// All.
  public var logs: UInt64 = 0
  /// When the first was created.
  public var firstAt = Instant.distantFuture
  /// When the last was created.
  public var lastAt = Instant(milliseconds: .min)
  /// Hashes of the records that they are about, up to ``maximumEntities``.
  public var entities: Set<UInt64> = []
  /// The newest logs, newest first.
  public var newest: [LogID] = []
  /// The message of the newest.
  public var sample = ""

  /// Makes a tally of nothing.
  public init() {}

  /// Takes in a failure; `entity` is a hash, nil where it is about no record.
  public mutating func add(_ id: LogID, at: Instant, entity: UInt64?, message: String) {
    logs += 1
    firstAt = min(firstAt, at)
    lastAt = max(lastAt, at)
    if let entity, entities.count < Self.maximumEntities { entities.insert(entity) }
    if newest.first.map({ id > $0 }) ?? true { sample = message }
    take(id)
  }

  /// Takes in another.
  public mutating func add(_ other: FailureTally) {
    logs += other.logs
    firstAt = min(firstAt, other.firstAt)
    lastAt = max(lastAt, other.lastAt)
    for entity in other.entities where entities.count < Self.maximumEntities {
      entities.insert(entity)
    }
    if let theirs = other.newest.first, newest.first.map({ theirs > $0 }) ?? true {
      sample = other.sample
    }
    for id in other.newest { take(id) }
  }

  private mutating func take(_ id: LogID) {
    guard let place = newest.firstIndex(where: { $0 <= id }) else {
      if newest.count < Self.maximumSamples { newest.append(id) }
      return
    }
    guard newest[place] != id else { return }
    newest.insert(id, at: place)
    if newest.count > Self.maximumSamples { newest.removeLast() }
  }
}

/// What a step over failures has found.
public struct FailureAggregate: Sendable {
  /// The groups that the step met; each may come again with later steps.
  public var groups: [FailureKey: FailureTally]
  /// Where the next step begins; nil: this was the last.
  public var next: LogPlace?

  /// Makes the result of a step.
  public init(groups: [FailureKey: FailureTally], next: LogPlace?) {
    self.groups = groups
    self.next = next
  }
}

/// What one action did in one hour.
public struct HourCounts: Hashable, Sendable {
  /// The hour, counted from 1970.
  public var hour: Int64
  /// Logs that were created.
  public var created: UInt64 = 0
  /// Logs that ended COMPLETED.
  public var completed: UInt64 = 0
  /// Logs that ended FAILED or TIMED_OUT.
  public var failed: UInt64 = 0
  /// Logs that ended CANCELLED.
  public var cancelled: UInt64 = 0

  /// Makes counts of nothing.
  public init(hour: Int64) { self.hour = hour }

  /// All that ended.
  public var ended: UInt64 { completed + failed + cancelled }
}

/// The hours of one action.
public struct ActionHours: Hashable, Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// The action's type.
  public var actionType: String
  /// The hours in which anything happened, in their order.
  public var hours: [HourCounts]

  /// Makes the hours of an action.
  public init(integration: IntegrationID, actionType: String, hours: [HourCounts]) {
    self.integration = integration
    self.actionType = actionType
    self.hours = hours
  }

  /// What ended from one hour up to, and without, another.
  public func rate(from: Int64, until: Int64) -> FailureRate {
    hours.reduce(into: FailureRate()) { sum, counts in
      guard counts.hour >= from, counts.hour < until else { return }
      sum.ended += counts.ended
      sum.failed += counts.failed
    }
  }
}
