public import ProtobufRuntime
public import RPCWire

/// One method of a connection, made ready to be called very often: what stands behind a
/// `MethodCaller`, whatever its types.
///
/// From any thread.
public final class RawCaller: CallReceiver {
  /// The connection that carries the calls.
  public let connection: RPCConnection
  private let methodID: UInt16
  private let deadlineMs: UInt32
  private let methodName: String
  private let response: MessageDescriptor
  private let receive: @Sendable (RawReply) -> Void

  /// Makes the method ready; the outcome of each call goes to `receive`, once, on the connection's
  /// reactor.
  public init(
    _ connection: RPCConnection, _ method: MethodDescriptor, _ options: CallOptions,
    response: MessageDescriptor, receive: @escaping @Sendable (RawReply) -> Void
  ) {
    precondition(!method.isServerStreaming, "\(method.fullName) answers with a stream")
    self.connection = connection
    methodID = method.id
    methodName = method.name
    deadlineMs = options.deadlineMs(for: method)
    self.response = response
    self.receive = receive
  }

  /// A place to build one request in, which `start` takes back.
  public func takeSpace() -> RequestSpace {
    if connection.isCurrent, let scratch = connection.scratchOfReactor {
      return RequestSpace(arena: scratch.takeRequestArena(), scratch: scratch)
    }
    return RequestSpace(arena: Arena(initialBytes: 1024), scratch: nil)
  }

  /// Starts a call with a request that was built in the space.
  ///
  /// On the connection's own reactor the request is encoded in the connection's output: no lock, no
  /// allocation. On another thread it is encoded here and handed over.
  public func start(
    _ request: MessageReference, tag: UInt64, in space: RequestSpace
  ) -> CallTicket {
    let call = OutgoingCall(methodID, deadlineMs: deadlineMs, receiver: self, tag: tag)
    guard let scratch = space.scratch else {
      let count = request.encodedByteCount
      var payload: [UInt8] = []
      // Not where it is empty: see `serializedBytes`.
      if count > 0 {
        payload = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
          initialized = unsafe request.encode(into: UnsafeMutableRawBufferPointer(buffer))
        }
      }
      withExtendedLifetime(space) {}
      return connection.start(call, payload)
    }
    let ticket = connection.startNow(call, .message(request))
    scratch.give(space.arena)
    return ticket
  }

  func replied(_ tag: UInt64, _ payload: UnsafeRawBufferPointer, _ scratch: ClientScratch) {
    scratch.replies.reset()
    let outcome: RawReply.Outcome
    do throws(DecodingError) {
      let message = try unsafe MessageReference(
        decoding: payload, as: response, in: scratch.replies, limits: .standard)
      outcome = .message(message)
    } catch {
      outcome = .failure(CallFailure(undecodable: error, of: methodName))
    }
    receive(
      RawReply(caller: self, tag: tag, outcome: outcome, receivedNanoseconds: scratch.now))
  }

  func failed(_ tag: UInt64, _ error: RPCError) {
    receive(
      RawReply(
        caller: self, tag: tag, outcome: .failure(CallFailure(error)), receivedNanoseconds: 0))
  }
}

/// Where one request is built: from `RawCaller.takeSpace` to `RawCaller.start`, on one thread.
public struct RequestSpace {
  /// The memory of the request.
  public let arena: Arena
  /// Whose arena it is; nil off the connection's reactor.
  let scratch: ClientScratch?
}

/// The outcome of one call of a `RawCaller`; valid while the function that is told of it runs.
public struct RawReply {
  /// The reply in the reactor's arena, or why there is none.
  @usableFromInline
  enum Outcome {
    case message(MessageReference)
    case failure(CallFailure)
  }

  /// What made the call.
  public let caller: RawCaller
  /// What the caller gave the call.
  public let tag: UInt64
  @usableFromInline let outcome: Outcome
  /// When the reply came, in nanoseconds of the monotonic clock; 0 for a failure.
  public let receivedNanoseconds: Int64
}

/// An error behind a reference, so that a reply that is none costs no more than a pointer.
@usableFromInline
final class CallFailure: Sendable {
  @usableFromInline let error: RPCError

  init(_ error: RPCError) {
    self.error = error
  }

  convenience init(undecodable error: DecodingError, of method: String) {
    self.init(
      RPCError(
        .internalError,
        "the server's reply to \(method) is not valid at byte \(error.offset): "
          + error.description,
        reason: WireReason.payloadInvalid))
  }
}
