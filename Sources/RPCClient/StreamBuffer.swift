import RPCWire
import Synchronization

/// Messages of a stream between the reactor that receives them and the one task that reads.
final class StreamBuffer: Sendable {
  private struct State {
    var messages: [[UInt8]] = []
    var head = 0
    var isFinished = false
    var failure: RPCError?
    var taken: UInt32 = 0
    var waiter: CheckedContinuation<Result<[UInt8]?, RPCError>, Never>?
  }

  /// Messages that may be on their way or wait here.
  let window: UInt32 = 64
  private let state = Mutex(State())

  func append(_ message: [UInt8]) {
    let waiter: CheckedContinuation<Result<[UInt8]?, RPCError>, Never>? = state.withLock { state in
      guard !state.isFinished else { return nil }
      if let waiter = state.waiter {
        state.waiter = nil
        state.taken += 1
        return waiter
      }
      state.messages.append(message)
      return nil
    }
    waiter?.resume(returning: .success(message))
  }

  /// No message comes any more; nil is success.
  func finish(_ failure: RPCError?) {
    let waiter: CheckedContinuation<Result<[UInt8]?, RPCError>, Never>? = state.withLock { state in
      guard !state.isFinished else { return nil }
      state.isFinished = true
      state.failure = failure
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume(returning: failure.map { .failure($0) } ?? .success(nil))
  }

  var isFinished: Bool { state.withLock { $0.isFinished } }

  /// The credit to give back for what was taken: none until half of the window is used up.
  func creditToGrant() -> UInt32 {
    state.withLock { state in
      guard !state.isFinished, state.taken >= window / 2 else { return 0 }
      defer { state.taken = 0 }
      return state.taken
    }
  }

  /// The next message, nil at the end.
  ///
  /// One task at a time.
  func next() async -> Result<[UInt8]?, RPCError> {
    await withCheckedContinuation { continuation in
      let known: Result<[UInt8]?, RPCError>? = state.withLock { state in
        if state.head < state.messages.count {
          let message = state.messages[state.head]
          state.head += 1
          state.taken += 1
          // A reader that is always a little behind must not keep what it has read.
          if state.head == state.messages.count || state.head >= window {
            state.messages.removeFirst(state.head)
            state.head = 0
          }
          return .success(message)
        }
        if let failure = state.failure { return .failure(failure) }
        if state.isFinished { return .success(nil) }
        precondition(state.waiter == nil, "a stream has one reader")
        state.waiter = continuation
        return nil
      }
      if let known { continuation.resume(returning: known) }
    }
  }
}

extension StreamBuffer: CallReceiver {
  func replied(_ tag: UInt64, _ payload: UnsafeRawBufferPointer, _ scratch: ClientScratch) {
    finish(nil)
  }

  func failed(_ tag: UInt64, _ error: RPCError) {
    finish(error)
  }

  func received(_ message: UnsafeRawBufferPointer) {
    append(unsafe Array(message))
  }
}
