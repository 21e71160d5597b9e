import Glibc

/// The two clocks as a reactor read them at the start of its wake-up.
public struct ServerTime: Sendable, Hashable {
  /// Nanoseconds of the monotonic clock: for intervals and deadlines.
  public var monotonicNanoseconds: Int64
  /// Microseconds since 1970 of the ``ServerWallClock``: for people and records.
  public var wallMicroseconds: Int64

  /// Makes a time from both clocks.
  @inlinable
  public init(monotonicNanoseconds: Int64, wallMicroseconds: Int64) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.wallMicroseconds = wallMicroseconds
  }

  /// Reads both clocks.
  public static func read() -> ServerTime {
    let monotonic = nanoseconds(of: CLOCK_MONOTONIC)
    #if PLANTED_WALL_CLOCK_DEADLINES
      let wall = nanoseconds(of: CLOCK_REALTIME) / 1_000
    #else
      let wall = ServerWallClock.microseconds(atMonotonicNanoseconds: monotonic)
    #endif
    return ServerTime(monotonicNanoseconds: monotonic, wallMicroseconds: wall)
  }

  /// Reads a clock of the machine, which always exists.
  static func nanoseconds(of clock: clockid_t) -> Int64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
