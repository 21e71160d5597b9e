public import ProtobufRuntime
public import RPCWire

/// One method of a connection for programs that make very many calls: no task, no lock and no
/// allocation for a call that the answer to another one starts.
///
/// The generated `…Callers` make it, once for each method and connection. `call` may be used from
/// any thread. Where it runs decides what it costs: in the function that hears of replies the
/// request goes straight into the connection's output, and all calls of one turn go out together;
/// on another thread the request is encoded there and handed over, which costs an allocation or
/// two and a lock.
///
/// ```swift
/// let heartbeats = AgentServiceCallers(connection).heartbeat { reply in
///   switch reply.result {
///   case .success(let response): next(after: response.nextHeartbeatMs)
///   case .failure(let error): note(error)
///   }
///   reply.caller.call(tag: reply.tag) { $0.setAgentID("erp-1") }
/// }
/// for number in 0..<16 { heartbeats.call(tag: number) { $0.setAgentID("erp-1") } }
/// ```
///
/// Each call ends once: with its reply, a refusal, its deadline, a cancellation, or the connection.
/// None is repeated: whoever has `IntegrationClient` make connections asks it for the next one.
/// What a server takes at once is limited (RESOURCE_EXHAUSTED above it), so that a program keeps
/// as many calls in flight as it has use for and starts the next when one ends.
public struct MethodCaller<Request: ProtobufView, Response: ProtobufView>: Sendable {
  @usableFromInline let raw: RawCaller

  /// Makes a method with these types ready; each call's outcome goes to `onReply`, once, on the
  /// connection's reactor, where it must not block.
  public init(
    _ connection: RPCConnection, _ method: MethodDescriptor,
    options: CallOptions = CallOptions(),
    onReply: @escaping @Sendable (CallReply<Request, Response>) -> Void
  ) {
    raw = RawCaller(connection, method, options, response: Response.descriptor) {
      onReply(CallReply(raw: $0))
    }
  }

  @inlinable
  init(raw: RawCaller) {
    self.raw = raw
  }

  /// The connection that carries the calls.
  public var connection: RPCConnection { raw.connection }

  /// Starts a call with the request that `build` makes; `build` runs before this returns.
  ///
  /// - Parameter tag: Comes back with the reply: the caller's own name for the call.
  /// - Returns: What `RPCConnection.cancel` takes.
  @discardableResult
  @inlinable
  public func call(tag: UInt64 = 0, _ build: (Request) -> Void) -> CallTicket {
    let space = raw.takeSpace()
    let request = Request(in: space.arena)
    build(request)
    return raw.start(request.reference, tag: tag, in: space)
  }

  /// Starts a call with a request that is a value.
  ///
  /// - Parameter tag: Comes back with the reply: the caller's own name for the call.
  /// - Returns: What `RPCConnection.cancel` takes.
  @discardableResult
  @inlinable
  public func call(tag: UInt64 = 0, _ request: Request.Message) -> CallTicket {
    call(tag: tag) { $0.assign(request) }
  }
}

/// The outcome of one call of a `MethodCaller`.
public struct CallReply<Request: ProtobufView, Response: ProtobufView> {
  @usableFromInline let raw: RawReply

  init(raw: RawReply) {
    self.raw = raw
  }

  /// What made the call; for starting the next one.
  @inlinable
  public var caller: MethodCaller<Request, Response> { MethodCaller(raw: raw.caller) }

  /// What the call was given when it was started.
  @inlinable
  public var tag: UInt64 { raw.tag }

  /// The reply, or why there is none.
  ///
  /// The view is valid while the function that hears of it runs; `makeMessage()` makes a copy that
  /// stays.
  @inlinable
  public var result: Result<Response, RPCError> {
    switch raw.outcome {
    case .message(let message): .success(Response(reference: message))
    case .failure(let failure): .failure(failure.error)
    }
  }

  /// When the reply came, in nanoseconds of the monotonic clock, read once for all that came
  /// together; 0 for a failure.
  @inlinable
  public var receivedNanoseconds: Int64 { raw.receivedNanoseconds }
}
