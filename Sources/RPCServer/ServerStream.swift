import ProtobufRuntime
import RPCTransport
import RPCWire

/// What became of an item given to a stream.
public enum StreamSendOutcome: Sendable, Hashable {
  /// It is on its way.
  case sent
  /// The caller has given no credit for it, or is slow to read: it was not taken. `onReady` tells
  /// when to go on.
  case noCredit
  /// The call is over: it was not taken, and no later one will be.
  case ended
}

/// One call that is answered with a stream of `Item`.
///
/// May be kept; from any thread, but items of several threads at once have no order.
public struct ServerStream<Item>: Sendable {
  /// The call without its type.
  public let handle: CallHandle
  /// The clocks when the call came.
  public let now: ServerTime
  private let state: StreamState

  /// Takes the call that a handler received; its method must be a server stream.
  public init(_ call: borrowing IncomingCall) {
    guard let stream = call.stream else {
      preconditionFailure("a stream for a method that the schema does not mark as one")
    }
    handle = call.handle
    now = call.now
    state = stream
  }

  /// Names the call.
  public var token: CallToken { handle.token }
  /// Who calls.
  public var principal: Principal { handle.principal }
  /// The connection that the call came on.
  public var connection: ConnectionID { handle.token.connection }

  /// Sends one encoded item, when the caller's credit allows.
  public func send(bytes: [UInt8]) -> StreamSendOutcome {
    let (outcome, isBehind) = state.takeCredit(bytes.count)
    guard outcome == .sent else { return outcome }
    handle.onReactor(behindPosted: isBehind) { [state] connection, call, reactor in
      unsafe bytes.withUnsafeBytes { unsafe connection.message(call, $0, on: reactor) }
      state.taken(bytes.count)
    }
    return .sent
  }

  /// Sets what is called each time items can be sent again after there was no credit, on the
  /// reactor.
  ///
  /// Set it before the first `send`.
  public func onReady(_ body: @escaping @Sendable () -> Void) {
    state.setReady(body)
  }

  /// Ends the stream with success, behind what was sent.
  public func finish() {
    guard state.end() && handle.reactor.isCurrent else { return handle.reply(bytes: []) }
    handle.reactor.post { [handle] _ in handle.reply(bytes: []) }
  }

  /// Ends the stream with an error, behind what was sent.
  public func fail(_ error: RPCError) {
    guard state.end() && handle.reactor.isCurrent else { return handle.fail(error) }
    handle.reactor.post { [handle] _ in handle.fail(error) }
  }
}

extension ServerStream where Item: ProtobufMessage {
  /// Sends one item, when the caller's credit allows.
  @inlinable
  public func send(_ item: Item) -> StreamSendOutcome {
    send(bytes: item.serializedBytes())
  }
}
