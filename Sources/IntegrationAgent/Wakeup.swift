import Synchronization

/// Lets one task sleep until another says that there is something to do.
///
/// A notification that comes before the wait is kept, so that none is lost; several become one. One
/// task waits at a time.
final class Wakeup: Sendable {
  private struct State {
    var isNotified = false
    var waiter: CheckedContinuation<Void, Never>?
    /// Tells the timer of an earlier wait from the present one.
    var generation: UInt64 = 0
  }
  private let state = Mutex(State())

  /// Wakes the waiting task, or the next one that waits.
  func notify() {
    let waiter = state.withLock { state in
      guard let waiter = state.waiter else {
        state.isNotified = true
        return CheckedContinuation<Void, Never>?.none
      }
      state.waiter = nil
      return waiter
    }
    waiter?.resume()
  }

  /// Returns at a notification, after `duration`, or when the task is cancelled.
  func wait(for duration: Duration? = nil) async {
    let generation = state.withLock { state in
      state.generation &+= 1
      return state.generation
    }
    let timer = duration.map { duration in
      Task {
        try await Task.sleep(for: duration)
        release(generation)
      }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isDue = state.withLock { state in
          guard !state.isNotified, !Task.isCancelled else {
            state.isNotified = false
            return true
          }
          precondition(state.waiter == nil, "two tasks wait on one wakeup")
          state.waiter = continuation
          return false
        }
        if isDue { continuation.resume() }
      }
    } onCancel: {
      release(generation)
    }
    timer?.cancel()
  }

  private func release(_ generation: UInt64) {
    let waiter = state.withLock { state in
      guard state.generation == generation else { return CheckedContinuation<Void, Never>?.none }
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }
}
