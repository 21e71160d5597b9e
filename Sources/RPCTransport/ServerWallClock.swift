import Glibc
import Synchronization

/// The wall clock that the server lives by: the machine's, as it was when it was last taken over,
/// and what the monotonic clock has gone on since.
///
/// It never jumps by itself. Where somebody sets the machine's clock, ``aheadMilliseconds`` says by
/// how much the two differ, and ``follow()`` takes the machine's over, at a moment at which whoever
/// measures spans in wall time can move their ends by the same step. The monotonic clock stands
/// still while the machine sleeps, as timers do; after a sleep the machine's clock is ahead by its
/// length.
public enum ServerWallClock {
  /// Microseconds from the monotonic clock to the wall clock.
  private static let offset = Atomic<Int64>(measuredOffset())

  /// Microseconds since 1970 at a time of the monotonic clock.
  public static func microseconds(atMonotonicNanoseconds monotonic: Int64) -> Int64 {
    monotonic / 1_000 &+ offset.load(ordering: .relaxed)
  }

  /// By how many whole milliseconds the machine's wall clock is ahead of this one.
  public static var aheadMilliseconds: Int64 {
    (measuredOffset() &- offset.load(ordering: .relaxed)) / 1_000
  }

  /// Takes the machine's wall clock over; returns by how many milliseconds this one was set.
  ///
  /// Called by one thread at a time.
  public static func follow() -> Int64 {
    let step = aheadMilliseconds
    offset.add(step &* 1_000, ordering: .relaxed)
    return step
  }

  /// Reads the machine's clocks; a thread that is put aside in between reads them again.
  private static func measuredOffset() -> Int64 {
    var before = ServerTime.nanoseconds(of: CLOCK_MONOTONIC)
    for _ in 0..<100 {
      let wall = ServerTime.nanoseconds(of: CLOCK_REALTIME)
      let after = ServerTime.nanoseconds(of: CLOCK_MONOTONIC)
      let middle = before + (after - before) / 2
      if after - before < 1_000_000 { return wall / 1_000 - middle / 1_000 }
      before = after
    }
    return ServerTime.nanoseconds(of: CLOCK_REALTIME) / 1_000 - before / 1_000
  }
}
