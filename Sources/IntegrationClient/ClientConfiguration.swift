import RPCClient
import RPCWire

/// Where a client connects, who it is, and how patient it is.
public struct ClientConfiguration: Sendable {
  /// What a call does while the server cannot be reached.
  public enum Patience: Sendable {
    /// Fails with UNAVAILABLE after the first try: a person waits for the answer.
    case failsAtOnce
    /// Tries again, further and further apart, until the call's deadline: a program that outlives
    /// restarts of its server.
    case waitsForServer
  }

  /// The server's address.
  public var server: ListenAddress
  /// The token and the name that the connection opens with.
  public var identity: ClientIdentity
  /// What a call does while the server cannot be reached.
  ///
  /// Default: `waitsForServer`.
  public var patience: Patience = .waitsForServer
  /// The waits between tries to connect.
  ///
  /// Default: 100 ms doubling to 10 s, with jitter.
  public var backoff = Backoff()
  /// The transport's limits on this side.
  public var limits = TransportLimits()

  /// Hears of each try to connect that failed and will be made again, from any thread; must not
  /// block.
  ///
  /// Default: nobody hears of it.
  public var onConnectFailure: @Sendable (RPCError) -> Void = { _ in }

  /// Makes a configuration.
  public init(server: ListenAddress, identity: ClientIdentity) {
    self.server = server
    self.identity = identity
  }
}
