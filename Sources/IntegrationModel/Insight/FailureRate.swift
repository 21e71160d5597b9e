/// How many ended within a day, and how many of them failed.
public struct FailureRate: Hashable, Sendable {
  /// All that ended.
  public var ended: UInt64
  /// Of these, FAILED or TIMED_OUT.
  public var failed: UInt64

  /// Makes a rate.
  public init(ended: UInt64 = 0, failed: UInt64 = 0) {
    self.ended = ended
    self.failed = failed
  }

  /// How many ends each day must have, so that a few unlucky ones say nothing: 20.
  public static let minimumEnded: UInt64 = 20
  /// How many must have failed: 5.
  public static let minimumFailed: UInt64 = 5
  /// By how many of a hundred the rate must have risen: 5.
  public static let minimumRise = 0.05
  /// How many times as high the rate must be: 2.
  public static let minimumFactor = 2.0

  /// From 0 to 1; 0 where nothing ended.
  public var rate: Double { ended == 0 ? 0 : min(1, Double(failed) / Double(ended)) }

  /// In whole hundredths, for people.
  public var percent: UInt64 { UInt64((rate * 100).rounded()) }

  /// Whether it is clearly above that of the day before.
  ///
  /// All four must hold: both days have enough ends, enough failed, the rate has at least doubled,
  /// and it has risen by some hundredths. From 0.1 to 0.3 of a hundred is noise, and from 40 to 50
  /// is an old trouble that the count of failures shows.
  public func isClearlyAbove(_ before: FailureRate) -> Bool {
    ended >= Self.minimumEnded && before.ended >= Self.minimumEnded
      && failed >= Self.minimumFailed
      && rate >= Self.minimumFactor * before.rate
      && rate - before.rate > Self.minimumRise - 1e-9
  }
}
