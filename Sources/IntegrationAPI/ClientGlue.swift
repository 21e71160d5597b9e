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

private func decodeReply<Response: ProtobufMessage>(
  _ bytes: [UInt8]
) throws(RPCError) -> Response {
  do throws(DecodingError) {
    return try Response(serializedBytes: bytes)
  } catch {
    throw RPCError(
      .internalError,
      "the server's reply is no \(Response.messageName) at byte \(error.offset): "
        + error.description,
      reason: WireReason.payloadInvalid)
  }
}
