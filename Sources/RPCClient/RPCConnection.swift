import RPCWire

/// Names a call that was started in the callback form, to cancel it.
public struct CallTicket: Sendable, Hashable {
  let callID: UInt32
}

/// One connection to a server, with many calls in flight. It does not reconnect.
public final class RPCConnection: RPCChannel {
  /// Receives the outcome of a call on the connection's reactor; must not block.
  public typealias Completion = @Sendable (Result<[UInt8], RPCError>) -> Void

  init() {}

  /// Connects, says HELLO and returns when the server has answered it.
  public static func connect(
    to address: ListenAddress, hello: ClientIdentity, limits: TransportLimits = TransportLimits()
  ) async throws(RPCError) -> RPCConnection {
    throw RPCError(.unavailable, "no server", reason: WireReason.serverUnreachable)
  }

  /// Whom the token names, as the server says: `operator:local`.
  public var principal: String { "" }

  /// The server's version.
  public var serverVersion: String { "" }

  /// Makes one call and returns the reply's payload. Cancelling the task cancels the call.
  public func call(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) async throws(RPCError) -> [UInt8] {
    throw RPCError(.unavailable, "closed", reason: WireReason.connectionLost)
  }

  /// Starts a call that is answered with a stream of messages.
  public func stream(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) -> RawStream {
    RawStream()
  }

  /// Starts a call without a task; `completion` runs once, on the connection's reactor.
  @discardableResult
  public func startCall(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions = CallOptions(),
    completion: @escaping Completion
  ) -> CallTicket {
    CallTicket(callID: 0)
  }

  /// Cancels a call of the callback form; its completion runs with CANCELLED unless it has run.
  public func cancel(_ ticket: CallTicket) {
  }

  /// Ends all calls with UNAVAILABLE and closes.
  public func close() {
  }

  /// Waits until the connection is closed; why it closed.
  public var closed: RPCError {
    get async { RPCError(.unavailable, "closed", reason: WireReason.connectionLost) }
  }
}
