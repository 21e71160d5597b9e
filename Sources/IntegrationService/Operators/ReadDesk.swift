import RPCServer
import Synchronization

/// The operators' calls that read the store, a bounded number at once for each principal.
///
/// A call whose turn has not come is dropped when its caller cancels it or goes. So whoever asks
/// and cancels without end makes no work beyond what is running, and whoever asks for very much
/// waits behind itself, not in front of the others. Safe from any thread.
final class ReadDesk: Sendable {
  typealias Start = @Sendable () -> Void

  /// The calls of one principal.
  private struct Line {
    var running = 0
    var waiting = 0
    /// In the order of their arrival, from `first`; also calls that have ended since.
    var order: [CallToken] = []
    var first = 0

    mutating func append(_ token: CallToken, isWaiting: (CallToken) -> Bool) {
      // Most are over: without this a caller that asks and cancels would grow it without end.
      if order.count > 2 * waiting + 64 {
        order = order[first...].filter(isWaiting)
        first = 0
      }
      order.append(token)
      waiting += 1
    }

    mutating func next() -> CallToken? {
      guard first < order.count else { return nil }
      first += 1
      return order[first - 1]
    }
  }

  private struct State {
    var lines: [String: Line] = [:]
    var waiting: [CallToken: (name: String, start: Start)] = [:]
  }

  private let maximum: Int
  private let state = Mutex(State())

  /// A desk where each principal may have so many reads at work.
  init(maximum: Int) { self.maximum = maximum }

  /// Calls of all principals that wait for their turn.
  var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// Does the work of a call in a task, now or when the principal's earlier ones are done.
  func run(
    _ token: CallToken, of name: String, _ work: @escaping @Sendable () async -> Void
  ) {
    let start: Start = {
      Task { [self] in
        await work()
        ended(name)
      }
    }
    let startsNow = state.withLock { state in
      var line = state.lines[name] ?? Line()
      defer { state.lines[name] = line }
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
      guard var line = state.lines[name] else { return nil }
      while let token = line.next() {
        guard let call = state.waiting.removeValue(forKey: token) else { continue }
        line.waiting -= 1
        state.lines[name] = line
        return call.start
      }
      line.running -= 1
      state.lines[name] = line.running == 0 ? nil : line
      return nil
    }
    next?()
  }
}
