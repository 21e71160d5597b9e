import Synchronization

/// What work on a reactor saw of itself.
final class PostedRecord: Sendable {
  private struct State {
    var last: [Int: Int] = [:]
    var count = 0
    var isInOrder = true
    var wasAlwaysCurrent = true
  }

  private let state = Mutex(State())

  func note(_ sender: Int, _ number: Int, _ isCurrent: Bool) {
    state.withLock { state in
      state.isInOrder = state.isInOrder && state.last[sender, default: -1] == number - 1
      state.wasAlwaysCurrent = state.wasAlwaysCurrent && isCurrent
      state.last[sender] = number
      state.count += 1
    }
  }

  var count: Int { state.withLock { $0.count } }
  var isInOrder: Bool { state.withLock { $0.isInOrder } }
  var wasAlwaysCurrent: Bool { state.withLock { $0.wasAlwaysCurrent } }
}

/// In which rounds of a reactor posted work ran.
final class PostedRounds: Sendable {
  private let entries = Mutex<[(number: Int, round: Int64)]>([])

  func note(_ number: Int, _ round: Int64) { entries.withLock { $0.append((number, round)) } }

  var numbers: [Int] { entries.withLock { $0.map(\.number) } }
  var rounds: [Int64] { entries.withLock { $0.map(\.round) } }
}

/// A small generator with a seed, so that a failure repeats.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) {
    state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
  }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
