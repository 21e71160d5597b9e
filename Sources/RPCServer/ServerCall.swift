import ProtobufRuntime
import RPCTransport
import RPCWire

/// One call that is answered with a `Response`.
///
/// May be kept and answered later, from any thread.
public struct ServerCall<Response>: Sendable {
  /// The call without its type.
  public let handle: CallHandle
  /// The clocks when the call came.
  public let now: ServerTime

  /// Takes the call that a handler received.
  public init(_ call: borrowing IncomingCall) {
    handle = call.handle
    now = call.now
  }

  /// Names the call; two plain numbers, for `ReplyBatch`.
  public var token: CallToken { handle.token }
  /// Who calls.
  public var principal: Principal { handle.principal }
  /// The connection that the call came on.
  public var connection: ConnectionID { handle.token.connection }

  /// Milliseconds until the caller stops waiting, seen from `now`; nil is never.
  public var deadlineMs: Int64? {
    if handle.deadlineNanoseconds == .max { return nil }
    return max(0, (handle.deadlineNanoseconds - now.monotonicNanoseconds) / 1_000_000)
  }

  /// Ends the call with an error.
  public func fail(_ error: RPCError) {
    handle.fail(error)
  }
}

extension ServerCall where Response: ProtobufMessage {
  /// Answers the call.
  @inlinable
  public func reply(_ response: Response) {
    handle.reply(bytes: response.serializedBytes())
  }

  /// Answers the call with a message that lies in an arena; it is encoded in place.
  @inlinable
  public func reply(_ view: Response.View) {
    handle.reply(view.reference)
  }
}
