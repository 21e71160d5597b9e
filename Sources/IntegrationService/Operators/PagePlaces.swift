import Synchronization

/// Places for long answers on their way from the store to their connections, few for all callers.
///
/// What an answer takes as rows, as a message and as bytes is bounded only with the number of
/// answers: tasks make them faster than a busy reactor takes them. So a place is given back when
/// the reactor has taken the answer, not when the task is done. Those that wait have theirs in the
/// order of their coming. Safe from any thread.
final class PagePlaces: Sendable {
  private struct State {
    var free: Int
    /// In the order of their coming, from `first`.
    var waiting: [CheckedContinuation<Void, Never>] = []
    var first = 0

    mutating func next() -> CheckedContinuation<Void, Never>? {
      guard first < waiting.count else {
        free += 1
        return nil
      }
      defer { first += 1 }
      if first >= 64 {
        waiting.removeFirst(first)
        first = 0
      }
      return waiting[first]
    }
  }

  /// One place: whoever lets go of it last gives it back, also work that a stopped reactor drops.
  final class Place: Sendable {
    private let places: PagePlaces

    fileprivate init(_ places: PagePlaces) { self.places = places }

    deinit { places.give() }
  }

  private let state: Mutex<State>

  /// So many places.
  init(count: Int) { state = Mutex(State(free: count)) }

  /// Tasks that wait for a place.
  var waitingCount: Int { state.withLock { $0.waiting.count - $0.first } }

  /// Takes a place once there is one.
  func take() async -> Place {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        guard state.free == 0 else {
          state.free -= 1
          return true
        }
        state.waiting.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
    return Place(self)
  }

  private func give() {
    let next = state.withLock { $0.next() }
    next?.resume()
  }
}
