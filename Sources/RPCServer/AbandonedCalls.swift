import RPCTransport
import RPCWire
import Synchronization

// A call that is cancelled, or whose time is over, leaves the count of those in flight; what it has
// begun may go on, before the work of others. So that nobody makes work without end, what goes on
// is counted too, until its late answer comes.

extension ServerConnection {
  /// Why a call that would go on is refused; nil: it is not.
  func refusalOfAbandoned(_ context: CallContext) -> RPCError? {
    #if PLANTED_UNBOUNDED_ABANDONED
      return nil
    #else
      if abandoned.count >= limits.maximumAbandonedCalls {
        return .tooManyAbandoned(
          "\(abandoned.count) calls of this connection that were cancelled, or whose time was over,"
        )
      }
      guard !loop.shared.departed.isEmpty else { return nil }
      let count = loop.shared.departed.count(of: context.principal.name)
      guard count >= limits.maximumCallsInFlight else { return nil }
      return .tooManyAbandoned("\(count) calls of connections of yours that are gone")
    #endif
  }

  /// The connection has ended; it may stay a while, to say why.
  func depart() {
    hasDeparted = true
    if !abandoned.isEmpty, let principal {
      loop.departed.connectionEnded(identifier, of: principal.name, with: abandoned)
    }
    abandoned = []
  }

  /// The service has answered a call that is over.
  func answeredLate(_ id: UInt32) {
    if hasDeparted { return loop.departed.answered(token(id)) }
    // Of a set that was large once the memory goes, too.
    if abandoned.remove(id) != nil, abandoned.isEmpty { abandoned = [] }
  }

  /// The service has answered a call that was over.
  static func answeredLate(_ token: CallToken, on reactor: isolated Reactor) {
    if let connection = find(token, on: reactor) {
      connection.answeredLate(token.callID)
    } else {
      (reactor.attachment as? ServerLoop)?.departed.answered(token)
    }
  }
}

extension RPCError {
  fileprivate static func tooManyAbandoned(_ which: String) -> RPCError {
    RPCError(
      .resourceExhausted, "\(which) are still being done: wait for answers, then go on",
      reason: WireReason.tooManyCalls
    ).retryAfter(milliseconds: 100)
  }
}

/// The calls that go on of the connections of one reactor that are gone.
final class DepartedCalls {
  private var connections: [UInt64: (name: String, calls: Set<UInt32>)] = [:]
  private let counts: DepartedCounts

  init(_ counts: DepartedCounts) {
    self.counts = counts
  }

  /// A connection of a caller has ended with calls that go on.
  func connectionEnded(_ identifier: UInt64, of name: String, with calls: Set<UInt32>) {
    connections[identifier] = (name, calls)
    counts.add(calls.count, to: name)
  }

  /// A call of a connection that is gone was answered.
  func answered(_ token: CallToken) {
    guard var left = connections.removeValue(forKey: token.connectionBits) else { return }
    if left.calls.remove(token.callID) != nil { counts.add(-1, to: left.name) }
    if !left.calls.isEmpty { connections[token.connectionBits] = left }
  }
}

/// How many calls of each caller's connections that are gone go on, over all reactors.
final class DepartedCounts: Sendable {
  private let total = Atomic<Int>(0)
  private let counts = Mutex<[String: Int]>([:])

  /// Whether there are none.
  @inline(__always)
  var isEmpty: Bool { total.load(ordering: .relaxed) == 0 }

  func count(of name: String) -> Int { counts.withLock { $0[name] ?? 0 } }

  func add(_ number: Int, to name: String) {
    counts.withLock { counts in
      let count = (counts[name] ?? 0) + number
      counts[name] = count == 0 ? nil : count
      total.add(number, ordering: .relaxed)
    }
  }
}
