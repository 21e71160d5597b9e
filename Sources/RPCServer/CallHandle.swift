import ProtobufRuntime
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
  public var principal: Principal { context.principal }
  /// When the caller stops waiting, in nanoseconds of the monotonic clock; `.max` is never.
  public let deadlineNanoseconds: Int64
  /// How many bytes its request has, encoded.
  public let requestBytes: Int
  let context: CallContext
  var reactor: Reactor { context.reactor }

  /// Why the call must not begin what would go on behind its end; nil: it may.
  ///
  /// For the handler of a method that is marked so (`ServiceRouter.markGoesOn`), on the reactor.
  public var refusalOfWork: RPCError? {
    var refusal: RPCError?
    reactor.withCurrent { reactor in
      let connection = ServerConnection.find(token, on: reactor)
      refusal = connection?.refusalOfAbandoned(context)
    }
    return refusal
  }

  /// Answers with at most `capacity` bytes that `pack` writes in place and counts.
  ///
  /// `pack` runs before this returns, or not at all when the call is over.
  public func reply(capacity: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Int) {
    guard reactor.isCurrent else {
      var batch = ReplyBatch()
      unsafe batch.reply(token, capacity: capacity, pack)
      return batch.flush()
    }
    guard let target = unsafe reserveReply(capacity) else { return }
    let count = unsafe pack(UnsafeMutableRawBufferPointer(start: target, count: capacity))
    precondition(count >= 0 && count <= capacity, "more bytes packed than reserved")
    finishReply(count)
  }

  /// Answers with a message that lies in an arena; it is encoded in the connection's output itself.
  public func reply(_ message: MessageReference) {
    guard reactor.isCurrent else {
      var batch = ReplyBatch()
      batch.reply(token, message)
      return batch.flush()
    }
    let function = ServerConnection.reply(with:to:on:)
    unsafe unsafeBitCast(
      function, to: ((MessageReference, CallToken, Reactor) -> Void).self
    )(message, token, reactor)
  }

  // As `Reactor.withCurrent`, whose check `isCurrent` has made, but with plain functions in place
  // of closures: nothing is allocated, and `pack` need not be Sendable, for it runs right here.

  private func reserveReply(_ capacity: Int) -> UnsafeMutableRawPointer? {
    let function = unsafe ServerConnection.reserveReply
    return unsafe unsafeBitCast(
      function, to: ((Reactor, CallToken, Int) -> UnsafeMutableRawPointer?).self
    )(reactor, token, capacity)
  }

  private func finishReply(_ count: Int) {
    let function = ServerConnection.finishReply
    unsafe unsafeBitCast(
      function, to: ((Reactor, CallToken, Int) -> Void).self
    )(reactor, token, count)
  }

  /// Answers with a whole payload.
  public func reply(bytes: [UInt8]) {
    // A long one is not copied on its way to the reactor.
    guard bytes.count <= FrameHeader.likelyPayloadBytes || reactor.isCurrent else {
      return onReactor { connection, call, reactor in
        connection.reply(call, bytes: bytes, on: reactor)
      }
    }
    unsafe reply(capacity: bytes.count) { target in
      unsafe target.copyBytes(from: bytes)
      return bytes.count
    }
  }

  /// Answers with a message that has a secret in it: no memory that it went through keeps it, but
  /// for the arena, which the caller wipes.
  public func replyWithSecret(_ message: MessageReference) {
    let count = message.encodedByteCount
    let id = token.callID
    let frame = unsafe WipedMemory(count: FrameHeader.byteCount + count) { frame in
      unsafe FrameHeader(.reply, call: id, payloadBytes: count).write(to: frame.baseAddress!)
      let payload = unsafe UnsafeMutableRawBufferPointer(rebasing: frame[FrameHeader.byteCount...])
      _ = unsafe message.encode(into: payload)
    }
    onReactor { connection, call, reactor in connection.replyFramed(call, frame, on: reactor) }
  }

  /// Ends the call with an error.
  public func fail(_ error: RPCError) {
    onReactor { connection, call, reactor in connection.fail(call, error, on: reactor) }
  }

  /// Runs `body` on the reactor once it has taken what this thread answered before, whether the
  /// call was over by then or not; a reactor that has stopped lets go of it.
  public func afterAnswer(_ body: @escaping @Sendable () -> Void) {
    reactor.post { _ in body() }
  }

  /// Runs `work` with the call's connection, at once on its reactor or posted to it; always posted
  /// where it must come behind what was posted before.
  func onReactor(
    behindPosted: Bool = false,
    _ work: @escaping @Sendable (ServerConnection, UInt32, isolated Reactor) -> Void
  ) {
    let token = token
    if reactor.isCurrent && !behindPosted {
      reactor.withCurrent { reactor in
        guard let connection = ServerConnection.find(token, on: reactor) else {
          return ServerConnection.answeredLate(token, on: reactor)
        }
        work(connection, token.callID, reactor)
      }
    } else {
      reactor.post { reactor in
        guard let connection = ServerConnection.find(token, on: reactor) else {
          return ServerConnection.answeredLate(token, on: reactor)
        }
        work(connection, token.callID, reactor)
      }
    }
  }
}

/// What all calls of a connection share: one object, so that a call's handle is copied with one
/// count of references.
final class CallContext: Sendable {
  let principal: Principal
  let reactor: Reactor
  let scratchpad: Scratchpad

  init(principal: Principal, reactor: Reactor, scratchpad: Scratchpad) {
    self.principal = principal
    self.reactor = reactor
    self.scratchpad = scratchpad
  }
}

extension ServerConnection {
  /// The connection of a call, unless it is gone.
  @inline(__always)
  static func find(_ token: CallToken, on reactor: isolated Reactor) -> ServerConnection? {
    find(token.connectionBits, on: reactor)
  }

  /// The connection of an identifier, unless it is gone.
  @inline(__always)
  static func find(_ identifier: UInt64, on reactor: isolated Reactor) -> ServerConnection? {
    // It names a server's connection by construction, and identifiers are not reused.
    guard let source = reactor.source(identifier) else { return nil }
    return unsafe unsafeDowncast(source, to: ServerConnection.self)
  }
}
