/// When and how often a failed attempt is tried again without a person.
public struct RetryRule: Hashable, Sendable {
  /// How many attempts there may be in all; 0 and 1: no automatic retry.
  ///
  /// At most 1000.
  public var maximumAttempts: UInt32
  /// The wait before the second attempt in milliseconds; 0: at once.
  public var initialBackoffMs: UInt32
  /// The longest wait in milliseconds; 0: one hour.
  public var maximumBackoffMs: UInt32
  /// How much longer each further wait is; 0: 2.0.
  ///
  /// From 1 to 100.
  public var multiplier: Double

  /// Makes a rule; without arguments it never tries again.
  public init(
    maximumAttempts: UInt32 = 0, initialBackoffMs: UInt32 = 0, maximumBackoffMs: UInt32 = 0,
    multiplier: Double = 0
  ) {
    self.maximumAttempts = maximumAttempts
    self.initialBackoffMs = initialBackoffMs
    self.maximumBackoffMs = maximumBackoffMs
    self.multiplier = multiplier
  }

  /// What is wrong with each member, by the field's name in the schema; empty: nothing is.
  ///
  /// The same for what an agent declares and for what operators set instead.
  public var issues: [FieldIssue] {
    var found: [FieldIssue] = []
    if maximumAttempts > 1_000 {
      found.append(
        FieldIssue(
          field: "maximum_attempts", description: "expected at most 1000; it is \(maximumAttempts)")
      )
    }
    if multiplier != 0, !(multiplier >= 1 && multiplier <= 100) {
      found.append(
        FieldIssue(
          field: "multiplier", description: "expected 0 or 1.0 to 100.0; it is \(multiplier)"))
    }
    return found
  }

  /// The wait after attempt number `attempt` failed, in milliseconds; nil when none may follow.
  ///
  /// `askedMs` is what the agent asked to wait at least.
  public func backoffMs(afterAttempt attempt: UInt32, askedMs: UInt32 = 0) -> Int64? {
    guard attempt < maximumAttempts else { return nil }
    let longest = maximumBackoffMs == 0 ? 3_600_000 : Double(maximumBackoffMs)
    let factor = multiplier >= 1 && multiplier <= 100 ? multiplier : 2
    var wait = Double(initialBackoffMs)
    for _ in 1..<max(1, min(attempt, 1000)) {
      guard wait < longest else { break }
      wait *= factor
    }
    return max(Int64(min(wait, longest)), Int64(askedMs))
  }
}

/// The rules of an action that the server enforces on its logs.
public struct ActionPolicy: Hashable, Sendable {
  /// Queued longer than this: TIMED_OUT; 0: the server's default.
  public var queueTimeoutMs: UInt32
  /// In progress without a sign of life: TIMED_OUT; 0: the server's default.
  public var progressTimeoutMs: UInt32
  /// Leased at once over all agents of the integration; 0: unlimited.
  public var maximumInFlight: UInt32
  /// Whether a second open request for the same record is refused.
  public var oneOpenPerEntity: Bool
  /// Automatic retries.
  public var retry: RetryRule
  /// How many deliveries go out in a span of time; only operators set one.
  public var rate: DeliveryRate

  /// Makes a policy; without arguments everything is the server's default.
  public init(
    queueTimeoutMs: UInt32 = 0, progressTimeoutMs: UInt32 = 0, maximumInFlight: UInt32 = 0,
    oneOpenPerEntity: Bool = false, retry: RetryRule = RetryRule(),
    rate: DeliveryRate = DeliveryRate()
  ) {
    self.queueTimeoutMs = queueTimeoutMs
    self.progressTimeoutMs = progressTimeoutMs
    self.maximumInFlight = maximumInFlight
    self.oneOpenPerEntity = oneOpenPerEntity
    self.retry = retry
    self.rate = rate
  }
}

/// What holds for all integrations of a server; each is a flag of `integrationd`.
public struct ModelLimits: Hashable, Sendable {
  /// How long a leased request may go unanswered.
  ///
  /// Default 10 s: longer than a slow start of work, short enough that a reply lost on the way
  /// strands nothing.
  public var acceptTimeoutMs: UInt32 = 10_000
  /// How long a holder's connection may be gone.
  ///
  /// Default 15 s: a restart of a network device.
  public var connectionGraceMs: UInt32 = 15_000
  /// How often a request is delivered before it fails.
  ///
  /// Default 5.
  public var maximumDeliveries: UInt32 = 5
  /// Where an action names no queue timeout.
  ///
  /// Default 7 days: a weekend and a holiday.
  public var queueTimeoutMs: UInt32 = 604_800_000
  /// Where an action names no progress timeout.
  ///
  /// Default one hour.
  public var progressTimeoutMs: UInt32 = 3_600_000
  /// How many progress reports of one log get a timeline entry.
  ///
  /// Default 256; the log itself always shows the last one.
  public var maximumProgressEntries: UInt32 = 256
  /// How many refused late reports of one log are kept in its timeline.
  ///
  /// Default 16.
  public var maximumLateEntries: UInt32 = 16
  /// How many record errors one log keeps.
  ///
  /// Default 100,000; further ones are counted only.
  public var maximumRecordErrors: UInt64 = 100_000
  /// How many notes and marks of people one log keeps.
  ///
  /// Default 100; more are refused with TOO_MANY_NOTES.
  public var maximumNotes: UInt32 = 100

  /// Makes the default limits.
  public init() {}
}
