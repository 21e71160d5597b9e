import CSystemShims
import Glibc
import RPCWire

/// A socket that accepts, and the address that it got.
public struct ListeningSocket: Sendable {
  /// The non-blocking descriptor; whoever holds this owns it.
  public let descriptor: Int32
  /// The address, with the port that the kernel chose.
  public let address: ListenAddress
}

/// Why an address cannot be listened on: a sentence for the person who starts the server.
public struct ListenError: Error, Sendable, CustomStringConvertible {
  /// What was tried, what stood in the way, what to do.
  public let description: String
}

extension Sockets {
  /// Connections that may wait to be accepted; the kernel cuts it to its own limit.
  static let backlog: Int32 = 4096

  /// Makes a listening socket.
  ///
  /// A Unix socket's file gets `fileMode`; one that a dead server left is replaced, one in use is
  /// not.
  public static func listen(
    on address: ListenAddress, fileMode: UInt32
  ) throws(ListenError) -> ListeningSocket {
    switch address {
    case .unix(let path): try listenUnix(path, fileMode: fileMode)
    case .tcp(let host, let port): try listenTCP(host, port)
    }
  }

  private static func failure(_ address: ListenAddress, _ advice: String) -> ListenError {
    ListenError(description: "cannot listen on \(address): \(advice)")
  }

  private static func systemText(_ number: Int32) -> String {
    SystemError(call: "", number: number).text
  }

  // MARK: Unix

  private static func listenUnix(
    _ path: String, fileMode: UInt32
  ) throws(ListenError) -> ListeningSocket {
    let address = ListenAddress.unix(path: path)
    guard path.utf8.count <= ListenAddress.maximumPathBytes else {
      throw failure(
        address,
        "the path has \(path.utf8.count) bytes, and a Unix socket's may have at most "
          + "\(ListenAddress.maximumPathBytes); choose a shorter one")
    }
    let descriptor = socket(AF_UNIX, flags, 0)
    guard descriptor >= 0 else { throw failure(address, systemText(errno)) }
    do throws(ListenError) {
      try bindUnix(descriptor, path, address)
    } catch {
      close(descriptor)
      throw error
    }
    guard unsafe chmod(path, mode_t(fileMode)) == 0, Glibc.listen(descriptor, backlog) == 0 else {
      let number = errno
      close(descriptor)
      throw failure(address, systemText(number))
    }
    return ListeningSocket(descriptor: descriptor, address: address)
  }

  private static func bindUnix(
    _ descriptor: Int32, _ path: String, _ address: ListenAddress
  ) throws(ListenError) {
    let bound = unsafe withUnixAddress(path) { unsafe bind(descriptor, $0, $1) }
    if bound == 0 { return }
    guard errno == EADDRINUSE else {
      throw failure(address, "\(systemText(errno)); does its directory exist, may you write there?")
    }
    try removeStaleSocket(path, address)
    guard unsafe withUnixAddress(path, { unsafe bind(descriptor, $0, $1) }) == 0 else {
      throw failure(address, systemText(errno))
    }
  }

  private static func removeStaleSocket(
    _ path: String, _ address: ListenAddress
  ) throws(ListenError) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw failure(address, "a file that is no socket is there; remove it or choose another path")
    }
    let probe = socket(AF_UNIX, flags, 0)
    guard probe >= 0 else { throw failure(address, systemText(errno)) }
    defer { close(probe) }
    let connected = unsafe withUnixAddress(path) { unsafe Glibc.connect(probe, $0, $1) }
    // EAGAIN: somebody listens, with a full backlog (unix(7)).
    if connected == 0 || errno == EAGAIN {
      throw failure(address, "another server is running there; stop it or choose another path")
    }
    guard errno == ECONNREFUSED else { throw failure(address, systemText(errno)) }
    guard unsafe unlink(path) == 0 else {
      throw failure(
        address,
        "the socket that an earlier server left cannot be removed: "
          + systemText(errno))
    }
  }

  // MARK: TCP

  private static func listenTCP(
    _ host: String, _ port: UInt16
  ) throws(ListenError) -> ListeningSocket {
    let address = ListenAddress.tcp(host: host, port: port)
    let candidates: [Resolved]
    switch resolve(host: host, port: port, passive: true) {
    case .failure(let error): throw failure(address, "host '\(host)': \(error.description)")
    case .success(let found): candidates = found
    }
    guard let first = candidates.first else { throw failure(address, "the host has no address") }
    let descriptor = socket(first.family, flags, 0)
    guard descriptor >= 0 else { throw failure(address, systemText(errno)) }
    setOption(descriptor, SOL_SOCKET, SO_REUSEADDR)
    let bound = unsafe withPointer(first) { unsafe bind(descriptor, $0, $1) }
    guard bound == 0, Glibc.listen(descriptor, backlog) == 0 else {
      let number = errno
      close(descriptor)
      throw failure(address, advice(number, port))
    }
    let chosen = unsafe name(of: descriptor) { unsafe getsockname($0, $1, $2) }
    return ListeningSocket(
      descriptor: descriptor, address: .tcp(host: host, port: chosen?.port ?? port))
  }

  private static func advice(_ number: Int32, _ port: UInt16) -> String {
    switch number {
    case EADDRINUSE: "port \(port) is in use; stop the program that has it or choose another port"
    case EACCES: "port \(port) needs privileges; choose one above 1023"
    case EADDRNOTAVAIL: "the address belongs to no interface of this machine"
    default: systemText(number)
    }
  }
}
