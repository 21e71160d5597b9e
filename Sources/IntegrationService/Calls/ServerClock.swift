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
  /// The latest time that the wall clock has shown, also where it was set back since: what agents
  /// made then is not made ahead of its time.
  var latestInstant: Instant {
    Instant(milliseconds: ServerWallClock.latestMicroseconds(wallMicroseconds) / 1_000)
  }
  /// The monotonic clock in the unit of ``ServiceTimer``.
  var monotonicMs: Int64 { monotonicNanoseconds / 1_000_000 }
}
