import Glibc

/// The two clocks as a reactor read them at the start of its wake-up.
public struct ServerTime: Sendable, Hashable {
  /// Nanoseconds of the monotonic clock: for intervals and deadlines.
  public var monotonicNanoseconds: Int64
  /// Microseconds since 1970 of the wall clock: for people and records.
  public var wallMicroseconds: Int64

  /// Makes a time from both clocks.
  @inlinable
  public init(monotonicNanoseconds: Int64, wallMicroseconds: Int64) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.wallMicroseconds = wallMicroseconds
  }

  /// Reads the monotonic clock alone, in nanoseconds.
  static func monotonicNow() -> Int64 {
    var monotonic = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &monotonic)
    return Int64(monotonic.tv_sec) * 1_000_000_000 + Int64(monotonic.tv_nsec)
  }

  /// Reads both clocks.
  public static func read() -> ServerTime {
    var monotonic = timespec()
    var wall = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &monotonic)
    unsafe clock_gettime(CLOCK_REALTIME, &wall)
    return ServerTime(
      monotonicNanoseconds: Int64(monotonic.tv_sec) * 1_000_000_000 + Int64(monotonic.tv_nsec),
      wallMicroseconds: Int64(wall.tv_sec) * 1_000_000 + Int64(wall.tv_nsec) / 1000)
  }
}
