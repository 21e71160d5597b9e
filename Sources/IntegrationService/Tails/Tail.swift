import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire
import Synchronization

/// One operator who tails: sends what changes within the caller's credit, keeps the rest, which is
/// bounded over all tails (`TailBytes`).
///
///     reading (what came before is on its way; changes are held) -> following -> ended
final class Tail: Sendable {
  /// While what came before is read, no more is read than so many bytes ahead of the caller.
  static let readAheadBytes = 2 << 20

  /// A change that came while earlier ones were read.
  private struct Held {
    let log: LogPosition
    let place: ChangePlace?
    let bytes: [UInt8]
  }

  private enum Phase {
    case reading
    case following
    case ended
  }

  private struct State {
    var phase = Phase.reading
    /// What could not be sent yet, oldest first.
    var pending: [[UInt8]] = []
    /// How many of them have been sent; their places are empty.
    var sent = 0
    /// How many bytes the others have, and what is held.
    var pendingBytes = 0
    var held: [Held] = []
    /// Changes before this place are read, not sent as they come; nil: all are sent.
    var start: ChangePlace?
    /// Logs that were read after `start`, with the last commit that they show.
    var shown: [LogPosition: Int64] = [:]
    /// The last place that the caller knows.
    var told: ChangePlace?
    /// Called once when there is room to read on, or the tail is over.
    var whenRoom: CheckedContinuation<Void, Never>?
  }

  let selection: LogSelection
  private let stream: ServerStream<TailLogsResponse>
  private let bytes: TailBytes
  private let state = Mutex(State())

  init(
    _ selection: LogSelection, _ stream: ServerStream<TailLogsResponse>, counting bytes: TailBytes
  ) {
    self.selection = selection
    self.stream = stream
    self.bytes = bytes
  }

  var token: CallToken { stream.token }
  /// Bytes that wait for the caller.
  var waitingBytes: Int { state.withLock { $0.pendingBytes } }
  /// Bytes that are kept in memory; the same, or what is counted is not what is there.
  var keptBytes: Int {
    state.withLock { state in
      state.pending.reduce(0) { $0 + $1.count } + state.held.reduce(0) { $0 + $1.bytes.count }
    }
  }

  /// Goes on sending whenever the caller gives credit.
  func activate() {
    stream.onReady { [weak self] in self?.creditReturned() }
  }

  // MARK: - What came before

  /// Sends messages that were read; what is held and lies in the commits that they show is dropped.
  func send(read messages: [[UInt8]], through commit: Int64) {
    state.withLock { state in
      guard state.phase == .reading else { return }
      state.pending += messages
      count(messages.reduce(0) { $0 + $1.count }, &state)
      drop(&state) { ($0.place?.commit ?? 0) <= commit }
      flush(&state)
    }
  }

  /// Returns when there is room for more that was read; false: the tail is over.
  func hasRoom() async -> Bool {
    await withCheckedContinuation { continuation in
      let hasRoom = state.withLock { state in
        guard state.phase == .reading, state.pendingBytes > Self.readAheadBytes else {
          return true
        }
        state.whenRoom = continuation
        return false
      }
      if hasRoom { continuation.resume() }
    }
    return state.withLock { $0.phase == .reading }
  }

  /// Follows from a place on, nil: from the first change that is held; `shown` are logs that were
  /// read later than at that place, each with the last commit that it shows.
  func follow(from start: ChangePlace?, shown: [LogPosition: Int64] = [:], _ place: ChangePlace) {
    state.withLock { state in
      guard state.phase == .reading else { return }
      state.phase = .following
      state.start = start
      state.shown = shown
      let message = TailLogsResponse(place).serializedBytes()
      state.pending.append(message)
      count(message.count, &state)
      state.told = place
      let before = state
      drop(&state) { !Self.isNews($0.log, $0.place, before) }
      state.pending += state.held.map(\.bytes)
      state.told = state.held.last?.place ?? state.told
      state.held = []
      flush(&state)
    }
  }

  private func drop(_ state: inout State, _ isOld: (Held) -> Bool) {
    let dropped = state.held.filter(isOld)
    guard !dropped.isEmpty else { return }
    state.held.removeAll(where: isOld)
    count(-dropped.reduce(0) { $0 + $1.bytes.count }, &state)
  }

