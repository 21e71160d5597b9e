import Glibc
import RPCTransport
import RPCWire

/// One connection to a server, with many calls in flight.
///
/// It does not reconnect. From any thread.
public final class RPCConnection: RPCChannel {
  /// Receives the outcome of a call, once, on the connection's reactor; must not block.
  public typealias Completion = @Sendable (Result<[UInt8], RPCError>) -> Void

  let reactor: Reactor
  let shared: ConnectionShared
  nonisolated(unsafe) let connection: ClientConnection
  // Touched only on the reactor: by posted work and behind a check of `isCurrent`.

  /// Begins to speak on a connected socket; calls may be started at once.
  init(
    adopting descriptor: Int32, hello: ClientIdentity, limits: TransportLimits, reactor: Reactor
  ) {
    let shared = ConnectionShared()
    self.shared = shared
    self.reactor = reactor
    unsafe connection = ClientConnection(
      adopting: descriptor, identity: hello, limits: limits, shared: shared)
    reactor.post { [self] reactor in
      do throws(SystemError) {
        try unsafe connection.start(on: reactor)
      } catch {
        Glibc.close(descriptor)
        shared.ended(
          RPCError(.unavailable, error.description, reason: WireReason.serverUnreachable))
      }
    }
  }

  deinit {
    nonisolated(unsafe) let connection = unsafe connection
    // Goes to the reactor alone, and nobody else can reach it any more.
    reactor.post { reactor in unsafe connection.closeAfterFlush(on: reactor) }
  }

  /// Whom the token names, as the server says: `operator:local`.
  public var principal: String { shared.principal }

  /// The server's version.
  public var serverVersion: String { shared.serverVersion }

  /// Whether new calls may be started: false from GOAWAY or the end on.
  public var isOpen: Bool { shared.isOpen }

  /// Waits until the connection is closed; why it closed.
  public var closed: RPCError {
    get async { await shared.waitUntilEnded() }
  }

  /// Makes one call and returns the reply's payload.
  ///
  /// Cancelling the task cancels the call.
  public func call(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) async throws(RPCError) -> [UInt8] {
    let ticket = CallTicket(number: shared.nextTicket())
    let result = await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { (continuation: AsyncReceiver.Continuation) in
        // Resumed once, because a receiver hears of a call once.
        var call = outgoing(method, options, unsafe AsyncReceiver(continuation))
        call.ticket = ticket.number
        start(call, payload)
        // A task that was cancelled before this line cancelled a call that was not there yet.
        if Task.isCancelled { cancel(ticket) }
      }
    } onCancel: {
      cancel(ticket)
    }
    return try result.get()
  }

  /// Starts a call that is answered with a stream of messages.
  public func stream(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) -> RawStream {
    let buffer = StreamBuffer()
    var call = outgoing(method, options, buffer)
    call.window = buffer.window
    return RawStream(buffer, connection: self, ticket: start(call, payload))
  }

  /// Starts a call without a task.
  ///
  /// `completion` runs once, on the connection's reactor, and never before this returns. A program
  /// that makes very many calls is better served by a `MethodCaller`.
  @discardableResult
  public func startCall(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions = CallOptions(),
    completion: @escaping Completion
  ) -> CallTicket {
    start(outgoing(method, options, CompletionReceiver(completion)), payload)
  }

  /// Cancels a call of the callback forms; it ends with CANCELLED unless it has ended.
  public func cancel(_ ticket: CallTicket) {
    reactor.post { [self] reactor in unsafe connection.cancel(ticket, on: reactor) }
  }

  /// Ends all calls with UNAVAILABLE and closes.
  public func close() {
    reactor.post { [self] reactor in
      let connection = unsafe connection
      if connection.endCause == nil {
        connection.endCause = RPCError(
          .unavailable, "the connection was closed here", reason: WireReason.connectionLost)
      }
      connection.closeAfterFlush(on: reactor)
    }
  }

  func grant(_ ticket: CallTicket, count: UInt32) {
    reactor.post { [self] reactor in
      unsafe connection.grant(ticket, count: count, on: reactor)
    }
  }

  // MARK: Sending

  private func outgoing(
    _ method: MethodDescriptor, _ options: CallOptions, _ receiver: any CallReceiver
  ) -> OutgoingCall {
    OutgoingCall(method.id, deadlineMs: options.deadlineMs(for: method), receiver: receiver)
  }

  /// Whether the calling thread runs the turn of the connection's reactor, and a call may be
  /// started right here.
  var isCurrent: Bool { unsafe reactor.isCurrent && connection.scratch != nil }

  /// What the connections of the reactor share; nil until the connection has begun.
  ///
  /// On the reactor's own thread only.
  var scratchOfReactor: ClientScratch? { unsafe connection.scratch }

  /// Starts a call from any thread; from the reactor's own it is in the output when this returns.
  @discardableResult
  func start(_ call: OutgoingCall, _ payload: [UInt8]) -> CallTicket {
    if isCurrent { return startNow(call, .bytes(payload)) }
    var call = call
    if call.ticket == 0 { call.ticket = shared.nextTicket() }
    let ticket = CallTicket(number: call.ticket)
    reactor.post { [self, call] reactor in
      _ = unsafe ClientConnection.start(reactor, connection, call, .bytes(payload))
    }
    return ticket
  }

  /// Starts a call on the reactor's own thread, which `isCurrent` has said it is.
  ///
  /// As `Reactor.withCurrent`, but with a plain function in place of a closure, so that nothing is
  /// allocated.
  func startNow(_ call: OutgoingCall, _ payload: OutgoingPayload) -> CallTicket {
    let function = ClientConnection.start
    let id = unsafe unsafeBitCast(
      function,
      to: ((Reactor, ClientConnection, OutgoingCall, OutgoingPayload) -> UInt32).self
    )(reactor, connection, call, payload)
    return call.ticket == 0 ? CallTicket(callID: id) : CallTicket(number: call.ticket)
  }
}

extension CallOptions {
  /// The frame's time field: 0 for no deadline, else at least 1.
  func deadlineMs(for method: MethodDescriptor) -> UInt32 {
    guard let deadline else { return method.defaultDeadlineMs }
    return UInt32(clamping: max(1, deadline.wholeNanoseconds / 1_000_000))
  }
}
