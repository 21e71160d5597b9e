import ProtobufRuntime
import RPCTransport
import RPCWire
import Synchronization

/// What the connections of one reactor share.
///
/// Touched only on that reactor.
final class ServerLoop {
  let router: ServiceRouter
  let authenticator: any Authenticator
  let observer: any ConnectionObserver
  let limits: TransportLimits
  let serverVersion: String
  let shared: ServerShared
  let scratchpad = Scratchpad()
  /// Where each HELLO is decoded, and wiped behind it.
  let greetings = Arena(initialBytes: 1024)
  let counters = LoopCounters()
  let longMessages = LongMessages()
  let accounts = PrincipalAccounts()
  let departed: DepartedCalls
  let ended: EndedCalls
  var isDraining = false

  init(
    configuration: RPCServerConfiguration, router: ServiceRouter,
    authenticator: any Authenticator, observer: any ConnectionObserver, shared: ServerShared
  ) {
    self.router = router
    self.authenticator = authenticator
    self.observer = observer
    self.limits = configuration.limits
    self.serverVersion = configuration.serverVersion
    self.shared = shared
    departed = DepartedCalls(shared.departed)
    ended = EndedCalls(observer)
    shared.add(counters)
  }

  /// The method of a number; nil: there is none.
  @inline(__always)
  func entry(_ number: Int) -> ServiceRouter.Entry? {
    number < router.entries.count ? router.entries[number] : nil
  }
}

/// Counts of one reactor: written there, read from anywhere.
final class LoopCounters: Sendable {
  private let calls = Atomic<Int>(0)

  /// One writer: a load and a store cost less than a locked addition.
  @inline(__always)
  func callStarted() {
    calls.store(calls.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
  }

  var callsStarted: Int { calls.load(ordering: .relaxed) }
}

/// What all reactors of a server share.
final class ServerShared: Sendable {
  private struct State {
    var statistics = RPCServerStatistics()
    var counters: [LoopCounters] = []
    var lingeringRefused = 0
    var isDraining = false
    var hasEnded = false
    var becameEmpty: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())
  /// Calls of connections that are gone, which the service goes on with.
  let departed = DepartedCounts()

  func add(_ counters: LoopCounters) {
    state.withLock { $0.counters.append(counters) }
  }

  /// How a new connection is received.
  enum Admission {
    case serve
    case refuse
    case closeAtOnce
  }

  func admit(_ budget: DescriptorBudget, reserved: @autoclosure () -> Int) -> Admission {
    state.withLock { state in
      let connections = state.statistics.connections
      let limit = budget.connections
      if connections < limit || connections < limit + reserved() {
        state.statistics.connections += 1
        state.statistics.connectionsAccepted += 1
        return .serve
      }
      state.statistics.connectionsRefused += 1
      guard state.lingeringRefused < budget.lingering else { return .closeAtOnce }
      state.lingeringRefused += 1
      return .refuse
    }
  }

  /// Receives a connection that the program itself made.
  func admitAlways() {
    state.withLock { state in
      state.statistics.connections += 1
      state.statistics.connectionsAccepted += 1
    }
  }

  func countRefused() {
    state.withLock { $0.statistics.connectionsRefused += 1 }
  }

  func connectionClosed(wasServed: Bool) {
    let becameEmpty = state.withLock { state in
      if wasServed {
        state.statistics.connections -= 1
      } else {
        state.lingeringRefused -= 1
      }
      return state.isDraining && state.statistics.connections == 0 ? state.becameEmpty : nil
    }
    becameEmpty?()
  }

  /// From now on, until `endDraining`, `becameEmpty` is called when the last connection is gone,
  /// also when none is there.
  func beginDraining(becameEmpty: @escaping @Sendable () -> Void) {
    let isEmpty = state.withLock { state in
      guard !state.hasEnded else { return false }
      state.isDraining = true
      state.becameEmpty = becameEmpty
      return state.statistics.connections == 0
    }
    if isEmpty { becameEmpty() }
  }

  /// Lets go of what `beginDraining` was given, which holds the server; a later one is not kept.
  func endDraining() {
    let becameEmpty = state.withLock { state in
      state.hasEnded = true
      defer { state.becameEmpty = nil }
      return state.becameEmpty
    }
    // It may be the last to hold the server, which must not end with the state locked.
    _ = becameEmpty
  }

  var statistics: RPCServerStatistics {
    state.withLock { state in
      var statistics = state.statistics
      statistics.callsStarted = state.counters.reduce(0) { $0 + $1.callsStarted }
      return statistics
    }
  }
}
