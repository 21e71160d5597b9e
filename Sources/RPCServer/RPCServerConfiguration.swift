import RPCWire

/// How a server runs.
public struct RPCServerConfiguration: Sendable {
  /// What peers may make the server hold or wait for.
  public var limits = TransportLimits()
  /// Number of reactors, from 1.
  ///
  /// One serves over a million small calls a second; the rest of the machine is better left to the
  /// store and to the clients beside it.
  public var reactors = 1
  /// Mode of a Unix socket's file.
  ///
  /// Everybody may connect: who a caller is decides its token or, for the server's own user and
  /// root, the kernel.
  public var unixSocketMode: UInt32 = 0o666
  /// What the server's HELLO says of itself.
  public var serverVersion = ""

  /// The defaults.
  public init() {}
}

/// What a server has done so far, added up over its reactors.
public struct RPCServerStatistics: Sendable, Hashable {
  /// Connections that are open now.
  public var connections = 0
  /// Connections accepted since the start.
  public var connectionsAccepted = 0
  /// Connections refused since the start, because of the limit or for want of descriptors.
  public var connectionsRefused = 0
  /// Calls that were given to a handler since the start.
  public var callsStarted = 0

  /// All zero.
  public init() {}
}

/// Why a server cannot start or listen: a sentence for the person who starts it.
public struct ServerError: Error, Sendable, CustomStringConvertible {
  /// What was tried, what stood in the way, what to do.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
