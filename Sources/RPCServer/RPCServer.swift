import Dispatch
import RPCInProcess
import RPCTransport
import RPCWire
import Synchronization

/// A server: listeners, reactors, and the connections on them.
///
/// All its methods may be called from any thread.
///
/// It is made, started, told where to listen, and stopped once: gracefully with
/// `beginGracefulShutdown`, or at once with `stopNow`; then `waitUntilStopped` returns.
public final class RPCServer: Sendable {
  struct State {
    var phase = Phase.idle
    var reactors: [Reactor] = []
    var runningReactors = 0
    var nextReactor = 0
    var listeners: [ListeningSocket] = []
    var waiters: [CheckedContinuation<Void, Never>] = []
    var budget: DescriptorBudget?
  }

  /// idle → running → draining → stopped; `stopNow` leads to stopped from each.
  enum Phase {
    case idle
    case running
    case draining
    case stopped
  }

  /// How it runs.
  public let configuration: RPCServerConfiguration
  let router: ServiceRouter
  let authenticator: any Authenticator
  let observer: any ConnectionObserver
  let shared = ServerShared()
  let state = Mutex(State())

  /// Makes a server that does not listen yet.
  public init(
    configuration: RPCServerConfiguration, router: ServiceRouter,
    authenticator: any Authenticator, observer: any ConnectionObserver
  ) {
    self.configuration = configuration
    self.router = router
    self.authenticator = authenticator
    self.observer = observer
  }

  deinit {
    // A server that nobody stopped: its reactors would go on without it.
    for reactor in state.withLock({ $0.reactors }) { reactor.post { $0.stop() } }
  }

  /// Starts the reactors.
  ///
  /// Throws when the system has no descriptors for them.
  public func start() throws(ServerError) {
    let budget = Self.raiseDescriptorLimit(
      for: configuration.limits, reactors: configuration.reactors)
    var reactors: [Reactor] = []
    for number in 0..<max(1, configuration.reactors) {
      do throws(SystemError) {
        reactors.append(try Reactor(label: "rpc.server.\(number)"))
      } catch {
        for reactor in reactors { reactor.post { $0.stop() } }
        throw ServerError("cannot start a reactor: \(error)")
      }
    }
    for reactor in reactors {
      let (configuration, router) = (configuration, router)
      let (authenticator, observer, shared) = (authenticator, observer, shared)
      reactor.post { reactor in
        reactor.attachment = ServerLoop(
          configuration: configuration, router: router, authenticator: authenticator,
          observer: observer, shared: shared)
      }
    }
    state.withLock { state in
      precondition(state.phase == .idle, "a server starts once")
      state.phase = .running
      state.budget = budget
      state.reactors = reactors
      state.runningReactors = reactors.count
    }
  }

  /// How many connections there may be.
  var budget: DescriptorBudget {
    state.withLock { $0.budget }
      ?? DescriptorBudget(
        descriptors: .max, reactors: configuration.reactors, limits: configuration.limits)
  }

  /// What the server has done so far.
  public var statistics: RPCServerStatistics { shared.statistics }

  /// A connection without an address, already authenticated, for tests and embedding.
  ///
  /// The server must be running.
  public func makeInProcessChannel(as principal: Principal) -> InProcessChannel {
    let (end, channel) = InProcessChannel.makePair()
    shared.admitAlways()
    adopt(end, as: .known(principal))
    return channel
  }

  /// Closes the connections of some principals, such as those of a revoked key, with GOAWAY.
  public func disconnect(
    where isMeant: @escaping @Sendable (Principal) -> Bool, reason: String
  ) {
    for reactor in state.withLock({ $0.reactors }) {
      reactor.post { reactor in
        for case let connection as ServerConnection in reactor.sources {
          guard let principal = connection.principal, isMeant(principal) else { continue }
          let cause = CloseCause.credential(
            reason: reason, message: "the server ended the connection of \(principal.name)")
          connection.perform(connection.state.closed(cause), on: reactor)
        }
      }
    }
  }
}
