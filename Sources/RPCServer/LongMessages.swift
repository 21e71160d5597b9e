import Dispatch
import ProtobufRuntime
import RPCTransport

/// Where a reactor has the long messages of its connections decoded: on another thread, one at a
/// time.
///
/// A message at the limits takes some ten milliseconds, and everybody on the reactor would wait for
/// it. One at a time, because each takes memory of its own: a copy of the frame, and up to eight
/// times that decoded. Its connection holds its input meanwhile, so that its calls stay in their
/// order; others that have a long one too hold theirs until the place is free.
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
  private var waiting: ContiguousArray<UInt64> = []

  /// Remembers a connection whose next frame is long, while `isBusy`.
  func wait(_ connection: UInt64) { waiting.append(connection) }

  /// Decodes a payload elsewhere, then runs `handle` on the reactor; called while not `isBusy`.
  func decode(
    _ payload: ReceivedBytes, by decode: @escaping ServiceRouter.LongDecoder,
    on reactor: Reactor,
    then handle: @escaping @Sendable (ServiceRouter.Handler, isolated Reactor) -> Void
  ) {
    precondition(!isBusy, "one long message at a time")
    isBusy = true
    let work = LongMessage(payload: payload, arena: arena, decoder: decode)
    queue.async {
      let handler = work.decode()
      reactor.post { reactor in handle(handler, reactor) }
    }
  }

  /// The handler of the message that was decoded has returned: its memory is given back, and those
  /// that wait try again.
  func end(on reactor: isolated Reactor) {
    let sent = SentArena(arena: arena)
    queue.async { sent.arena.reset() }
    isBusy = false
    let waited = waiting
    waiting = []
    // The first of them has the place; the others wait again, in their order. All are told, because
    // any of them may have ended or be paused.
    for number in waited { ServerConnection.find(number, on: reactor)?.release(on: reactor) }
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
