/// A point in time: milliseconds since 1970-01-01T00:00:00Z, as the server's wall clock gave it.
///
/// The model reads no clock; whoever calls it passes the time.
public struct Instant: Hashable, Comparable, Sendable {
  /// Milliseconds since 1970; negative before it.
  public let milliseconds: Int64

  /// Makes an instant from milliseconds since 1970.
  public init(milliseconds: Int64) {
    self.milliseconds = milliseconds
  }

  /// 1970-01-01T00:00:00Z.
  public static let epoch = Instant(milliseconds: 0)
  /// Later than any other; a deadline that never comes.
  public static let distantFuture = Instant(milliseconds: .max)

  /// Earlier before later.
  public static func < (left: Instant, right: Instant) -> Bool {
    left.milliseconds < right.milliseconds
  }

  /// The instant some milliseconds later (earlier when negative); stops at the ends of the range.
  public func adding(milliseconds: Int64) -> Instant {
    let (sum, overflow) = self.milliseconds.addingReportingOverflow(milliseconds)
    return Instant(milliseconds: overflow ? (milliseconds < 0 ? .min : .max) : sum)
  }

  /// Milliseconds from `earlier` to this instant; stops at the ends of the range.
  public func milliseconds(since earlier: Instant) -> Int64 {
    let (span, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
    return overflow ? (milliseconds < 0 ? .min : .max) : span
  }
}
