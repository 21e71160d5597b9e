import IntegrationModel
import RPCServer
import RPCTransport

/// The server's wall clock, for what has no call to take the time from.
enum ServerClock {
  /// The time now, read anew.
  static var now: Instant { ServerTime.read().instant }
}

extension ServerTime {
  /// The wall clock in the model's unit.
  var instant: Instant { Instant(milliseconds: wallMicroseconds / 1_000) }
  /// The monotonic clock in the unit of ``ServiceTimer``.
  var monotonicMs: Int64 { monotonicNanoseconds / 1_000_000 }
}

extension Instant {
  /// What the machine's clock shows, which the server's follows with its next look.
  static var machine: Instant {
    ServerClock.now.adding(milliseconds: ServerWallClock.aheadMilliseconds)
  }
}
