import ProtobufRuntime
import RPCServer
import RPCTransport
import RPCWire

// What every generated method needs on the server. It stands in the module of the generated code,
// so that the compiler specialises it for each request.

extension ServiceRouter {
  /// Adds a method that answers with one message.
  ///
  /// The request is decoded into the reactor's arena; bytes that are no such message are refused
  /// with INVALID_ARGUMENT, reason PAYLOAD_INVALID.
  mutating func handle<Request: ProtobufView, Response>(
    _ method: MethodDescriptor,
    _ handler: @escaping @Sendable (Request, ServerCall<Response>) -> Void
  ) {
    let decodeLong: ServiceRouter.LongDecoder = { payload, arena in
      let decoded = Decoded<Request>(payload, arena)
      return { call in
        guard let request = decoded.view(for: call) else { return }
        handler(request, ServerCall<Response>(call))
      }
    }
    register(method, decodingLong: decodeLong) { call in
      guard let request = decode(call, as: Request.self) else { return }
      handler(request, ServerCall<Response>(call))
    }
  }

  /// Adds a method that answers with a stream of messages.
  mutating func handle<Request: ProtobufView, Item>(
    _ method: MethodDescriptor,
    _ handler: @escaping @Sendable (Request, ServerStream<Item>) -> Void
  ) {
    let decodeLong: ServiceRouter.LongDecoder = { payload, arena in
      let decoded = Decoded<Request>(payload, arena)
      return { call in
        guard let request = decoded.view(for: call) else { return }
        handler(request, ServerStream<Item>(call))
      }
    }
    register(method, decodingLong: decodeLong) { call in
      guard let request = decode(call, as: Request.self) else { return }
      handler(request, ServerStream<Item>(call))
    }
  }
}

/// The request's view; nil when the call was refused.
private func decode<Request: ProtobufView>(
  _ call: borrowing IncomingCall, as _: Request.Type
) -> Request? {
  let arena = call.scratch { Arena() }
  arena.reset()
  do throws(DecodingError) {
    return try unsafe Request(decoding: call.payload, in: arena)
  } catch {
    call.handle.fail(RPCError(refusing: error))
    return nil
  }
}

/// A long request that was decoded away from its reactor.
private struct Decoded<Request: ProtobufView>: @unchecked Sendable {
  // Made on one thread, handed to the reactor, and used there once.
  private let result: Result<Request, DecodingError>

  init(_ payload: ReceivedBytes, _ arena: Arena) {
    result = Result { () throws(DecodingError) in
      try unsafe Request(decoding: payload.bytes, in: arena)
    }
  }

  /// The request's view; nil when the call was refused.
  func view(for call: borrowing IncomingCall) -> Request? {
    switch result {
    case .success(let view): return view
    case .failure(let error):
      call.handle.fail(RPCError(refusing: error))
      return nil
    }
  }
}

extension RPCError {
  /// The answer to a payload that is no message of the method.
  init(refusing error: DecodingError) {
    let violations =
      error.field.isEmpty
      ? [] : [FieldViolation(field: error.field, description: error.description)]
    self.init(
      .invalidArgument, "the payload is not valid at byte \(error.offset): \(error.description)",
      reason: WireReason.payloadInvalid, violations: violations)
  }
}
