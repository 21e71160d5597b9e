import CSystemShims

/// Something with a descriptor that a reactor watches.
///
/// Lives on one reactor and is touched only there: each method takes the reactor isolated.
open class EventSource {
  // Stored apart from their public faces: what no other module can see needs no exclusivity checks
  // at run time, and these are read for each call.
  final var handle: Int32
  final var number: UInt64 = 0

  /// The descriptor; -1 once closed.
  public final var descriptor: Int32 { handle }
  /// Reactor, generation and slot in one number; 0 until added.
  public final var identifier: UInt64 { number }
  /// The epoll events that are watched now.
  final var interest: UInt32 = 0
  /// When `deadlinePassed` is due, on the monotonic clock; `.max` is never.
  final var armedDeadline = Int64.max

  /// Takes ownership of a non-blocking descriptor.
  public init(adopting descriptor: Int32) {
    handle = descriptor
  }

  /// The descriptor is ready; `events` are epoll's.
  open func ready(_ events: UInt32, on reactor: isolated Reactor) {}

  /// The deadline set with `Reactor.setDeadline` is over; returns the next one, `.max` for none.
  open func deadlinePassed(on reactor: isolated Reactor) -> Int64 { .max }

  /// Output was queued outside of this source's turn, and the turn of all is ending.
  open func flush(on reactor: isolated Reactor) {}

  /// It is this source's turn to go on with what it left, after `Reactor.continueLater`.
  open func goOn(on reactor: isolated Reactor) {}

  /// The reactor stops: let go of everything.
  open func reactorStopped(on reactor: isolated Reactor) {
    reactor.remove(self)
  }
}
