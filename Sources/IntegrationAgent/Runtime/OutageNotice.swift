import Synchronization

/// When to say that the server cannot be reached: at the first failure of an outage, then once a
/// minute, so that neither silence nor a flood of lines hides it.
///
/// Safe to use from any thread: the client tells of its failures on its own.
final class OutageNotice: Sendable {
  private static let pause = Duration.seconds(60)
  private let lastSaid = Mutex<ContinuousClock.Instant?>(nil)

  /// Whether a failure at this moment is to be said; if so, it counts as said.
  func isDue(at now: ContinuousClock.Instant) -> Bool {
    lastSaid.withLock { lastSaid in
      if let lastSaid, now - lastSaid < Self.pause { return false }
      lastSaid = now
      return true
    }
  }

  /// The server is reached: the next failure begins an outage.
  func end() {
    lastSaid.withLock { $0 = nil }
  }
}
