import RPCServer
import Synchronization

/// The operators' calls that read the store, a bounded number at once for each principal.
///
/// A call whose turn has not come is dropped when its caller cancels it or goes. So whoever asks
/// and cancels without end makes no work beyond what is running, and whoever asks for very much
/// waits behind itself, not in front of the others. Safe from any thread.
final class ReadDesk: Sendable {
  typealias Start = @Sendable () -> Void

  /// The calls of one principal; an object, so that a call is added in place.
  private final class Line {
    var running = 0
    var waiting = 0
    /// In the order of their arrival, from `first`; also calls that have ended since.
    var order: [CallToken] = []
    var first = 0

    func append(_ token: CallToken, isWaiting: (CallToken) -> Bool) {
      // Most are over: without this a caller that asks and cancels would grow it without end.
      if order.count > 2 * waiting + 64 {
        order = order[first...].filter(isWaiting)
        first = 0
      }
      order.append(token)
      waiting += 1
    }

    func next() -> CallToken? {
      guard first < order.count else { return nil }
      first += 1
      return order[first - 1]
    }
  }

  private struct State {
    var lines: [String: Line] = [:]
    var waiting: [CallToken: (name: String, start: Start)] = [:]
  }

  /// As the store's readers: what encodes long answers stays behind what answers short calls.
  static let priority = TaskPriority.background

  private let maximum: Int
  private let state = Mutex(State())

  /// A desk where each principal may have so many reads at work.
  init(maximum: Int) { self.maximum = maximum }

  /// Calls of all principals that wait for their turn.
  var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// Where the line of a principal lies in memory: one that is copied for each call moves with it.
  func linePlace(of name: String) -> Int {
    state.withLock { state in
      let place = unsafe state.lines[name]?.order.withUnsafeBufferPointer { $0.baseAddress }
      return Int(bitPattern: place)
    }
  }

  /// Does the work of a call in a task, now or when the principal's earlier ones are done.
  func run(
    _ token: CallToken, of name: String, _ work: @escaping @Sendable () async -> Void
  ) {
    let start: Start = {
      Task(priority: Self.priority) { [self] in
        await work()
        ended(name)
      }
    }
    let startsNow = state.withLock { state in
      let line = state.lines[name] ?? Line()
      state.lines[name] = line
      guard line.running >= maximum else {
        line.running += 1
        return true
      }
      line.append(token) { state.waiting[$0] != nil }
      state.waiting[token] = (name, start)
      return false
    }
    if startsNow { start() }
  }

  /// The caller is gone: what has not begun is dropped.
  func end(_ token: CallToken) {
    state.withLock { state in
      guard let call = state.waiting.removeValue(forKey: token) else { return }
      state.lines[call.name]?.waiting -= 1
    }
  }

  /// One of a principal's reads is done: the next one begins.
  private func ended(_ name: String) {
    let next = state.withLock { state -> Start? in
      guard let line = state.lines[name] else { return nil }
      while let token = line.next() {
        guard let call = state.waiting.removeValue(forKey: token) else { continue }
        line.waiting -= 1
        return call.start
      }
      line.running -= 1
      if line.running == 0 { state.lines[name] = nil }
      return nil
    }
    next?()
  }
}
