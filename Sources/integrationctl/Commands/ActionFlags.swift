import CommandLineOptions
import IntegrationAPI

/// The rules of an action that operators set, as flags.
enum ActionFlags {
  static let retryAttempts = Flag.optional(
    "retry-attempts", .integer(0...UInt32(1000)),
    help: "how many attempts in all when an agent says that another may help; 0 and 1: one")
  static let retryBackoff = span("retry-backoff", help: "the wait before the second attempt")
  static let retryMaximumBackoff = span("retry-maximum-backoff", help: "the longest wait; 0s: 1h")
  static let queueTimeout = span(
    "queue-timeout", help: "queued longer than this: TIMED_OUT; 0s: the server's default")
  static let progressTimeout = span(
    "progress-timeout",
    help: "in progress without a sign of life: TIMED_OUT; 0s: the server's default")
  static let maximumInFlight = Flag.optional(
    "maximum-in-flight", .integer(0...UInt32.max),
    help: "how many at once, over all agents; 0: unlimited")
  static let oneOpenPerEntity = Flag.optional(
    "one-open-per-entity", ValueForm<Answer>.choice("ANSWER"),
    help: "whether a second open request for the same record is refused")
  static let rateLimit = Flag.optional(
    "rate-limit", .rate, help: "deliveries in any span of time: 100/min, 5/s, 1000/2h, unlimited")
  static let canBeRequested = Flag.optional(
    "can-be-requested", ValueForm<Answer>.choice("ANSWER"), help: "whether people may ask for it")
  static let clear = Flag.commaList(
    "clear", ValueForm<Rule>.choice("RULE"), help: "rules that are as the agent declares again")

  static let all: [any DeclaredFlag] = [
    retryAttempts, retryBackoff, retryMaximumBackoff, queueTimeout, progressTimeout,
    maximumInFlight, oneOpenPerEntity, rateLimit, canBeRequested, clear,
  ]

  /// The longest span that fits the schema's 32 bits of milliseconds.
  private static let longest = Duration.milliseconds(4_294_967_000)

  private static func span(_ name: FlagName, help: String) -> Flag<Duration?> {
    .optional(name, .duration(.zero...longest), help: help)
  }

  /// Yes or no, where leaving a flag out means neither.
  enum Answer: String, CaseIterable, Sendable {
    case yes
    case no
  }

  /// A rule by the name of its flag.
  enum Rule: String, CaseIterable, Sendable {
    case retry
    case queueTimeout = "queue-timeout"
    case progressTimeout = "progress-timeout"
    case maximumInFlight = "maximum-in-flight"
    case oneOpenPerEntity = "one-open-per-entity"
    case rateLimit = "rate-limit"
    case canBeRequested = "can-be-requested"

    /// Its field in the schema.
    var fieldName: String {
      switch self {
      case .retry: "retry"
      case .queueTimeout: "queue_timeout_ms"
      case .progressTimeout: "progress_timeout_ms"
      case .maximumInFlight: "maximum_in_flight"
      case .oneOpenPerEntity: "one_open_per_entity"
      case .rateLimit: "rate_limit"
      case .canBeRequested: "can_be_requested"
      }
    }
  }

  static func changesRetry(_ arguments: Arguments) -> Bool {
    [retryAttempts, retryBackoff, retryMaximumBackoff as any DeclaredFlag]
      .contains { arguments.isGiven($0) }
  }

  /// What a command line sets; nil: nothing. `retry` is what its flags change.
  static func override(_ arguments: Arguments, retry: RetryPolicy?) -> PolicyOverride? {
    var set = PolicyOverride()
    if var retry {
      retry.maximumAttempts = arguments[retryAttempts] ?? retry.maximumAttempts
      retry.initialBackoffMs = arguments[retryBackoff].map(milliseconds) ?? retry.initialBackoffMs
      retry.maximumBackoffMs =
        arguments[retryMaximumBackoff].map(milliseconds) ?? retry.maximumBackoffMs
      set.retry = retry
    }
    set.queueTimeoutMs = arguments[queueTimeout].map(milliseconds) ?? 0
    set.progressTimeoutMs = arguments[progressTimeout].map(milliseconds) ?? 0
    set.maximumInFlight = arguments[maximumInFlight] ?? 0
    set.oneOpenPerEntity = arguments[oneOpenPerEntity] == .yes
    set.rateLimit = arguments[rateLimit]?.limit ?? 0
    set.ratePeriodMs = arguments[rateLimit]?.periodMs ?? 0
    set.canBeRequested = arguments[canBeRequested] == .yes
    let given: [(Rule, Bool)] = [
      (.retry, retry != nil), (.queueTimeout, arguments.isGiven(queueTimeout)),
      (.progressTimeout, arguments.isGiven(progressTimeout)),
      (.maximumInFlight, arguments.isGiven(maximumInFlight)),
      (.oneOpenPerEntity, arguments.isGiven(oneOpenPerEntity)),
      (.rateLimit, arguments.isGiven(rateLimit)),
      (.canBeRequested, arguments.isGiven(canBeRequested)),
    ]
    set.fields = given.filter(\.1).map(\.0.fieldName)
    return set.fields.isEmpty ? nil : set
  }

  private static func milliseconds(_ span: Duration) -> UInt32 {
    UInt32(clamping: span.components.seconds * 1000)
      + UInt32(span.components.attoseconds / 1_000_000_000_000_000)
  }
}

/// So many in a span of time, as people write it.
struct Rate: Equatable, Sendable {
  /// 0: unlimited.
  var limit: UInt32
  var periodMs: UInt32

  private static let units: [(String, UInt32)] = [
    ("s", 1_000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
  ]

  /// Reads `100/min`, `5/s`, `1000/2h` or `unlimited`.
  init?(_ text: String) {
    if text == "unlimited" {
      (limit, periodMs) = (0, 0)
      return
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, let limit = UInt32(parts[0]), limit > 0 else { return nil }
    let named = Self.units.first { $0.0 == parts[1] }.map { Int64($0.1) }
    guard let period = named ?? TimeText.milliseconds(ofSpan: parts[1]),
      (1_000...86_400_000).contains(period)
    else { return nil }
    (self.limit, periodMs) = (limit, UInt32(period))
  }

  init(limit: UInt32, periodMs: UInt32) {
    (self.limit, self.periodMs) = (limit, periodMs == 0 ? 60_000 : periodMs)
  }

  /// "at most 100 in any 1m", for people.
  var words: String {
    guard limit > 0 else { return "unlimited" }
    return "at most \(limit) in any \(TimeText.span(milliseconds: Int64(periodMs)))"
  }
}

extension ValueForm where Value == Rate {
  /// Deliveries in a span of time.
  static var rate: ValueForm {
    ValueForm("RATE") { text throws(ValueProblem) in
      guard let rate = Rate(text) else {
        throw ValueProblem(
          expected: "how many in which time, one second to one day, such as 100/min, 5/s or "
            + "1000/2h, or unlimited")
      }
      return rate
    }
  }
}
