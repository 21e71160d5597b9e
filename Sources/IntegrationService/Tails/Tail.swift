import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire
import Synchronization

/// One operator who tails: sends what changes within the caller's credit, keeps a bounded rest.
///
///     reading (the newest logs are on their way; changes are kept) -> following -> ended
final class Tail: Sendable {
  /// How many bytes of logs are kept for a caller that gives no credit; then the tail ends.
  static let maximumPendingBytes = 16 << 20

  private enum Phase {
    case reading
    case following
    case ended
  }

  private struct State {
    var phase = Phase.reading
    /// What could not be sent yet, oldest first.
    var pending: [[UInt8]] = []
    /// How many of them have been sent.
    var sent = 0
    /// How many bytes the others have.
    var pendingBytes = 0
    /// What the first page showed, so that the same state is not shown twice.
    var shown: [LogID: StoredLog] = [:]
  }

  let selection: LogSelection
  private let stream: ServerStream<TailLogsResponse>
  private let state = Mutex(State())

  init(_ selection: LogSelection, _ stream: ServerStream<TailLogsResponse>) {
    self.selection = selection
    self.stream = stream
  }

  var token: CallToken { stream.token }

  /// Goes on sending whenever the caller gives credit.
  func activate() {
    stream.onReady { [weak self] in self?.creditReturned() }
  }

  /// Sends the newest logs, oldest first, then what changed meanwhile, then follows.
  func begin(with logs: [(StoredLog, [UInt8])]) {
    state.withLock { state in
      guard state.phase == .reading else { return }
      state.phase = .following
      state.pending = logs.map(\.1) + state.pending
      state.pendingBytes += logs.reduce(0) { $0 + $1.1.count }
      for (log, _) in logs { state.shown[log.id] = log }
      flush(&state)
    }
  }

  /// Sends a log that changed, or keeps it; false: the tail is over.
  func send(_ log: StoredLog, _ bytes: [UInt8]) -> Bool {
    state.withLock { state in
      guard state.phase != .ended else { return false }
      if let shown = state.shown.removeValue(forKey: log.id), shown == log { return true }
      state.pending.append(bytes)
      state.pendingBytes += bytes.count
      flush(&state)
      guard state.pendingBytes > Self.maximumPendingBytes else {
        return state.phase != .ended
      }
      state.phase = .ended
      stream.fail(.slowTail)
      return false
    }
  }

  /// Ends the stream because the server goes away.
  func end() {
    state.withLock { state in
      guard state.phase != .ended else { return }
      state.phase = .ended
      stream.fail(.goingAway)
    }
  }

  private func creditReturned() {
    state.withLock { state in
      guard state.phase == .following else { return }
      flush(&state)
    }
  }

  private func flush(_ state: inout State) {
    guard state.phase == .following else { return }
    while state.sent < state.pending.count {
      switch stream.send(bytes: state.pending[state.sent]) {
      case .sent:
        state.pendingBytes -= state.pending[state.sent].count
        state.sent += 1
      case .noCredit:
        if state.sent > 1_000 {
          state.pending.removeFirst(state.sent)
          state.sent = 0
        }
        return
      case .ended:
        state.phase = .ended
        state.pending = []
        return
      }
    }
    state.pending.removeAll(keepingCapacity: true)
    state.sent = 0
  }
}

extension RPCError {
  static let slowTail = RPCError(
    .resourceExhausted,
    "more than \(Tail.maximumPendingBytes >> 20) MiB of logs wait for this reader: narrow the "
      + "filter, then tail again",
    reason: WireReason.slowReader)

  static let goingAway = RPCError(
    .unavailable, "the server is going away; tail again", reason: WireReason.shuttingDown)

  static func tooManyTails(maximum: Int) -> RPCError {
    RPCError(
      .resourceExhausted, "\(maximum) operators tail, the most that may (--maximum-tails)",
      reason: Reason.tooManyTails)
  }
}
