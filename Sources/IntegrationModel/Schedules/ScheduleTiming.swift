/// When a schedule runs.
public enum ScheduleTiming: Hashable, Sendable {
  /// At the times of a cron expression in a zone.
  case cron(CronTimes)
  /// Every so many milliseconds, counted from when the schedule was made; also back from there,
  /// where the clock was ahead then.
  case interval(milliseconds: Int64, anchor: Instant)

  /// The shortest interval, one second.
  public static let minimumIntervalMs: UInt64 = 1_000
  /// The longest interval, 366 days.
  public static let maximumIntervalMs: UInt64 = 31_622_400_000

  /// The last moment that is one: the end of the year 9999, the last that RFC 3339 can write.
  public static let end = Instant(milliseconds: 253_402_300_799_999)

  /// The first time after another; nil: there is none.
  public func next(after instant: Instant) -> Instant? {
    guard instant < Self.end, let next = unbounded(after: instant), next <= Self.end else {
      return nil
    }
    return next
  }

  private func unbounded(after instant: Instant) -> Instant? {
    switch self {
    case .cron(let times): return times.next(after: instant)
    case .interval(let milliseconds, let anchor):
      guard milliseconds > 0 else { return nil }
      let passed = instant.milliseconds(since: anchor)
      let steps = CivilTime.floorDivide(passed, milliseconds)
      return anchor.adding(milliseconds: (steps + 1) * milliseconds)
    }
  }

  /// The zone in which its times are shown.
  public var zone: ZoneRules {
    switch self {
    case .cron(let times): times.zone
    case .interval: .utc
    }
  }
}

/// The wait that spreads schedules of one time over a span.
public enum ScheduleJitter {
  /// The longest jitter, one day.
  public static let maximumMs: UInt64 = 86_400_000

  /// When a schedule fires whose time is `time`, followed by `next`.
  ///
  /// The wait is a hash of the schedule's name and the time, at most `jitterMs` and shorter than
  /// the way to `next`: so it is the same however often it is computed, and no time overtakes
  /// another.
  public static func fireAt(
    _ time: Instant, next: Instant?, jitterMs: UInt64, schedule name: String
  ) -> Instant {
    guard jitterMs > 0 else { return time }
    let gap = next.map { UInt64(clamping: $0.milliseconds(since: time)) } ?? .max
    let bound = min(min(jitterMs, maximumMs) + 1, max(1, gap))
    // FNV-1a (64 bits) over the name and the time, then a mix so that near times differ.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    for byte in name.utf8 { add(byte) }
    let bits = UInt64(bitPattern: time.milliseconds)
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      add(UInt8(truncatingIfNeeded: bits >> shift))
    }
    hash = (hash ^ hash >> 32) &* 0xd6e8_feb8_6659_fd93
    hash ^= hash >> 32
    return time.adding(milliseconds: Int64(hash % bound))
  }
}
