import RPCServer
import RPCWire
import Synchronization

/// The counts, charts and groups of failures that are being worked out.
///
/// Each is a task that reads in steps; it ends when its caller is gone. Safe from any thread.
final class CountDesk: Sendable {
  private struct State {
    /// What ends a task, by its call.
    var cancels: [CallToken: @Sendable () -> Void] = [:]
    var running = 0
  }

  private let maximum: Int
  private let state = Mutex(State())

  /// A desk for at most so many at once.
  init(maximum: Int) { self.maximum = maximum }

  /// Does the work of a call; fails when too many are at work.
  func run<Value: Sendable>(
    _ token: CallToken, _ work: @escaping @Sendable () async throws(RPCError) -> Value
  ) async throws(RPCError) -> Value {
    let hasRoom = state.withLock { state in
      guard state.running < maximum else { return false }
      state.running += 1
      return true
    }
    guard hasRoom else { throw .tooManyCounts(maximum: maximum) }
    let task = Task { () async -> Result<Value, RPCError> in
      do throws(RPCError) {
        return .success(try await work())
      } catch {
        return .failure(error)
      }
    }
    state.withLock { $0.cancels[token] = { task.cancel() } }
    let result = await task.value
    state.withLock { state in
      state.running -= 1
      state.cancels[token] = nil
    }
    return try result.get()
  }

  /// The caller is gone.
  func end(_ token: CallToken) {
    let cancel = state.withLock { $0.cancels.removeValue(forKey: token) }
    cancel?()
  }
}

extension RPCError {
  static func tooManyCounts(maximum: Int) -> RPCError {
    RPCError(
      .resourceExhausted,
      "\(maximum) counts, charts and groups of failures are being worked out, the most that may "
        + "(--maximum-counts): repeat it in a moment",
      reason: Reason.tooManyCounts)
  }

  static func tooManyGroups(maximum: Int) -> RPCError {
    RPCError(
      .invalidArgument,
      "there are more than \(maximum) groups (--maximum-groups): narrow the filter, by "
        + "--since or --integration, or count by less",
      reason: Reason.tooManyGroups)
  }
}
