import RPCTransport
import RPCWire

/// Through which a call is answered, whatever its types: from any thread, once.
///
/// An answer after the end of the call (cancelled, deadline passed, connection gone, answered) is
/// dropped.
///
/// On the call's own reactor an answer goes straight into the connection's output. From another
/// thread each answer is a hop of its own; answers for many calls go better in a `ReplyBatch`.
public struct CallHandle: Sendable {
  /// Names the call; two plain numbers.
  public let token: CallToken
  /// Who calls.
  public let principal: Principal
  /// When the caller stops waiting, in nanoseconds of the monotonic clock; `.max` is never.
  public let deadlineNanoseconds: Int64
  let reactor: Reactor

  /// Answers with at most `capacity` bytes that `pack` writes in place and counts.
  ///
  /// `pack` runs before this returns, or not at all when the call is over.
  public func reply(capacity: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Int) {
    guard reactor.isCurrent else {
      var batch = ReplyBatch()
      unsafe batch.reply(token, capacity: capacity, pack)
      return batch.flush()
    }
    // As `Reactor.withCurrent`, which checks the thread the same way, but with a plain function in
    // place of a closure: nothing is allocated, and `pack` need not be Sendable, for it runs here.
    unsafe Self.uncheckedReply(reactor, token, capacity, pack)
  }

  private typealias Pack = (UnsafeMutableRawBufferPointer) -> Int

  private static let uncheckedReply = unsafe unsafeBitCast(
    replyInPlace as (isolated Reactor, CallToken, Int, Pack) -> Void,
    to: (@Sendable (Reactor, CallToken, Int, Pack) -> Void).self)

  private static func replyInPlace(
    _ reactor: isolated Reactor, _ token: CallToken, _ capacity: Int, _ pack: Pack
  ) {
    guard let connection = ServerConnection.find(token, on: reactor) else { return }
    unsafe connection.reply(token.callID, capacity: capacity, on: reactor, pack)
  }

  /// Answers with a whole payload.
  public func reply(bytes: [UInt8]) {
    unsafe reply(capacity: bytes.count) { target in
      unsafe target.copyBytes(from: bytes)
      return bytes.count
    }
  }

  /// Ends the call with an error.
  public func fail(_ error: RPCError) {
    onReactor { connection, call, reactor in connection.fail(call, error, on: reactor) }
  }

  /// Runs `work` with the call's connection, at once on its reactor or posted to it.
  func onReactor(
    _ work: @escaping @Sendable (ServerConnection, UInt32, isolated Reactor) -> Void
  ) {
    let token = token
    if reactor.isCurrent {
      reactor.withCurrent { reactor in
        guard let connection = ServerConnection.find(token, on: reactor) else { return }
        work(connection, token.callID, reactor)
      }
    } else {
      reactor.post { reactor in
        guard let connection = ServerConnection.find(token, on: reactor) else { return }
        work(connection, token.callID, reactor)
      }
    }
  }
}

extension ServerConnection {
  /// The connection of a call, unless it is gone.
  @inline(__always)
  static func find(_ token: CallToken, on reactor: isolated Reactor) -> ServerConnection? {
    // A token names a server's connection by construction, and identifiers are not reused.
    guard let source = reactor.source(token.connectionBits) else { return nil }
    return unsafe unsafeDowncast(source, to: ServerConnection.self)
  }
}
