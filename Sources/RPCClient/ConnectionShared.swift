import RPCEnvelope
import RPCWire
import Synchronization

/// What a connection's reactor tells to the threads that use it.
final class ConnectionShared: Sendable {
  private struct State {
    var principal = ""
    var serverVersion = ""
    var isGreeted = false
    var isOpen = true
    var end: RPCError?
    var greetingWaiters: [CheckedContinuation<RPCError?, Never>] = []
    var endWaiters: [CheckedContinuation<RPCError, Never>] = []
  }

  private let state = Mutex(State())
  private let tickets = Atomic<UInt64>(0)

  func nextTicket() -> UInt64 {
    tickets.wrappingAdd(1, ordering: .relaxed).newValue
  }

  var principal: String { state.withLock { $0.principal } }
  var serverVersion: String { state.withLock { $0.serverVersion } }
  var isOpen: Bool { state.withLock { $0.isOpen } }

  func greeted(_ hello: ServerHello) {
    let waiters = state.withLock { state in
      state.principal = hello.principal
      state.serverVersion = hello.serverVersion
      state.isGreeted = true
      defer { state.greetingWaiters = [] }
      return state.greetingWaiters
    }
    for waiter in waiters { waiter.resume(returning: nil) }
  }

  /// No new calls are taken.
  func willEnd() {
    state.withLock { $0.isOpen = false }
  }

  func ended(_ error: RPCError) {
    let (greeting, end) = state.withLock { state in
      state.isOpen = false
      state.end = error
      defer {
        state.greetingWaiters = []
        state.endWaiters = []
      }
      return (state.greetingWaiters, state.endWaiters)
    }
    for waiter in greeting { waiter.resume(returning: error) }
    for waiter in end { waiter.resume(returning: error) }
  }

  /// Waits for the server's HELLO; returns the error that came instead.
  func waitUntilGreeted() async -> RPCError? {
    await withCheckedContinuation { continuation in
      let known: RPCError?? = state.withLock { state in
        if state.isGreeted { return .some(nil) }
        if let end = state.end { return .some(end) }
        state.greetingWaiters.append(continuation)
        return .none
      }
      if let known { continuation.resume(returning: known) }
    }
  }

  /// Waits for the end of the connection.
  func waitUntilEnded() async -> RPCError {
    await withCheckedContinuation { continuation in
      let known: RPCError? = state.withLock { state in
        if state.end == nil { state.endWaiters.append(continuation) }
        return state.end
      }
      if let known { continuation.resume(returning: known) }
    }
  }
}
