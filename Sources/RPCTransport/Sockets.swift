import CSystemShims
import Glibc
import RPCWire

/// Sockets of the two kinds that the protocol runs on; one function per step.
public enum Sockets {
  static let flags = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

  /// Replies are written whole, so waiting for more to send (Nagle) would only delay them.
  static func setNoDelay(_ descriptor: Int32) {
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
  }

  static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32) {
    var one: Int32 = 1
    _ = unsafe setsockopt(descriptor, level, name, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  static func withUnixAddress<Result>(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
      // ListenAddress bounds the path, and the field began as zeros.
      unsafe field.copyBytes(from: path.utf8.prefix(ListenAddress.maximumPathBytes))
    }
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  /// One address of a TCP host.
  struct Resolved {
    var storage: sockaddr_storage
    var length: socklen_t
    var family: Int32
  }

  /// The addresses of a TCP host; may ask the network's name servers, and so may block.
  static func resolve(
    host: String, port: UInt16, passive: Bool
  ) -> Result<[Resolved], AddressFailure> {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = passive ? AI_PASSIVE | AI_NUMERICSERV : AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let status = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard status == 0 else {
      return .failure(AddressFailure(description: unsafe String(cString: gai_strerror(status))))
    }
    defer { unsafe freeaddrinfo(list) }
    var found: [Resolved] = []
    var entry = unsafe list
    while let info = unsafe entry {
      var storage = sockaddr_storage()
      let length = unsafe min(Int(info.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
      unsafe withUnsafeMutableBytes(of: &storage) {
        unsafe $0.copyMemory(
          from: UnsafeRawBufferPointer(start: info.pointee.ai_addr, count: length))
      }
      found.append(
        Resolved(
          storage: storage, length: socklen_t(length), family: unsafe info.pointee.ai_family))
      unsafe entry = info.pointee.ai_next
    }
    return .success(found)
  }

  /// A name that has no address.
  struct AddressFailure: Error {
    var description: String
  }

  static func withPointer<Result>(
    _ resolved: Resolved, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    unsafe withUnsafePointer(to: resolved.storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, resolved.length)
      }
    }
  }

  /// The address and port of a socket's own or of its peer's end.
  static func name(
    of descriptor: Int32,
    _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> (host: String, port: UInt16)? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe call(descriptor, $0, &length)
      }
    }
    guard status == 0 else { return nil }
    let family = Int32(storage.ss_family)
    return unsafe withUnsafeBytes(of: &storage) { unsafe text(of: $0, family: family) }
  }

  private static func text(
    of bytes: UnsafeRawBufferPointer, family: Int32
  ) -> (host: String, port: UInt16)? {
    // sockaddr_in and sockaddr_in6 both keep the port at 2; the addresses stand at 4 and at 8.
    let port = unsafe UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
    let offset = family == AF_INET ? 4 : 8
    guard family == AF_INET || family == AF_INET6 else { return nil }
    var characters = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let made = unsafe inet_ntop(
      family, bytes.baseAddress! + offset, &characters, socklen_t(characters.count))
    guard unsafe made != nil else { return nil }
    let host = characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return (String(decoding: host, as: UTF8.self), port)
  }

  /// Who is at the other end of a connected socket.
  public static func peer(of descriptor: Int32) -> PeerAddress {
    if let (host, port) = unsafe name(of: descriptor, { unsafe getpeername($0, $1, $2) }) {
      return .tcp(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
    }
    var user: UInt32 = 0
    var process: Int32 = 0
    guard unsafe shim_peer_credentials(descriptor, &user, &process) == 0 else {
      return .tcp("unknown")
    }
    return .unix(userID: user, processID: process)
  }
}
