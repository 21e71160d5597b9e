import Synchronization

/// Counts from 1; safe to use from any thread.
final class SignalCounter: Sendable {
  private let count = Atomic<Int>(0)

  func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
