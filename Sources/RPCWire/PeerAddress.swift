/// Who is at the other end of a connection, as the operating system says.
public enum PeerAddress: Hashable, Sendable, CustomStringConvertible {
  /// A process on this machine, by SO_PEERCRED (unix(7)).
  case unix(userID: UInt32, processID: Int32)
  /// A TCP peer, as `address:port`.
  case tcp(String)
  /// The program itself, over the in-process transport.
  case inProcess

  /// Text for logs.
  public var description: String {
    switch self {
    case .unix(let userID, let processID): "unix(user \(userID), process \(processID))"
    case .tcp(let text): "tcp(\(text))"
    case .inProcess: "in-process"
    }
  }
}
