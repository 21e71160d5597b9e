import IntegrationAPI
import IntegrationStore
import ProtobufRuntime
import RPCServer
import Synchronization

/// Everybody who tails logs; safe to use from any thread.
final class TailHub: Sendable {
  private let maximum: Int
  private let tails = Mutex<[CallToken: Tail]>([:])
  /// Kept beside the table, because every commit asks.
  private let watchers = Atomic<Int>(0)

  init(maximum: Int) { self.maximum = maximum }

  /// Whether anybody tails.
  var isWatched: Bool { watchers.load(ordering: .acquiring) > 0 }
  /// How many tail.
  var count: Int { watchers.load(ordering: .relaxed) }

  /// Takes in a tail; false: there are too many.
  func add(_ tail: Tail) -> Bool {
    tails.withLock { tails in
      guard tails.count < maximum else { return false }
      tails[tail.token] = tail
      watchers.store(tails.count, ordering: .releasing)
      return true
    }
  }

  /// The call is over; nothing happens when it is no tail.
  func remove(_ token: CallToken) {
    guard isWatched else { return }
    tails.withLock { tails in
      tails[token] = nil
      watchers.store(tails.count, ordering: .releasing)
    }
  }

  /// Logs were made or changed.
  func publish(_ events: [StoreEvent], _ catalogue: Catalogue) {
    guard isWatched else { return }
    let current = tails.withLock { Array($0.values) }
    for event in events {
      guard case .logChanged(let log) = event else { continue }
      var encoded: [UInt8]?
      for tail in current where tail.selection.contains(log) {
        let bytes = encoded ?? TailLogsResponse(log, catalogue).serializedBytes()
        encoded = bytes
        if !tail.send(log, bytes) { remove(tail.token) }
      }
    }
  }

  /// The server goes away: every tail ends, so that its client follows elsewhere or comes back.
  func endAll() {
    let current = tails.withLock { tails in
      let current = Array(tails.values)
      tails = [:]
      watchers.store(0, ordering: .releasing)
      return current
    }
    for tail in current { tail.end() }
  }
}

extension TailLogsResponse {
  /// One log of a tail.
  init(_ log: StoredLog, _ catalogue: Catalogue) {
    self.init()
    self.log = ActionLog(log, catalogue)
  }
}
