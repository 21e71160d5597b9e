import ProtobufRuntime
import RPCServer
import Synchronization

/// Lets a task send the items of a stream as its caller's credit allows.
final class PacedStream<Item: ProtobufMessage>: Sendable {
  private struct State {
    var isReady = false
    var isEnded = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let stream: ServerStream<Item>
  private let state = Mutex(State())

  init(_ stream: ServerStream<Item>) {
    self.stream = stream
    stream.onReady { [weak self] in self?.wake() }
  }

  /// Sends an item as soon as there is credit; false: the call is over.
  func send(_ item: Item) async -> Bool {
    let bytes = item.serializedBytes()
    while true {
      switch stream.send(bytes: bytes) {
      case .sent: return true
      case .ended: return false
      case .noCredit: await wait()
      }
    }
  }

  /// Whether the call is over, as far as sending has shown or its end was told.
  var isEnded: Bool { state.withLock { $0.isEnded } }

  /// The call is over: whatever fills the stream ends.
  func end() {
    state.withLock { $0.isEnded = true }
    wake()
  }

  /// Sends an item if there is credit now; false: the call is over.
  func offer(_ item: Item) -> Bool { stream.send(item) != .ended }

  /// Lets a waiting task try again: there is credit, or the call is over.
  func wake() {
    let waiter = state.withLock { state in
      state.isReady = state.waiter == nil
      return state.waiter.take()
    }
    waiter?.resume()
  }

  private func wait() async {
    await withCheckedContinuation { continuation in
      let isReady = state.withLock { state in
        defer { state.isReady = false }
        if !state.isReady { state.waiter = continuation }
        return state.isReady
      }
      if isReady { continuation.resume() }
    }
  }
}

/// Streams that tasks fill, so that the end of a call wakes its task.
final class PacedStreams: Sendable {
  private let waking = Mutex<[CallToken: @Sendable () -> Void]>([:])
  private let maximum: Int

  init(maximum: Int) { self.maximum = maximum }

  /// Takes in a stream; false: there are too many.
  func add(_ token: CallToken, _ wake: @escaping @Sendable () -> Void) -> Bool {
    waking.withLock { waking in
      guard waking.count < maximum else { return false }
      waking[token] = wake
      return true
    }
  }

  /// The stream's task has ended.
  func remove(_ token: CallToken) { waking.withLock { _ = $0.removeValue(forKey: token) } }

  /// The call is over; nothing happens when it is no such stream.
  func callEnded(_ token: CallToken) { waking.withLock { $0[token] }?() }
}
