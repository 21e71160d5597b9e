import ProtobufRuntime
import RPCClient
import RPCWire

// What every generated method needs on the client.

extension RPCChannel {
  /// Makes a call with messages.
  func call<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _ options: CallOptions
  ) async throws(RPCError) -> Response {
    let reply = try await call(method, payload: request.serializedBytes(), options: options)
    return try decodeReply(reply)
  }

  /// Starts a stream with messages.
  func stream<Request: ProtobufMessage, Item: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _ options: CallOptions
  ) -> RPCStream<Item> {
    RPCStream(stream(method, payload: request.serializedBytes(), options: options)) {
      (bytes) throws(RPCError) in try decodeReply(bytes)
    }
  }
}

extension RPCConnection {
  /// Makes a method ready to be called very often.
  func caller<Request: ProtobufView, Response: ProtobufView>(
    _ method: MethodDescriptor, _ options: CallOptions,
    _ onReply: @escaping @Sendable (CallReply<Request, Response>) -> Void
  ) -> MethodCaller<Request, Response> {
    MethodCaller(
      RawCaller(self, method, options) { reply in
        onReply(CallReply(reply, decodeReply(reply, method)))
      })
  }
}

/// The reply's view in the reactor's arena.
private func decodeReply<Response: ProtobufView>(
  _ reply: borrowing RawReply, _ method: MethodDescriptor
) -> Result<Response, RPCError> {
  if let error = reply.error { return .failure(error) }
  do throws(DecodingError) {
    return .success(Response(reference: try reply.decode(as: Response.descriptor)))
  } catch {
    return .failure(undecodable("answer to \(method.name)", error))
  }
}

private func decodeReply<Response: ProtobufMessage>(
  _ bytes: [UInt8]
) throws(RPCError) -> Response {
  do throws(DecodingError) {
    return try Response(serializedBytes: bytes)
  } catch {
    throw undecodable(Response.messageName, error)
  }
}

private func undecodable(_ expected: String, _ error: DecodingError) -> RPCError {
  RPCError(
    .internalError,
    "the server's reply is no \(expected) at byte \(error.offset): " + error.description,
    reason: WireReason.payloadInvalid)
}
