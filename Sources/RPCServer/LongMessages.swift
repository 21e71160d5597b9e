import Dispatch
import ProtobufRuntime
import RPCTransport

/// Where a reactor has the long messages of its connections decoded: on another thread, one at a
/// time.
///
/// A message at the limits takes some ten milliseconds, and everybody on the reactor would wait for
/// it. One at a time, because each takes memory of its own: a copy of the frame, and up to eight
/// times that decoded. Its connection holds its input meanwhile, so that its calls stay in their
/// order; others that have a long one too hold theirs until it is their turn, principal by
/// principal.
///
/// Touched on the reactor; what is being decoded belongs to the queue until it is handed back.
final class LongMessages {
  /// From so many bytes of payload on a message is long: shorter ones take less than a millisecond
  /// whatever is in them.
  static let minimumBytes = 32 << 10

  private let queue = DispatchQueue(label: "rpc.server.long-messages")
  private let arena = Arena()
  /// Whether one is being decoded, or was and is being handled.
  private(set) var isBusy = false
  /// Connections that hold a long frame.
  private var turns = LongMessageTurns()
  /// The connection that was told that the place is its own and has not come to it yet; 0: none.
  private var promised: UInt64 = 0

  /// Whether a connection whose next frame is long must wait for its turn; then it is told.
  func mustWait(_ connection: UInt64, of principal: String) -> Bool {
    guard isBusy || (promised != 0 && promised != connection) else { return false }
    turns.wait(connection, of: principal)
    return true
  }

  /// Decodes a payload elsewhere, then runs `handle` on the reactor; called after `mustWait` has
  /// said no.
  func decode(
    _ payload: ReceivedBytes, of principal: String, by decode: @escaping ServiceRouter.LongDecoder,
    on reactor: Reactor,
    then handle: @escaping @Sendable (ServiceRouter.Handler, isolated Reactor) -> Void
  ) {
    precondition(!isBusy, "one long message at a time")
    isBusy = true
    if promised == 0 { turns.begin(of: principal) }
    promised = 0
    let work = LongMessage(payload: payload, arena: arena, decoder: decode)
    queue.async {
      let handler = work.decode()
      reactor.post { reactor in handle(handler, reactor) }
    }
  }

  /// The handler of the message that was decoded has returned: its memory is given back, and the
  /// next connection has its turn.
  func end(on reactor: isolated Reactor) {
    let sent = SentArena(arena: arena)
    queue.async { sent.arena.reset() }
    isBusy = false
    handOn(on: reactor)
  }

  /// A connection had its turn and has nothing to decode: it has ended, is paused, or its call was
  /// refused.
  func passOn(_ connection: UInt64, on reactor: isolated Reactor) {
    // Not within the turn of a connection: others go on here.
    reactor.post { reactor in
      guard let loop = reactor.attachment as? ServerLoop else { return }
      loop.longMessages.turnUnused(by: connection, on: reactor)
    }
  }

  private func turnUnused(by connection: UInt64, on reactor: isolated Reactor) {
    guard promised == connection else { return }
    promised = 0
    handOn(on: reactor)
  }

  /// Promises the free place to whoever has the next turn: its input goes on a little later, and
  /// whoever comes before that finds the place taken.
  private func handOn(on reactor: isolated Reactor) {
    while !isBusy && promised == 0, let number = turns.next() {
      guard let connection = ServerConnection.find(number, on: reactor) else { continue }
      promised = number
      connection.hasLongTurn = true
      // One that is paused waits again when it goes on.
      if !connection.release(on: reactor) && promised == number {
        promised = 0
        connection.hasLongTurn = false
      }
    }
  }
}

/// A long message on its way to being decoded.
private final class LongMessage: @unchecked Sendable {
  // Used by the queue alone; the arena is the reactor's again when the handler runs there.
  private let payload: ReceivedBytes
  private let arena: Arena
  private let decoder: ServiceRouter.LongDecoder

  init(payload: ReceivedBytes, arena: Arena, decoder: @escaping ServiceRouter.LongDecoder) {
    self.payload = payload
    self.arena = arena
    self.decoder = decoder
  }

  func decode() -> ServiceRouter.Handler { decoder(payload, arena) }
}

private struct SentArena: @unchecked Sendable {
  // Given back on the queue, before it decodes the next one.
  let arena: Arena
}
