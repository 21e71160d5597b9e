import Synchronization

/// The credit of one server stream, shared by its connection and whoever sends.
final class StreamState: Sendable {
  private struct State {
    var credit: UInt32 = 0
    /// Messages on their way to the reactor, and their bytes.
    var messagesUnderWay = 0
    var bytesUnderWay = 0
    var isCongested = false
    var isStarved = false
    var hasEnded = false
    var ready: (@Sendable () -> Void)?

    var maySend: Bool {
      credit > 0 && !isCongested && bytesUnderWay < StreamState.maximumBytesUnderWay
    }
  }

  /// Bytes on their way to the reactor from which on credit does not count: whoever sends is faster
  /// than a busy reactor, which only then finds that the peer is slow.
  static let maximumBytesUnderWay = 1 << 20

  private let state = Mutex(State())

  /// Takes the credit of one message, when there is some and the peer and the reactor keep up.
  ///
  /// `isBehind`: earlier messages are still on their way to the reactor, so that this one has to
  /// take the same way, also from the reactor itself.
  func takeCredit(_ bytes: Int) -> (outcome: StreamSendOutcome, isBehind: Bool) {
    state.withLock { state in
      if state.hasEnded { return (.ended, false) }
      guard state.maySend else {
        state.isStarved = true
        return (.noCredit, false)
      }
      let isBehind = state.messagesUnderWay > 0
      state.credit -= 1
      state.messagesUnderWay += 1
      state.bytesUnderWay += bytes
      return (.sent, isBehind)
    }
  }

  func setReady(_ ready: @escaping @Sendable () -> Void) {
    state.withLock { $0.ready = ready }
  }

  /// Adds credit, at most to 2^31 - 1, and tells a sender that had none.
  func addCredit(_ count: UInt32) {
    change { $0.credit = min($0.credit.addingClamped(count), UInt32(Int32.max)) }
  }

  /// The reactor has taken a message, and tells a sender that waited for it.
  func taken(_ bytes: Int) {
    change { state in
      state.messagesUnderWay -= 1
      state.bytesUnderWay -= bytes
    }
  }

  /// Whether so many bytes wait for the peer that credit does not count for now.
  func setCongested(_ isCongested: Bool) {
    change { $0.isCongested = isCongested }
  }

  /// No message is taken from now on; whether earlier ones are still on their way to the reactor.
  @discardableResult
  func end() -> Bool {
    state.withLock { state in
      state.hasEnded = true
      state.ready = nil
      return state.messagesUnderWay > 0
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let ready: (@Sendable () -> Void)? = state.withLock { state in
      body(&state)
      guard state.isStarved, state.maySend else { return nil }
      state.isStarved = false
      return state.ready
    }
    ready?()
  }
}

extension UInt32 {
  fileprivate func addingClamped(_ other: UInt32) -> UInt32 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
