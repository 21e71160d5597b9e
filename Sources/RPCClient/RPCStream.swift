import RPCWire
import Synchronization

/// The messages of a server stream as bytes, one reader.
///
/// Letting go of it cancels the call.
public final class RawStream: Sendable {
  /// Opens a stream that does not exist yet.
  public typealias Opening = @Sendable () async throws(RPCError) -> RawStream

  private enum Source {
    case open(StreamBuffer, connection: RPCConnection, ticket: CallTicket)
    case pending(Opening)
    case opened(RawStream)
    case cancelled
  }

  private let source: Mutex<Source>

  init(_ buffer: StreamBuffer, connection: RPCConnection, ticket: CallTicket) {
    source = Mutex(.open(buffer, connection: connection, ticket: ticket))
  }

  /// Makes a stream that is opened by the first `next`.
  public init(opening: @escaping Opening) {
    source = Mutex(.pending(opening))
  }

  deinit {
    cancel()
  }

  /// The next message; nil after the last one.
  ///
  /// Cancelling the task that waits ends the call.
  public func next() async throws(RPCError) -> [UInt8]? {
    switch source.withLock({ $0 }) {
    case .open(let buffer, let connection, let ticket):
      let result = await withTaskCancellationHandler {
        await buffer.next()
      } onCancel: {
        connection.cancel(ticket)
      }
      let credit = buffer.creditToGrant()
      if credit > 0 { connection.grant(ticket, count: credit) }
      return try result.get()
    case .pending(let opening):
      return try await adopt(try await opening()).next()
    case .opened(let stream): return try await stream.next()
    case .cancelled:
      throw RPCError(.cancelled, "the call was cancelled here", reason: WireReason.callCancelled)
    }
  }

  private func adopt(_ stream: RawStream) -> RawStream {
    let isCancelled = source.withLock { source in
      if case .cancelled = source { return true }
      source = .opened(stream)
      return false
    }
    if isCancelled { stream.cancel() }
    return stream
  }

  /// Ends the call; the reader gets CANCELLED, unless the stream has ended.
  ///
  /// Idempotent.
  public func cancel() {
    let before = source.withLock { source in
      let before = source
      if case .pending = source { source = .cancelled }
      return before
    }
    switch before {
    case .open(let buffer, let connection, let ticket):
      if !buffer.isFinished { connection.cancel(ticket) }
    case .opened(let stream): stream.cancel()
    case .pending, .cancelled: return
    }
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
