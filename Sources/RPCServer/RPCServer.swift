import RPCInProcess
import RPCTransport
import RPCWire

/// A server: listeners, reactors, and the connections on them.
public final class RPCServer: Sendable {
  /// How it runs.
  public let configuration: RPCServerConfiguration
  private let router: ServiceRouter

  /// Makes a server that does not listen yet.
  public init(
    configuration: RPCServerConfiguration, router: ServiceRouter,
    authenticator: any Authenticator, observer: any ConnectionObserver
  ) {
    self.configuration = configuration
    self.router = router
  }

  /// Starts the reactors. Throws when the system has no descriptors for them.
  public func start() throws(ServerError) {
  }

  /// Begins to accept on each address; returns them with the ports that the kernel chose. All or
  /// nothing: when one fails, none listens.
  public func listen(on addresses: [ListenAddress]) throws(ServerError) -> [ListenAddress] {
    addresses
  }

  /// Stops accepting, tells each client with GOAWAY, lets calls in flight finish, closes.
  public func beginGracefulShutdown() {
  }

  /// Returns when all connections are closed and the reactors are at rest.
  public func waitUntilStopped() async {
  }

  /// Closes everything at once.
  public func stopNow() {
  }

  /// Closes the connections of some principals, such as those of a revoked key, with GOAWAY.
  public func disconnect(
    where isMeant: @escaping @Sendable (Principal) -> Bool, reason: String
  ) {
  }

  /// What the server has done so far.
  public var statistics: RPCServerStatistics { RPCServerStatistics() }

  /// A connection without a socket's address, already authenticated, for tests and embedding.
  public func makeInProcessChannel(as principal: Principal) -> InProcessChannel {
    InProcessChannel()
  }
}
