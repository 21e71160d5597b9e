import Glibc
import RPCInProcess
import RPCTransport
import RPCWire
import Synchronization

/// Names a call that was started in the callback form, to cancel it.
public struct CallTicket: Sendable, Hashable {
  let number: UInt64
}

/// One connection to a server, with many calls in flight.
///
/// It does not reconnect. From any thread.
public final class RPCConnection: RPCChannel {
  /// Receives the outcome of a call, once, on the connection's reactor; must not block.
  public typealias Completion = @Sendable (Result<[UInt8], RPCError>) -> Void

  let reactor: Reactor
  let shared: ConnectionShared
  private let identifier: Mutex<UInt64>

  /// Begins to speak on a connected socket; calls may be started at once.
  init(
    adopting descriptor: Int32, hello: ClientIdentity, limits: TransportLimits, reactor: Reactor
  ) {
    let shared = ConnectionShared()
    self.shared = shared
    self.reactor = reactor
    identifier = Mutex(0)
    reactor.post { [self] reactor in
      let connection = ClientConnection(
        adopting: descriptor, identity: hello, limits: limits, shared: shared)
      do throws(SystemError) {
        try connection.start(on: reactor)
        identifier.withLock { $0 = connection.identifier }
      } catch {
        Glibc.close(descriptor)
        shared.ended(
          RPCError(.unavailable, error.description, reason: WireReason.serverUnreachable))
      }
    }
  }

  deinit {
    let identifier = identifier.withLock { $0 }
    reactor.post { reactor in
      (reactor.source(identifier) as? ClientConnection)?.closeAfterFlush(on: reactor)
    }
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
      await withCheckedContinuation { continuation in
        start(method, payload, options, ticket, .completion { continuation.resume(returning: $0) })
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
    let ticket = CallTicket(number: shared.nextTicket())
    start(method, payload, options, ticket, .stream(buffer))
    return RawStream(buffer, connection: self, ticket: ticket.number)
  }

  /// Starts a call without a task; `completion` runs once, on the connection's reactor.
  @discardableResult
  public func startCall(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions = CallOptions(),
    completion: @escaping Completion
  ) -> CallTicket {
    let ticket = CallTicket(number: shared.nextTicket())
    start(method, payload, options, ticket, .completion(completion))
    return ticket
  }

  /// Cancels a call of the callback form; its completion runs with CANCELLED unless it has run.
  public func cancel(_ ticket: CallTicket) {
    onReactor { connection, reactor in connection?.cancel(ticket: ticket.number, on: reactor) }
  }

  /// Ends all calls with UNAVAILABLE and closes.
  public func close() {
    onReactor { connection, reactor in
      guard let connection else { return }
      if connection.endCause == nil {
        connection.endCause = RPCError(
          .unavailable, "the connection was closed here", reason: WireReason.connectionLost)
      }
      connection.closeAfterFlush(on: reactor)
    }
  }

  func grant(ticket: UInt64, count: UInt32) {
    onReactor { connection, reactor in
      connection?.grant(ticket: ticket, count: count, on: reactor)
    }
  }

  private func start(
    _ method: MethodDescriptor, _ payload: [UInt8], _ options: CallOptions,
    _ ticket: CallTicket, _ receiver: ClientConnection.Receiver
  ) {
    let outgoing = ClientConnection.Outgoing(
      method: method, payload: payload, deadlineMs: options.deadlineMs(for: method),
      ticket: ticket.number)
    onReactor { connection, reactor in
      if let connection {
        connection.startCall(outgoing, receiver, on: reactor)
      } else {
        let error = RPCError(
          .unavailable, "the connection is closed; connect again",
          reason: WireReason.connectionLost)
        ClientConnection.fail(receiver, error.markedNotStarted())
      }
    }
  }

  /// Runs `work` with the connection, nil once it is closed: at once on its reactor, or posted.
  private func onReactor(
    _ work: @escaping @Sendable (ClientConnection?, isolated Reactor) -> Void
  ) {
    let find: @Sendable (isolated Reactor) -> Void = { [self] reactor in
      let identifier = identifier.withLock { $0 }
      work(reactor.source(identifier) as? ClientConnection, reactor)
    }
    if reactor.isCurrent { reactor.withCurrent(find) } else { reactor.post(find) }
  }
}

extension CallOptions {
  /// The frame's time field: 0 for no deadline, else at least 1.
  func deadlineMs(for method: MethodDescriptor) -> UInt32 {
    guard let deadline else { return method.defaultDeadlineMs }
    return UInt32(clamping: max(1, deadline.wholeNanoseconds / 1_000_000))
  }
}
