import Glibc

/// One way to do a compared work: ours, or a peer's.
protocol Contestant: Sendable {
  /// Its name in tables and charts.
  var name: String { get }
  /// What a reply promises, and what else must be known to read the figure.
  var promise: String { get }
  /// Why it cannot take part here; nil when it can.
  var obstacle: String? { get }
  /// Does the work once, on a fresh server with fresh data below `directory`.
  func run(_ shape: LoadShape, in directory: String) async throws -> Sample
}

extension Contestant {
  var obstacle: String? { nil }
}

/// What one run brought.
struct Sample: Encodable {
  /// Successful calls, or reports, a second.
  var perSecond: Double
  var latencyMs: Latency
  /// Processor time of the server for each call, in microseconds, warm-up included; nil where the
  /// server is not a process of its own or is several.
  var serverMicroseconds: Double?
  /// What was wrong with the results; empty when all was right.
  var faults: [String] = []
}

extension Sample {
  /// A sample from a load on a process; `before` is the processor time it had taken.
  init(_ outcome: RawLoadOutcome, server: pid_t?, before: Double?) {
    let calls = Double(outcome.calls ?? outcome.histogram.count)
    perSecond = outcome.seconds > 0 ? calls / outcome.seconds : 0
    latencyMs = outcome.histogram.latency
    faults = outcome.fault.map { [$0] } ?? []
    if outcome.failed > 0 { faults.append("\(outcome.failed) calls were refused") }
    if outcome.unanswered > 0 { faults.append("\(outcome.unanswered) calls were not answered") }
    if let server, let before, let after = Program.processorMicroseconds(of: server) {
      serverMicroseconds = (after - before) / Double(max(1, outcome.answered))
    }
  }

  /// Says so unless as many were stored as were acknowledged.
  mutating func check(stored: UInt64, against outcome: RawLoadOutcome) {
    if !(outcome.answered...(outcome.answered + outcome.unanswered)).contains(stored) {
      faults.append("\(outcome.answered) acknowledged, \(stored) stored")
    }
  }
}

/// A work that several do, and what ours should reach.
struct ComparedWork: Sendable {
  /// How it is named on the command line: `heartbeat-16x16`.
  let name: String
  let title: String
  /// What is counted: `calls` or `reports`.
  let unit: String
  let shape: LoadShape
  let contestants: [any Contestant]
  let goals: [Goal]
}

/// What one contestant of a work should reach, alone or as a ratio to another.
struct Goal: Sendable {
  /// What is looked at.
  enum Measure: String, Sendable, Encodable {
    case rate
    case p50
    case p99
    case serverMicroseconds = "server µs"
  }
  /// Which way is good.
  enum Bound: String, Sendable, Encodable {
    case atLeast = "≥"
    case atMost = "≤"
  }

  let of: String
  let measure: Measure
  let bound: Bound
  let value: Double
  /// Nil: the value is absolute.
  let against: String?

  init(
    _ of: String, _ measure: Measure, _ bound: Bound, _ value: Double, of against: String? = nil
  ) {
    self.of = of
    self.measure = measure
    self.bound = bound
    self.value = value
    self.against = against
  }
}
