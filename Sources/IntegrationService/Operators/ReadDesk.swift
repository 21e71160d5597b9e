import Dispatch
import RPCServer
import RPCWire
import Synchronization

/// The operators' calls that read the store, a bounded number at once for each principal.
///
/// A call whose turn has not come is dropped when its caller cancels it or goes. So whoever asks
/// and cancels without end makes no work beyond what is running, and whoever asks for very much
/// waits behind itself, not in front of the others. What waits keeps its request in memory, so a
/// principal may have so many calls and so many bytes of them waiting. Safe from any thread.
final class ReadDesk: Sendable {
  typealias Start = @Sendable () -> Void

  /// The calls of one principal; an object, so that a call is added in place.
  private final class Line {
    var running = 0
    var waiting = 0
    /// Of the requests of those that wait, as they were sent.
    var waitingBytes = 0
    /// In the order of their arrival, from `first`; also calls that have ended since.
    var order: [CallToken] = []
    var first = 0

    func append(_ token: CallToken, bytes: Int, isWaiting: (CallToken) -> Bool) {
      // Most are over: without this a caller that asks and cancels would grow it without end.
      if order.count > 2 * waiting + 64 {
        order = order[first...].filter(isWaiting)
        first = 0
      }
      order.append(token)
      waiting += 1
      waitingBytes += bytes
    }

    func remove(_ call: Waiting) {
      waiting -= 1
      waitingBytes -= call.bytes
    }

    func next() -> CallToken? {
      guard first < order.count else { return nil }
      first += 1
      return order[first - 1]
    }
  }

  private struct Waiting {
    var name: String
    var bytes: Int
    var start: Start
  }

  private struct State {
    var lines: [String: Line] = [:]
    var waiting: [CallToken: Waiting] = [:]
  }

  private enum Turn { case now, later, never }

  /// As the store's readers: what encodes long answers stays behind what answers short calls.
  static let priority = TaskPriority.background

  private let maximum: Int
  private let maximumWaiting: Int
  private let maximumWaitingBytes: Int
  private let state = Mutex(State())
  /// Where reads end: a task of low priority that the system set aside while it had the lock would
  /// make reactors wait, some ten milliseconds beside callers who cancel thousands of lists.
  private let queue = DispatchQueue(label: "integration.service.reads", qos: .userInitiated)

  /// A desk where each principal may have so many reads at work, and so many waiting.
  init(maximum: Int, maximumWaiting: Int = .max, maximumWaitingBytes: Int = .max) {
    self.maximum = maximum
    self.maximumWaiting = maximumWaiting
    self.maximumWaitingBytes = maximumWaitingBytes
  }

  /// Calls of all principals that wait for their turn.
  var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// Where the line of a principal lies in memory: one that is copied for each call moves with it.
  func linePlace(of name: String) -> Int {
    state.withLock { state in
      let place = unsafe state.lines[name]?.order.withUnsafeBufferPointer { $0.baseAddress }
      return Int(bitPattern: place)
    }
  }

  /// Does the work of a call in a task, now or when the principal's earlier ones are done; false:
  /// as many wait as may.
  @discardableResult
  func run(
    _ token: CallToken, of name: String, bytes: Int = 0,
    _ work: @escaping @Sendable () async -> Void
  ) -> Bool {
    let start: Start = {
      Task(priority: Self.priority) { [self] in
        await work()
        queue.async { self.ended(name) }
      }
    }
    let turn = state.withLock { state -> Turn in
      let line = state.lines[name] ?? Line()
      state.lines[name] = line
      guard line.running >= maximum else {
        line.running += 1
        return .now
      }
      guard line.waiting < maximumWaiting, bytes <= maximumWaitingBytes - line.waitingBytes else {
        return .never
      }
      line.append(token, bytes: bytes) { state.waiting[$0] != nil }
      state.waiting[token] = Waiting(name: name, bytes: bytes, start: start)
      return .later
    }
    if turn == .now { start() }
    return turn != .never
  }

  /// The caller is gone: what has not begun is dropped.
  func end(_ token: CallToken) {
    state.withLock { state in
      guard let call = state.waiting.removeValue(forKey: token) else { return }
      state.lines[call.name]?.remove(call)
    }
  }

  /// One of a principal's reads is done: the next one begins.
  private func ended(_ name: String) {
    let next = state.withLock { state -> Start? in
      guard let line = state.lines[name] else { return nil }
      while let token = line.next() {
        guard let call = state.waiting.removeValue(forKey: token) else { continue }
        line.remove(call)
        return call.start
      }
      line.running -= 1
      if line.running == 0 { state.lines[name] = nil }
      return nil
    }
    next?()
  }
}

extension RPCError {
  static func tooManyReads(_ limits: ServiceLimits) -> RPCError {
    RPCError(
      .resourceExhausted,
      "as many reads of this caller wait as may: \(limits.maximumWaitingReads) "
        + "(--maximum-waiting-reads), or \(limits.maximumWaitingReadBytes) bytes of requests "
        + "(--maximum-waiting-read-bytes); repeat it when earlier ones are answered",
      reason: Reason.tooManyReads)
  }
}
