import RPCWire

/// A connection to a server of the same program.
public final class InProcessChannel: Sendable {
  /// Makes a channel.
  public init() {}
}
