import RPCTransport
import RPCWire

/// Answers for many calls, collected on any thread and handed over with one hop per reactor.
public struct ReplyBatch {
  /// Makes an empty batch.
  public init() {}

  /// Adds an answer of at most `capacity` bytes that `pack` writes in place and counts.
  public mutating func reply(
    _ token: CallToken, capacity: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Int
  ) {
  }

  /// Adds an answer with a whole payload.
  public mutating func reply(_ token: CallToken, bytes: [UInt8]) {
  }

  /// Adds an error.
  public mutating func fail(_ token: CallToken, _ error: RPCError) {
  }

  /// Hands all answers to their reactors; the batch is empty afterwards.
  public mutating func flush() {
  }
}
