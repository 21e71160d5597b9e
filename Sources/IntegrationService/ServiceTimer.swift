import Dispatch
import Synchronization

/// All times at which the service must do something, behind one Dispatch timer.
///
/// A poll's end, an agent's grace time and the store's next deadline are entries of one heap; the
/// timer is set again only when an earlier entry comes. Entries are dropped lazily, see
/// ``DeadlineHeap``, but where those that are over outweigh the others: polls that are cancelled
/// without end would stay for a minute each. Safe to use from any thread; the handler runs on the
/// timer's own queue.
final class ServiceTimer<Item: Sendable>: Sendable {
  private struct State {
    var heap = DeadlineHeap<Item>()
    /// For when the timer is set; `max`: it is not.
    var armedMs = Int64.max
    var isCancelled = false
    /// From how many entries on they are swept.
    var sweptFrom = leastSwept
  }

  /// Fewer entries are not worth a sweep.
  static var leastSwept: Int { 1_024 }

  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "integrationd.timer", qos: .userInitiated)
  private nonisolated(unsafe) let source: any DispatchSourceTimer
  // Dispatch's sources may be used from any thread; only their protocol does not say so.
  private let isOver: @Sendable (Item) -> Bool
  private let handler: @Sendable ([Item]) -> Void

  /// Milliseconds of the clock that all entries are in: it stands still while the machine sleeps.
  static var nowMs: Int64 { Int64(DispatchTime.now().uptimeNanoseconds / 1_000_000) }

  /// How many entries there are, those that are over included.
  var count: Int { state.withLock { $0.heap.count } }

  /// A timer that hands due items to a handler, together those that are due together.
  ///
  /// `isOver` says of an item that nobody waits for it any more; it is called with entries locked.
  init(
    isOver: @escaping @Sendable (Item) -> Bool = { _ in false },
    handler: @escaping @Sendable ([Item]) -> Void
  ) {
    self.isOver = isOver
    self.handler = handler
    unsafe source = DispatchSource.makeTimerSource(queue: queue)
    unsafe source.setEventHandler { [weak self] in self?.fire() }
    unsafe source.activate()
  }

  /// Adds an item that is due at a time; a past time is due at once.
  func schedule(_ item: Item, atMs due: Int64) {
    state.withLock { state in
      guard !state.isCancelled else { return }
      state.heap.insert(item, due: due)
      if state.heap.count >= state.sweptFrom {
        state.heap.sweep(isOver)
        state.sweptFrom = max(Self.leastSwept, 2 * state.heap.count)
      }
      arm(&state)
    }
  }

  /// Adds an item that is due after a span.
  func schedule(_ item: Item, after span: Duration) {
    schedule(item, atMs: Self.nowMs &+ max(0, span.wholeMilliseconds))
  }

  /// Forgets everything; the handler is not called again, but may still be running.
  func cancel() {
    state.withLock { state in
      state.isCancelled = true
      state.heap = DeadlineHeap()
    }
    unsafe source.cancel()
  }

  private func fire() {
    let now = Self.nowMs
    let due = state.withLock { state -> [Item] in
      var due: [Item] = []
      while let item = state.heap.popDue(by: now) { due.append(item) }
      state.armedMs = .max
      arm(&state)
      return due
    }
    if !due.isEmpty { handler(due) }
  }

  private func arm(_ state: inout State) {
    guard let earliest = state.heap.earliest, earliest < state.armedMs else { return }
    state.armedMs = earliest
    // One millisecond later than the earliest entry began: the clock above is cut off, so that an
    // entry is never met before its time and the timer does not fire twice for it.
    let delay = max(0, earliest &- Self.nowMs) + 1
    let capped = Int(min(delay, 86_400_000))
    unsafe source.schedule(deadline: .now() + .milliseconds(capped), leeway: .milliseconds(1))
  }
}
