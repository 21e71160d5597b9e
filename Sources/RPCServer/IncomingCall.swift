import RPCTransport
import RPCWire

/// One call as its handler receives it, on the reactor and only while the handler runs.
@safe
public struct IncomingCall: ~Copyable {
  /// The payload of the CALL frame, borrowed: valid until the handler returns.
  public let payload: UnsafeRawBufferPointer
  /// Through which the reply goes; may be kept.
  public let handle: CallHandle
  /// The clocks of this wake-up.
  public let now: ServerTime
  let stream: StreamState?

  /// The one object of its kind that this reactor keeps for its calls, such as a decoder's arena;
  /// made by the first call that asks.
  ///
  /// Later calls must ask for the same type.
  public func scratch<Object: AnyObject>(_ make: () -> Object) -> Object {
    // A call is handled on the connection's reactor, whose scratchpad it is.
    let scratchpad = handle.context.scratchpad
    if let object = scratchpad.object {
      precondition(type(of: object) == Object.self, "one type of scratch object per server")
      return unsafe unsafeDowncast(object, to: Object.self)
    }
    let object = make()
    scratchpad.object = object
    return object
  }
}

/// Holds the object that decoding shares between the calls of one reactor.
final class Scratchpad: @unchecked Sendable {
  // Safe: only `IncomingCall` uses it, which lives on the reactor.

  var object: AnyObject?
}
