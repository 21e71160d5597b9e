import RPCWire

/// What kind of caller a credential names.
public enum PrincipalKind: Sendable, Hashable {
  /// A person or program that looks after the server.
  case `operator`
  /// A program of an integration.
  case agent
}

/// Whom a credential names; one object per connection, shared by its calls.
public final class Principal: Sendable {
  /// Name for people and timelines, such as `operator:local` or `integration:customsoft`.
  public let name: String
  /// What kind of caller this is.
  public let kind: PrincipalKind
  /// The service's own number, such as the integration's id.
  public let id: Int64
  /// Which credential was shown; empty where the operating system named the caller.
  public let credentialID: String
  /// The service's own object, found again with each call without a look-up.
  public let attachment: (any AnyObject & Sendable)?

  /// Makes a principal.
  public init(
    name: String, kind: PrincipalKind, id: Int64, credentialID: String,
    attachment: (any AnyObject & Sendable)? = nil
  ) {
    self.attachment = attachment
    self.name = name
    self.kind = kind
    self.id = id
    self.credentialID = credentialID
  }
}

/// What a new connection shows of itself in its HELLO.
public struct Credential: Sendable {
  /// The token's UTF-8 bytes; empty when none was given.
  public private(set) var token: [UInt8]
  /// Who is at the other end.
  public let peer: PeerAddress
  /// The client program's name, as it says.
  public let clientName: String
  /// The client program's version, as it says.
  public let clientVersion: String

  /// Makes a credential.
  public init(token: [UInt8], peer: PeerAddress, clientName: String, clientVersion: String) {
    self.token = token
    self.peer = peer
    self.clientName = clientName
    self.clientVersion = clientVersion
  }

  /// Overwrites the token, of which whoever asked for it has kept no copy.
  mutating func wipeToken() {
    for index in token.indices { token[index] = 0 }
    token = []
  }
}

/// Decides whom a credential names.
///
/// Called on a reactor: it answers from memory and never blocks.
public protocol Authenticator: Sendable {
  /// The principal, or the error that each call of the connection is answered with.
  func authenticate(_ credential: Credential) -> Result<Principal, RPCError>
}

/// Hears what happens to connections and calls.
///
/// Called on a reactor: it must not block.
public protocol ConnectionObserver: Sendable {
  /// A connection said HELLO with a good credential.
  func connectionOpened(_ connection: ConnectionID, _ principal: Principal)
  /// A connection that was opened is gone; its calls were ended before.
  func connectionClosed(_ connection: ConnectionID, _ principal: Principal)
  /// A call ended without the service: cancelled, deadline passed or connection gone.
  func callEnded(_ token: CallToken)
  /// The server began to drain: calls that wait for something should be replied to now.
  func drainBegan()
}

extension ConnectionObserver {
  /// Does nothing.
  public func connectionOpened(_ connection: ConnectionID, _ principal: Principal) {}
  /// Does nothing.
  public func connectionClosed(_ connection: ConnectionID, _ principal: Principal) {}
  /// Does nothing.
  public func callEnded(_ token: CallToken) {}
  /// Does nothing.
  public func drainBegan() {}
}
