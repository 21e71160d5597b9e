/// How long to wait before the next try after failures in a row.
///
/// The ceiling starts at `initial` and doubles with each failure up to `maximum`; the wait is drawn
/// evenly between half of the ceiling and the whole, so that a thousand clients that lost one
/// server at the same moment do not return at the same moment. A value type: the caller says when
/// it failed and when it succeeded, and gives the randomness.
public struct Backoff: Sendable, Equatable {
  /// The first ceiling; default 100 ms: a restarted server is back within a few of these.
  public let initial: Duration
  /// The last ceiling; default 10 s: what a person who restarts a server is ready to wait.
  public let maximum: Duration
  /// Failures since the last success.
  public private(set) var failures: Int = 0

  /// Makes a backoff that has seen no failure.
  ///
  /// - Parameters:
  ///   - initial: The first ceiling; 1 ms is the least that is taken.
  ///   - maximum: The last ceiling; never below `initial`.
  public init(initial: Duration = .milliseconds(100), maximum: Duration = .seconds(10)) {
    self.initial = max(initial, .milliseconds(1))
    self.maximum = max(maximum, self.initial)
  }

  /// The longest wait that the next failure can bring.
  public var ceiling: Duration {
    var ceiling = initial
    for _ in 0..<failures {
      ceiling *= 2
      if ceiling >= maximum { return maximum }
    }
    return min(ceiling, maximum)
  }

  /// Notes a failure and says how long to wait before the next try.
  ///
  /// - Parameters:
  ///   - retryAfter: What the server asked for; the wait is never shorter, up to `maximum`.
  ///   - generator: Where the jitter comes from.
  public mutating func failed(
    retryAfter: Duration = .zero, using generator: inout some RandomNumberGenerator
  ) -> Duration {
    let ceiling = ceiling
    failures += 1
    let share = Double.random(in: 0.5...1, using: &generator)
    return max(ceiling * share, min(retryAfter, maximum))
  }

  /// Notes a failure, with the system's randomness.
  public mutating func failed(retryAfter: Duration = .zero) -> Duration {
    var generator = SystemRandomNumberGenerator()
    return failed(retryAfter: retryAfter, using: &generator)
  }

  /// Notes a success: the next failure waits for the shortest time again.
  public mutating func succeeded() {
    failures = 0
  }
}
