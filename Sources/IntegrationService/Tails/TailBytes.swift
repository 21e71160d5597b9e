import Synchronization

/// How many bytes wait for the readers of all tails together, and how many may.
///
/// A message that goes to several tails is one piece of memory and counts for each: what is counted
/// is never less than what is there. Safe from any thread.
final class TailBytes: Sendable {
  let maximum: Int
  private let waiting = Atomic<Int>(0)

  init(maximum: Int) { self.maximum = maximum }

  /// Whether more waits than may.
  var isExceeded: Bool { waiting.load(ordering: .relaxed) > maximum }
  /// What waits.
  var count: Int { waiting.load(ordering: .relaxed) }

  func add(_ bytes: Int) { waiting.add(bytes, ordering: .relaxed) }
}
