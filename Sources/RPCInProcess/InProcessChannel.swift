import Glibc
import RPCWire
import Synchronization

/// A connection to a server of the same program: two ends of a socket pair, which have no address
/// and need no credential, and behave as any other connection in all else.
public final class InProcessChannel: Sendable {
  private let descriptor: Mutex<Int32>
  /// What the client's layer keeps here: the connection that it made of this channel.
  public let client = Mutex<(any AnyObject & Sendable)?>(nil)

  private init(_ descriptor: Int32) {
    self.descriptor = Mutex(descriptor)
  }

  deinit {
    let left = descriptor.withLock { $0 }
    if left >= 0 { close(left) }
  }

  /// Makes the server's end, a non-blocking descriptor that the caller owns, and the client's.
  ///
  /// Traps when the process is out of descriptors.
  public static func makePair() -> (serverEnd: Int32, channel: InProcessChannel) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let status = unsafe socketpair(AF_UNIX, type, 0, &ends)
    precondition(status == 0, "no descriptors for an in-process channel")
    return (ends[0], InProcessChannel(ends[1]))
  }

  /// The client's end, once; the caller owns it.
  ///
  /// Nil when it was taken.
  public func takeDescriptor() -> Int32? {
    descriptor.withLock { descriptor in
      defer { descriptor = -1 }
      return descriptor >= 0 ? descriptor : nil
    }
  }
}
