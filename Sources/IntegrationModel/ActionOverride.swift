/// Rules of an action that operators set instead of those that its agent declares.
///
/// Stored apart from the declaration, so that an agent that declares again loses none of it. A
/// member that is nil is not overridden.
public struct ActionOverride: Hashable, Sendable {
  /// A rule that can be overridden; the raw value is the field's name in the schema.
  public enum Field: String, CaseIterable, Sendable {
    /// Automatic retries.
    case retry
    /// Queued longer than this: TIMED_OUT.
    case queueTimeout = "queue_timeout_ms"
    /// In progress without a sign of life: TIMED_OUT.
    case progressTimeout = "progress_timeout_ms"
    /// Leased at once.
    case maximumInFlight = "maximum_in_flight"
    /// Whether a second open request for the same record is refused.
    case oneOpenPerEntity = "one_open_per_entity"
    /// Deliveries in a span of time, with its span.
    case rateLimit = "rate_limit"
    /// Whether operators may ask for it.
    case canBeRequested = "can_be_requested"
  }

  /// Automatic retries.
  public var retry: RetryRule?
  /// In milliseconds; 0: the server's default.
  public var queueTimeoutMs: UInt32?
  /// In milliseconds; 0: the server's default.
  public var progressTimeoutMs: UInt32?
  /// 0: unlimited.
  public var maximumInFlight: UInt32?
  /// Whether a second open request for the same record is refused.
  public var oneOpenPerEntity: Bool?
  /// Deliveries in a span of time; agents declare none.
  public var rate: DeliveryRate?
  /// Whether operators may ask for it.
  public var canBeRequested: Bool?

  /// Makes an override of nothing.
  public init() {}

  /// Whether nothing is overridden.
  public var isEmpty: Bool { self == ActionOverride() }

  /// What is overridden, in the order of ``Field``.
  public var fields: [Field] { Field.allCases.filter(holds) }

  /// Whether a rule is overridden.
  public func holds(_ field: Field) -> Bool {
    switch field {
    case .retry: retry != nil
    case .queueTimeout: queueTimeoutMs != nil
    case .progressTimeout: progressTimeoutMs != nil
    case .maximumInFlight: maximumInFlight != nil
    case .oneOpenPerEntity: oneOpenPerEntity != nil
    case .rateLimit: rate != nil
    case .canBeRequested: canBeRequested != nil
    }
  }

  /// What holds when `change` is set over this and some fields are cleared before.
  public func changed(by change: ActionOverride, clearing fields: Set<Field>) -> ActionOverride {
    var next = self
    for field in fields { next.clear(field) }
    next.retry = change.retry ?? next.retry
    next.queueTimeoutMs = change.queueTimeoutMs ?? next.queueTimeoutMs
    next.progressTimeoutMs = change.progressTimeoutMs ?? next.progressTimeoutMs
    next.maximumInFlight = change.maximumInFlight ?? next.maximumInFlight
    next.oneOpenPerEntity = change.oneOpenPerEntity ?? next.oneOpenPerEntity
    next.rate = change.rate ?? next.rate
    next.canBeRequested = change.canBeRequested ?? next.canBeRequested
    return next
  }

  /// The rules that hold over declared ones.
  public func effective(over declared: ActionPolicy) -> ActionPolicy {
    ActionPolicy(
      queueTimeoutMs: queueTimeoutMs ?? declared.queueTimeoutMs,
      progressTimeoutMs: progressTimeoutMs ?? declared.progressTimeoutMs,
      maximumInFlight: maximumInFlight ?? declared.maximumInFlight,
      oneOpenPerEntity: oneOpenPerEntity ?? declared.oneOpenPerEntity,
      retry: retry ?? declared.retry, rate: rate ?? declared.rate)
  }

  private mutating func clear(_ field: Field) {
    switch field {
    case .retry: retry = nil
    case .queueTimeout: queueTimeoutMs = nil
    case .progressTimeout: progressTimeoutMs = nil
    case .maximumInFlight: maximumInFlight = nil
    case .oneOpenPerEntity: oneOpenPerEntity = nil
    case .rateLimit: rate = nil
    case .canBeRequested: canBeRequested = nil
    }
  }
}
