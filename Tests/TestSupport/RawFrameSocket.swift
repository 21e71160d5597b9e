import Glibc

/// A blocking socket that speaks, or misspeaks, the native protocol byte by byte.
///
/// One test uses it from one task; every wait has a limit.
public final class RawFrameSocket {
  private let descriptor: Int32
  private var received: [UInt8] = []

  /// Connects to `unix:PATH` or `tcp:127.0.0.1:PORT`.
  public init(_ address: String) throws {
    if address.hasPrefix("unix:") {
      descriptor = try connectUnix(String(address.dropFirst(5)))
    } else {
      let port = address.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
      descriptor = try connectLoopback(port: port)
    }
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
  }

  deinit { Glibc.close(descriptor) }

  /// Sends bytes, all of them; throws when the peer closed or takes nothing for a minute.
  public func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw SystemCallFailed("send") }
      sent += count
    }
  }

  /// Sends frames in one write.
  public func send(_ frames: RawFrame...) throws { try send(frames.flatMap(\.bytes)) }

  /// Sends the preamble and a HELLO with the token.
  public func sayHello(token: String, protocols: ClosedRange<UInt64> = 1...1) throws {
    let hello = RawMessage().number(1, protocols.lowerBound).number(2, protocols.upperBound)
      .text(3, token).text(4, "raw-frame-socket").text(5, "1")
    try send(RawFrame.preamble + RawFrame(.hello, hello.bytes).bytes)
  }

  /// The next frame; nil when the peer closed the connection.
  public func nextFrame() throws -> RawFrame? {
    while true {
      if let frame = RawFrame(from: &received) { return frame }
      guard try receive() else { return nil }
    }
  }

  /// The next frame of a kind, others skipped; nil when the peer closed the connection first.
  public func nextFrame(_ kind: RawFrame.Kind) throws -> RawFrame? {
    while let frame = try nextFrame() {
      if frame.kind == kind.rawValue { return frame }
    }
    return nil
  }

  /// Sends a CALL and returns its REPLY; nil when the peer closed the connection first.
  public func call(
    _ method: UInt16, id: UInt32, _ payload: [UInt8], deadlineMs: UInt32 = 10_000
  ) throws -> RawFrame? {
    try send(RawFrame(.call, number: method, call: id, time: deadlineMs, payload))
    while let frame = try nextFrame(.reply) {
      if frame.call == id { return frame }
    }
    return nil
  }

  /// Ends the sending side only.
  public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  private func receive() throws -> Bool {
    let room = 65_536
    let chunk = try [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      let got = recv(descriptor, buffer.baseAddress, room, 0)
      if got < 0, errno != ECONNRESET { throw SystemCallFailed("recv") }
      count = max(0, got)
    }
    received += chunk
    return !chunk.isEmpty
  }
}

private func connectUnix(_ path: String) throws -> Int32 {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let bytes = Array(path.utf8) + [0]
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes.prefix($0.count)) }
  return try connectStream(AF_UNIX, &address)
}

private func connectLoopback(port: UInt16) throws -> Int32 {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return try connectStream(AF_INET, &address)
}

private func connectStream<Address>(_ family: Int32, _ address: inout Address) throws -> Int32 {
  let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  guard descriptor >= 0 else { throw SystemCallFailed("socket") }
  let size = socklen_t(MemoryLayout<Address>.size)
  let failed = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) != 0 }
  }
  if failed {
    let number = errno
    close(descriptor)
    throw SystemCallFailed("connect", number: number)
  }
  return descriptor
}
