import IntegrationAPI
import IntegrationStore
import ProtobufRuntime
import RPCServer
import Synchronization

/// Everybody who tails logs; safe to use from any thread.
final class TailHub: Sendable {
  private let maximum: Int
  /// What waits for the readers of all.
  let bytes: TailBytes
  private let tails = Mutex<[CallToken: Tail]>([:])
  /// Kept beside the table, because every commit asks.
  private let watchers = Atomic<Int>(0)
  /// Behind the last change that all tails were given.
  private let place = Mutex<ChangePlace?>(nil)
  /// Held by whoever ends tails: two at once would end one more than has to go.
  private let shedding = Mutex<Void>(())

  init(maximum: Int, maximumBytes: Int) {
    self.maximum = maximum
    bytes = TailBytes(maximum: maximumBytes)
  }

  /// Whether anybody tails.
  var isWatched: Bool { watchers.load(ordering: .acquiring) > 0 }
  /// All that tail now.
  var all: [Tail] { tails.withLock { Array($0.values) } }
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
    let tail = tails.withLock { tails in
      let tail = tails.removeValue(forKey: token)
      watchers.store(tails.count, ordering: .releasing)
      return tail
    }
    tail?.stop()
  }

  /// Logs were made or changed.
  func publish(_ events: [StoreEvent], _ catalogue: Catalogue) {
    guard isWatched else { return }
    let current = all
    for event in events {
      guard case .logChanged(let log, let place) = event else { continue }
      var encoded: [UInt8]?
      for tail in current where tail.selection.contains(log) {
        let bytes = encoded ?? TailLogsResponse(log, place, catalogue).serializedBytes()
        encoded = bytes
        if !tail.send(log, place, bytes) { remove(tail.token) }
      }
      if let place { self.place.withLock { $0 = place } }
      shed()
    }
  }

  /// Sends messages that a tail was read, and returns when there is room for more; false: the tail
  /// is over.
  func send(read messages: [[UInt8]], through commit: Int64, to tail: Tail) async -> Bool {
    tail.send(read: messages, through: commit)
    shed()
    return await tail.hasRoom()
  }

  /// Ends the slowest readers' tails while more waits for all than may.
  private func shed() {
    guard bytes.isExceeded else { return }
    shedding.withLock { _ in
      while bytes.isExceeded {
        let waiting = all.map { (tail: $0, bytes: $0.waitingBytes) }
        let slowest = waiting.max { $0.bytes < $1.bytes }
        guard let slowest, slowest.bytes > 0 else { return }
        slowest.tail.fail(.slowTail(slowest.bytes, maximum: bytes.maximum))
        remove(slowest.tail.token)
      }
    }
  }

  /// Tells quiet tails how far they are.
  func tellPlace() {
    // Read first: every tail that is told was given all that lies before it.
    guard var place = place.withLock({ $0 }) else { return }
    place.commit += 1
    place.entry = 0
    for tail in all { tail.tell(place) }
  }

  /// The server goes away: every tail ends, so that its client follows elsewhere or comes back.
  func endAll() {
    let current = tails.withLock { tails in
      let current = Array(tails.values)
      tails = [:]
      watchers.store(0, ordering: .releasing)
      return current
    }
    for tail in current { tail.fail(.goingAway) }
  }
}

extension TailLogsResponse {
  /// One log of a tail.
  init(_ log: StoredLog, _ place: ChangePlace?, _ catalogue: Catalogue) {
    self.init()
    self.log = ActionLog(log, catalogue)
    if let place { resumeToken = PageToken.text(place) }
  }

  /// Only where to go on.
  init(_ place: ChangePlace) {
    self.init()
    resumeToken = PageToken.text(place)
  }
}
