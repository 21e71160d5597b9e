/// Names one connection of this process; never used twice.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
  /// Reactor in the high 16 bits, generation of the slot in the next 28, slot in the low 20.
  public let rawValue: UInt64

  /// Takes a number that an earlier id gave.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Text for logs.
  public var description: String { "connection-" + String(rawValue, radix: 16) }
}

/// Names one call of one connection, as two plain numbers that a store can carry along.
public struct CallToken: Hashable, Sendable {
  /// The connection's id.
  public let connectionBits: UInt64
  /// The call's id in the low 32 bits; those above are 0 and free for whoever carries it along.
  public let callBits: UInt64

  /// Takes the numbers that an earlier token gave.
  @inlinable
  public init(connectionBits: UInt64, callBits: UInt64) {
    self.connectionBits = connectionBits
    self.callBits = callBits
  }

  /// The connection that the call came on.
  public var connection: ConnectionID { ConnectionID(rawValue: connectionBits) }
  /// The id that the client chose.
  public var callID: UInt32 { UInt32(truncatingIfNeeded: callBits) }
}