  // MARK: - What comes

  /// Sends a log that changed, or keeps it; false: the tail is over.
  func send(_ log: StoredLog, _ place: ChangePlace?, _ bytes: [UInt8]) -> Bool {
    state.withLock { state in
      switch state.phase {
      case .ended: return false
      case .reading:
        state.held.append(Held(log: log.position, place: place, bytes: bytes))
      case .following:
        guard Self.isNews(log.position, place, state) else { return true }
        state.pending.append(bytes)
        state.told = place ?? state.told
      }
      count(bytes.count, &state)
      flush(&state)
      return state.phase != .ended
    }
  }

  /// Whether a change was not among what was read.
  private static func isNews(_ log: LogPosition, _ place: ChangePlace?, _ state: State) -> Bool {
    guard let start = state.start else { return true }
    // Without a place it came before the journal began, unless the tail follows already.
    guard let place else { return state.phase == .following && state.held.isEmpty }
    guard place.journal == start.journal else { return place.journal > start.journal }
    if place.commit < start.commit { return false }
    return state.shown[log].map { place.commit > $0 } ?? true
  }

  /// Says how far a tail is that has shown nothing for a while, so that it can go on from there.
  func tell(_ place: ChangePlace) {
    state.withLock { state in
      guard state.phase == .following, state.pending.isEmpty, state.told.map({ $0 < place }) ?? true
      else { return }
      state.told = place
      state.pending.append(TailLogsResponse(place).serializedBytes())
      count(state.pending[0].count, &state)
      flush(&state)
    }
  }

  /// Ends the stream with an error, such as because the server goes away.
  func fail(_ error: RPCError) {
    state.withLock { state in
      guard state.phase != .ended else { return }
      end(&state)
      stream.fail(error)
    }
  }

  /// The call is over.
  func stop() { state.withLock { end(&$0) } }

  private func end(_ state: inout State) {
    state.phase = .ended
    state.pending = []
    state.sent = 0
    state.held = []
    count(-state.pendingBytes, &state)
    state.whenRoom?.resume()
    state.whenRoom = nil
  }

  private func count(_ change: Int, _ state: inout State) {
    state.pendingBytes += change
    bytes.add(change)
  }

  private func creditReturned() {
    state.withLock { flush(&$0) }
  }

  private func flush(_ state: inout State) {
    guard state.phase != .ended else { return }
    while state.sent < state.pending.count {
      switch stream.send(bytes: state.pending[state.sent]) {
      case .sent:
        count(-state.pending[state.sent].count, &state)
        // It is the connection's now: kept here, it would be memory that nobody counts.
        state.pending[state.sent] = []
        state.sent += 1
      case .noCredit:
        if state.sent > 1_000 {
          state.pending.removeFirst(state.sent)
          state.sent = 0
        }
        return makeRoom(&state)
      case .ended:
        return end(&state)
      }
    }
    state.pending.removeAll(keepingCapacity: true)
    state.sent = 0
    makeRoom(&state)
  }

  private func makeRoom(_ state: inout State) {
    guard state.pendingBytes <= Self.readAheadBytes else { return }
    state.whenRoom?.resume()
    state.whenRoom = nil
  }
}

extension RPCError {
  static func slowTail(_ bytes: Int, maximum: Int) -> RPCError {
    RPCError(
      .resourceExhausted,
      "\(bytes) bytes of logs wait for this reader, and more than \(maximum) for all who tail "
        + "(--maximum-tail-bytes): read faster or narrow the filter, then tail again from your "
        + "resume_token",
      reason: WireReason.slowReader)
  }

  static let goingAway = RPCError(
    .unavailable, "the server is going away; tail again", reason: WireReason.shuttingDown)

  static let tailTooOld = RPCError(
    .failedPrecondition,
    "what changed since this place of a tail is not kept any more: tail again without a "
      + "resume_token, and list what changed meanwhile",
    reason: Reason.tailTooOld)

  static func tooManyTails(maximum: Int) -> RPCError {
    RPCError(
      .resourceExhausted, "\(maximum) operators tail, the most that may (--maximum-tails)",
      reason: Reason.tooManyTails)
  }
}
