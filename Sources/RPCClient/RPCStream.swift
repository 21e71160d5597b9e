import RPCWire

/// The messages of a server stream as bytes, one reader. Ends with nil, or throws `RPCError`.
/// Letting go of it cancels the call.
public final class RawStream: Sendable {
  /// The next message; nil after the last one.
  public func next() async throws(RPCError) -> [UInt8]? {
    nil
  }

  /// Ends the call.
  public func cancel() {
  }
}

/// The messages of a server stream, in the order of the server; one reader.
public struct RPCStream<Item: Sendable>: AsyncSequence, Sendable {
  /// What iteration throws.
  public typealias Failure = RPCError

  private let raw: RawStream
  private let decode: @Sendable ([UInt8]) throws(RPCError) -> Item

  /// Wraps the bytes of a stream with the decoding of its type.
  public init(
    _ raw: RawStream, decode: @escaping @Sendable ([UInt8]) throws(RPCError) -> Item
  ) {
    self.raw = raw
    self.decode = decode
  }

  /// Ends the call.
  public func cancel() {
    raw.cancel()
  }

  /// Reads the stream.
  public func makeAsyncIterator() -> Iterator {
    Iterator(raw: raw, decode: decode)
  }

  /// Reads the stream; cancelling the task that waits in `next` ends the call.
  public struct Iterator: AsyncIteratorProtocol {
    let raw: RawStream
    let decode: @Sendable ([UInt8]) throws(RPCError) -> Item

    /// The next item; nil after the last one.
    public mutating func next() async throws(RPCError) -> Item? {
      guard let bytes = try await raw.next() else { return nil }
      return try decode(bytes)
    }

    /// The next item; nil after the last one.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(RPCError) -> Item? {
      guard let bytes = try await raw.next() else { return nil }
      return try decode(bytes)
    }
  }
}
