import RPCTransport

/// The ends of calls of which the observer of one reactor's server is still to be told.
///
/// Thousands of calls may end at one moment, with their connections or because their time is over.
/// To tell of all at once would keep everybody else on the reactor waiting for milliseconds, so
/// each round tells of a part.
///
/// Touched only on its reactor.
final class EndedCalls {
  /// The calls of a connection that has ended, `calls` from `next` on.
  private struct Line {
    let connection: UInt64
    let principal: Principal?
    let calls: [UInt32]
    var next = 0
  }

  /// How many ends each round has room for: some 0.1 ms where connections end, 0.4 ms where each of
  /// these calls gets an answer.
  static let callsInRound = 128
  /// Of many that wait a round tells of one in so many, so that those who make calls faster than
  /// `callsInRound` allows do not make the lines grow without end.
  static let shareOfWaiting = 64

  /// Connections that end with so many calls or fewer wait for nobody: whoever has an agent with
  /// some polls is not behind a crowd when it goes, and its requests are offered to others.
  static let few = 8

  private let observer: any ConnectionObserver
  private var lines: ContiguousArray<Line> = []
  private var first = 0
  /// How many calls of the lines are still to be told of.
  private(set) var waiting = 0
  private var round = Int64.min
  private var room = 0

  init(_ observer: any ConnectionObserver) {
    self.observer = observer
  }

  /// How many of `count` calls that end now have room in this round; they take it.
  func take(_ count: Int, in time: ServerTime) -> Int {
    if round != time.monotonicNanoseconds {
      round = time.monotonicNanoseconds
      room = max(Self.callsInRound, waiting / Self.shareOfWaiting)
    }
    defer { room -= min(count, room) }
    return min(count, room)
  }

  /// A connection has ended with these calls: tells of them, then of its own end.
  func connectionEnded(
    _ connection: UInt64, of principal: Principal?, with calls: [UInt32],
    on reactor: isolated Reactor
  ) {
    let line = Line(connection: connection, principal: principal, calls: calls)
    if calls.count <= Self.few { return tell(line, through: calls.count) }
    let wasEmpty = first == lines.count
    lines.append(line)
    waiting += calls.count
    if wasEmpty { goOn(on: reactor) }
  }

  private func goOn(on reactor: isolated Reactor) {
    while first < lines.count {
      let left = lines[first].calls.count - lines[first].next
      let count = take(left, in: reactor.now)
      tell(count)
      guard count == left else {
        return reactor.post { reactor in
          (reactor.attachment as? ServerLoop)?.ended.goOn(on: reactor)
        }
      }
    }
  }

  /// The reactor has stopped: tells of all that is left.
  func finish() {
    while first < lines.count { tell(lines[first].calls.count - lines[first].next) }
  }

  /// Tells of the next calls of the first line.
  private func tell(_ count: Int) {
    let (line, end) = (lines[first], lines[first].next + count)
    lines[first].next = end
    waiting -= count
    if end == line.calls.count {
      first += 1
      if first * 2 >= lines.count {
        lines.removeFirst(first)
        first = 0
      }
    }
    tell(line, through: end)
  }

  /// Tells of the calls of a line up to a place, and behind the last one of its connection's end.
  private func tell(_ line: Line, through end: Int) {
    for call in line.calls[line.next..<end] {
      observer.callEnded(
        CallToken(connectionBits: line.connection, callBits: UInt64(call)))
    }
    guard end == line.calls.count, let principal = line.principal else { return }
    observer.connectionClosed(ConnectionID(rawValue: line.connection), principal)
  }
}
