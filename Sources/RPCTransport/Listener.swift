import CSystemShims
import Glibc
import RPCWire

/// Accepts connections, a bounded number in each wake-up.
public final class Listener: EventSource {
  /// What became of a connection attempt.
  public enum Arrival: Sendable {
    /// A connected, non-blocking socket; the receiver owns it.
    case accepted(Int32)
    /// The process is out of descriptors: this one is to be told and closed by the receiver.
    case beyondDescriptors(Int32)
  }

  /// Most connections accepted in one wake-up: some ten microseconds each.
  static let acceptsPerTurn = 8
  /// How long to stop accepting when the system has no room at all.
  static let pauseNanoseconds: Int64 = 100_000_000

  private let address: ListenAddress
  private let arrived: (Arrival, isolated Reactor) -> Void
  /// Held back so that with all others in use a connection can still be taken and refused;
  /// otherwise it would stay ready forever and keep the reactor awake.
  private var spare = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)

  /// Takes ownership of a listening socket.
  public init(
    adopting socket: ListeningSocket,
    arrived: @escaping (Arrival, isolated Reactor) -> Void
  ) {
    self.address = socket.address
    self.arrived = arrived
    super.init(adopting: socket.descriptor)
  }

  /// Begins to accept.
  public func start(on reactor: isolated Reactor) throws(SystemError) {
    try reactor.add(self, events: EPOLLIN.rawValue)
  }

  /// Stops accepting, and removes the file of a Unix socket.
  public func stop(on reactor: isolated Reactor) {
    guard descriptor >= 0 else { return }
    if case .unix(let path) = address { unsafe unlink(path) }
    reactor.remove(self)
    if spare >= 0 { close(spare) }
    spare = -1
  }

  /// Accepts what waits.
  public override func ready(_ events: UInt32, on reactor: isolated Reactor) {
    for _ in 0..<Self.acceptsPerTurn {
      let accepted = acceptOne()
      if accepted >= 0 {
        configure(accepted)
        arrived(.accepted(accepted), reactor)
        continue
      }
      switch errno {
      case EAGAIN: return
      case EMFILE, ENFILE: if !refuseOne(on: reactor) { return pause(on: reactor) }
      case ENOBUFS, ENOMEM: return pause(on: reactor)
      default: continue  // This connection failed before it was accepted (accept(2)).
      }
    }
  }

  /// The pause is over.
  public override func deadlinePassed(on reactor: isolated Reactor) -> Int64 {
    reactor.setInterest(self, EPOLLIN.rawValue)
    return .max
  }

  /// Stops accepting.
  public override func reactorStopped(on reactor: isolated Reactor) {
    stop(on: reactor)
  }

  private func acceptOne() -> Int32 {
    shim_accept(descriptor)
  }

  private func configure(_ accepted: Int32) {
    if case .tcp = address { Sockets.setNoDelay(accepted) }
  }

  private func refuseOne(on reactor: isolated Reactor) -> Bool {
    guard spare >= 0 else { return false }
    close(spare)
    let accepted = acceptOne()
    if accepted >= 0 { arrived(.beyondDescriptors(accepted), reactor) }
    spare = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    return accepted >= 0
  }

  private func pause(on reactor: isolated Reactor) {
    reactor.setInterest(self, 0)
    reactor.setDeadline(self, reactor.now.monotonicNanoseconds + Self.pauseNanoseconds)
  }
}
