import Glibc
import RPCWire

/// Why no connection to an address could be made: for a person.
public struct ConnectError: Error, Sendable, CustomStringConvertible {
  /// What stood in the way.
  public let description: String
}

extension Sockets {
  /// Connects, waiting up to `timeoutMs` for each address of the host; blocks meanwhile.
  ///
  /// The result is a non-blocking descriptor that the caller owns.
  public static func connect(
    to address: ListenAddress, timeoutMs: Int32
  ) -> Result<Int32, ConnectError> {
    switch address {
    case .unix(let path): return connectUnix(path, timeoutMs)
    case .tcp(let host, let port):
      switch resolve(host: host, port: port, passive: false) {
      case .failure(let error): return .failure(ConnectError(description: error.description))
      case .success(let candidates): return connectTCP(candidates, timeoutMs)
      }
    }
  }

  private static func connectUnix(
    _ path: String, _ timeoutMs: Int32
  ) -> Result<Int32, ConnectError> {
    guard path.utf8.count <= ListenAddress.maximumPathBytes else {
      return .failure(
        ConnectError(
          description: "the path of a Unix socket may have at most "
            + "\(ListenAddress.maximumPathBytes) bytes"))
    }
    let descriptor = socket(AF_UNIX, flags, 0)
    guard descriptor >= 0 else { return failure(errno) }
    let status = unsafe withUnixAddress(path) { unsafe Glibc.connect(descriptor, $0, $1) }
    return finish(descriptor, status, timeoutMs)
  }

  private static func connectTCP(
    _ candidates: [Resolved], _ timeoutMs: Int32
  ) -> Result<Int32, ConnectError> {
    var last: Result<Int32, ConnectError> = .failure(
      ConnectError(description: "the host has no address"))
    for candidate in candidates {
      let descriptor = socket(candidate.family, flags, 0)
      guard descriptor >= 0 else { return failure(errno) }
      setNoDelay(descriptor)
      let status = unsafe withPointer(candidate) { unsafe Glibc.connect(descriptor, $0, $1) }
      last = finish(descriptor, status, timeoutMs)
      if case .success = last { return last }
    }
    return last
  }

  /// Waits for a connection that has begun.
  private static func finish(
    _ descriptor: Int32, _ status: Int32, _ timeoutMs: Int32
  ) -> Result<Int32, ConnectError> {
    if status == 0 { return .success(descriptor) }
    var number = errno
    if number == EINPROGRESS {
      var watched = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      if unsafe poll(&watched, 1, timeoutMs) == 0 {
        number = ETIMEDOUT
      } else {
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length)
        if number == 0 { return .success(descriptor) }
      }
    }
    close(descriptor)
    return failure(number)
  }

  private static func failure(_ number: Int32) -> Result<Int32, ConnectError> {
    .failure(ConnectError(description: SystemError(call: "", number: number).text))
  }
}
