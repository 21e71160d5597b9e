import RPCWire

/// What a caller wants of one call.
public struct CallOptions: Sendable, Hashable {
  /// How long to wait for the reply; nil takes the method's default.
  public var deadline: Duration?

  /// Makes options.
  public init(deadline: Duration? = nil) {
    self.deadline = deadline
  }
}

/// Carries calls to a server: a connection, or something that keeps one.
public protocol RPCChannel: Sendable {
  /// Makes one call and returns the reply's payload. Cancelling the task cancels the call.
  func call(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) async throws(RPCError) -> [UInt8]

  /// Starts a call that is answered with a stream of messages.
  func stream(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) -> RawStream
}

/// Who a client is and how it proves it.
public struct ClientIdentity: Sendable, Hashable {
  /// The API key or operator token; empty on a Unix socket whose peer credentials do.
  public var token: String
  /// The program's name, shown to operators.
  public var clientName: String
  /// The program's version.
  public var clientVersion: String

  /// Makes an identity.
  public init(token: String, clientName: String, clientVersion: String) {
    self.token = token
    self.clientName = clientName
    self.clientVersion = clientVersion
  }
}
