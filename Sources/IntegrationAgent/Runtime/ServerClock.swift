import ProtobufRuntime

/// The server's time as its last answer to a heartbeat told it, for the ids of own work.
///
/// The server refuses ids whose time lies far ahead of its own clock, and the id cannot change any
/// more once a report was written. The span since the answer is measured by a clock that nobody
/// sets, so that an agent's clock that is put right meanwhile is followed at once.
struct ServerClock {
  /// A clock that is ahead by less is taken as it is; the server takes ten minutes.
  static let toleranceMs: UInt64 = 60_000

  private var heard: (serverMs: UInt64, at: ContinuousClock.Instant)?

  /// The server said what time it was.
  mutating func hear(_ time: Timestamp, at now: ContinuousClock.Instant) {
    heard = (UInt64(clamping: time.milliseconds), now)
  }

  /// The time for an id: the agent's own, or the server's where the own one is far ahead of it.
  ///
  /// A time that is behind is nothing the server refuses, and stays.
  func milliseconds(own: UInt64, at now: ContinuousClock.Instant) -> UInt64 {
    guard let heard else { return own }
    let span = max(0, (now - heard.at) / .milliseconds(1))
    let server = heard.serverMs &+ UInt64(span)
    return own > server &+ Self.toleranceMs ? server : own
  }
}
