public import ProtobufRuntime
public import RPCWire

/// One method of a connection, made ready to be called very often: what stands behind a
/// `MethodCaller`, whatever its types.
///
/// From any thread.
public final class RawCaller: CallReceiver {
  /// Hears how calls end; on the connection's reactor, must not block.
  public typealias Receive = @Sendable (borrowing RawReply) -> Void

  /// The connection that carries the calls.
  public let connection: RPCConnection
  private let methodID: UInt16
  private let deadlineMs: UInt32
  private let receive: Receive

  /// Makes the method ready; each call's outcome goes to `receive`, once.
  public init(
    _ connection: RPCConnection, _ method: MethodDescriptor, _ options: CallOptions,
    receive: @escaping Receive
  ) {
    precondition(!method.isServerStreaming, "\(method.fullName) answers with a stream")
    self.connection = connection
    methodID = method.id
    deadlineMs = options.deadlineMs(for: method)
    self.receive = receive
  }

  /// An arena to build one request in, which `start` takes back.
  public func takeArena() -> Arena {
    connection.isCurrent
      ? connection.takeRequestArena() : Arena(initialBytes: 1024)
  }

  /// Starts a call with a request from `takeArena`'s arena.
  ///
  /// On the connection's own reactor the request is encoded in the connection's output: no lock, no
  /// allocation. On another thread it is encoded here and handed over.
  public func start(_ request: MessageReference, tag: UInt64, from arena: Arena) -> CallTicket {
    let call = OutgoingCall(methodID, deadlineMs: deadlineMs, receiver: self, tag: tag)
    guard connection.isCurrent else {
      let count = request.encodedByteCount
      let payload = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        initialized = unsafe request.encode(into: UnsafeMutableRawBufferPointer(buffer))
      }
      withExtendedLifetime(arena) {}
      return connection.start(call, payload)
    }
    let ticket = connection.startNow(call, .message(request))
    connection.give(arena)
    return ticket
  }

  func replied(_ tag: UInt64, _ payload: UnsafeRawBufferPointer, _ scratch: ClientScratch) {
    unsafe receive(RawReply(caller: self, tag: tag, payload: payload, scratch: scratch))
  }

  func failed(_ tag: UInt64, _ error: RPCError) {
    receive(RawReply(caller: self, tag: tag, error: error))
  }
}

/// The outcome of one call of a `RawCaller`; valid while its `Receive` runs.
@safe
public struct RawReply {
  /// What made the call.
  public let caller: RawCaller
  /// What the caller gave the call.
  public let tag: UInt64
  /// Why the call failed; nil: it did not.
  public let error: RPCError?
  private let payload: UnsafeRawBufferPointer
  private let scratch: ClientScratch?

  init(
    caller: RawCaller, tag: UInt64, payload: UnsafeRawBufferPointer, scratch: ClientScratch
  ) {
    self.caller = caller
    self.tag = tag
    error = nil
    unsafe self.payload = payload
    self.scratch = scratch
  }

  init(caller: RawCaller, tag: UInt64, error: RPCError) {
    self.caller = caller
    self.tag = tag
    self.error = error
    unsafe payload = UnsafeRawBufferPointer(start: nil, count: 0)
    scratch = nil
  }

  /// When the reply came, in nanoseconds of the monotonic clock; 0 for a failure.
  public var receivedNanoseconds: Int64 { scratch?.now ?? 0 }

  /// The reply in the reactor's arena, valid until the next reply is read.
  /// - Throws: `DecodingError` when the bytes are no such message or pass a limit.
  public func decode(as descriptor: MessageDescriptor) throws(DecodingError) -> MessageReference {
    let arena = scratch?.replies ?? Arena(initialBytes: 256)
    arena.reset()
    return try unsafe MessageReference(
      decoding: payload, as: descriptor, in: arena, limits: .standard)
  }
}
