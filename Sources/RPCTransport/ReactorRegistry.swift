import Synchronization

/// The reactors of the process by number, so that a call's token, which is two plain numbers,
/// leads back to its reactor from anywhere.
public enum ReactorRegistry {
  private struct State {
    var next: UInt16 = 0
    var reactors: [UInt16: Reactor] = [:]
  }

  private static let state = Mutex(State())

  /// The next number.
  ///
  /// Numbers come again after 65,536 reactors, long after the tokens of the first ones are gone.
  static func nextIndex() -> UInt16 {
    state.withLock { state in
      repeat { state.next &+= 1 } while state.reactors[state.next] != nil
      return state.next
    }
  }

  static func add(_ reactor: Reactor) {
    state.withLock { $0.reactors[reactor.index] = reactor }
  }

  static func remove(_ reactor: Reactor) {
    state.withLock { $0.reactors[reactor.index] = nil }
  }

  /// The reactor with this number, unless it has stopped.
  public static func reactor(_ index: UInt16) -> Reactor? {
    state.withLock { $0.reactors[index] }
  }
}
