import RPCTransport
import RPCWire

/// What became of an item given to a stream.
public enum StreamSendOutcome: Sendable, Hashable {
  /// It is on its way.
  case sent
  /// The caller has given no credit for it: it was not taken. `onReady` tells when to go on.
  case noCredit
  /// The call is over: it was not taken, and no later one will be.
  case ended
}

/// One call that is answered with a stream of `Item`. May be kept; from any thread.
public struct ServerStream<Item>: Sendable {
  /// The call without its type.
  public let handle: CallHandle
  /// The clocks when the call came.
  public let now: ServerTime

  /// Takes the call that a handler received.
  public init(_ call: borrowing IncomingCall) {
    handle = call.handle
    now = call.now
  }

  /// Names the call.
  public var token: CallToken { handle.token }
  /// Who calls.
  public var principal: Principal { handle.principal }
  /// The connection that the call came on.
  public var connection: ConnectionID { handle.token.connection }

  /// Sends one encoded item, when the caller's credit allows.
  public func send(bytes: [UInt8]) -> StreamSendOutcome {
    .ended
  }

  /// Sets what is called, on the reactor, each time credit returns after it had run out.
  public func onReady(_ body: @escaping @Sendable () -> Void) {
  }

  /// Ends the stream with success.
  public func finish() {
  }

  /// Ends the stream with an error.
  public func fail(_ error: RPCError) {
    handle.fail(error)
  }
}
