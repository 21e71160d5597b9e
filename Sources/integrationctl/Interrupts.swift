import Glibc
import Synchronization

/// What Ctrl-C does: it ends the program, or asks long work to end after its present step.
struct Interrupts: Sendable {
  /// From here on Ctrl-C asks; a second one ends the program.
  var begin: @Sendable () -> Void
  /// From here on Ctrl-C ends the program.
  var end: @Sendable () -> Void
  /// Whether somebody has asked since `begin`.
  var haveCome: @Sendable () -> Bool

  /// Nobody can ask.
  static let never = Interrupts(begin: {}, end: {}, haveCome: { false })

  /// The process's own SIGINT, once `install` was called.
  static let process = Interrupts(
    begin: { state.store(Phase.asks, ordering: .releasing) },
    end: { state.store(Phase.ends, ordering: .releasing) },
    haveCome: { state.load(ordering: .acquiring) == Phase.asked })

  private enum Phase {
    static let ends = 0
    static let asks = 1
    static let asked = 2
  }

  private static let state = Atomic<Int>(Phase.ends)

  /// Takes over SIGINT.
  static func install() {
    // Made before a signal comes: a handler must not be the first to use a global.
    state.store(Phase.ends, ordering: .releasing)
    signal(SIGINT) { _ in
      let (isAsked, _) = Interrupts.state.compareExchange(
        expected: Phase.asks, desired: Phase.asked, ordering: .acquiringAndReleasing)
      if !isAsked { _exit(ExitCode.interrupted.rawValue) }
    }
  }

  /// Runs work that ends by itself soon after it was asked to.
  func deferred<Value>(_ work: () async throws -> Value) async throws -> Value {
    begin()
    defer { end() }
    return try await work()
  }

  /// Waits, but not on when somebody asks.
  func pause(_ span: Duration) async throws {
    let end = ContinuousClock.now + span
    while !haveCome(), ContinuousClock.now < end {
      try await Task.sleep(for: min(.milliseconds(50), max(.zero, end - .now)))
    }
  }
}
