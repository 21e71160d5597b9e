import RPCTransport
import RPCWire

/// Through which a call is answered, whatever its types: from any thread, once. An answer after
/// the end of the call (cancelled, deadline passed, connection gone, answered) is dropped.
public struct CallHandle: Sendable {
  /// Names the call; two plain numbers.
  public let token: CallToken
  /// Who calls.
  public let principal: Principal
  /// When the caller stops waiting, in nanoseconds of the monotonic clock; `.max` is never.
  public let deadlineNanoseconds: Int64
  let reactor: Reactor?

  /// Answers with at most `capacity` bytes that `pack` writes in place and counts.
  public func reply(capacity: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Int) {
  }

  /// Answers with a whole payload.
  public func reply(bytes: [UInt8]) {
  }

  /// Ends the call with an error.
  public func fail(_ error: RPCError) {
  }
}

/// One call that is answered with a `Response`. May be kept and answered later, from any thread.
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
