import Glibc
import RPCWire

/// One end of a socket that does not block, and what came through it.
struct RawConnection: ~Copyable {
  private let descriptor: Int32
  private var received: [UInt8] = []
  /// Whether the other side has closed.
  private(set) var isClosed = false

  /// Bytes that still come before the first frame.
  private var preambleBytes: Int

  /// `preambleBytes`: what the other side sends before frames; a client sends its preamble.
  init(adopting descriptor: Int32, preambleBytes: Int = 0) {
    self.descriptor = descriptor
    self.preambleBytes = preambleBytes
  }

  deinit { close(descriptor) }

  /// Sends bytes as far as the other side takes them; what comes meanwhile is kept.
  mutating func send(_ bytes: UnsafeRawBufferPointer) throws {
    var sent = 0
    while sent < bytes.count, !isClosed {
      let count = Glibc.send(
        descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      if count > 0 {
        sent += count
      } else if count < 0, errno == EAGAIN {
        try receive(withinMs: 10_000)
      } else if count >= 0 || errno != EINTR {
        isClosed = true
      }
    }
  }

  mutating func send(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try send($0) }
  }

  /// Returns when the other side has taken all that was sent.
  func waitUntilRead() throws {
    let limit = ContinuousClock.now + .seconds(20)
    var left: Int32 = 0
    while ioctl(descriptor, UInt(TIOCOUTQ), &left) == 0, left > 0 {
      guard ContinuousClock.now < limit else { throw Broken("bytes are not read") }
      sched_yield()
    }
  }

  /// The next frame; nil: the other side closed, or says nothing for that long.
  mutating func nextFrame(withinMs limit: Int32) throws -> (FrameHeader, [UInt8])? {
    while received.count < preambleBytes {
      guard try receive(withinMs: limit) else { return nil }
    }
    received.removeFirst(preambleBytes)
    preambleBytes = 0
    while true {
      let step = received.withUnsafeBytes {
        FrameParser.next(in: $0, at: 0, maximumFrameBytes: 1 << 24)
      }
      switch step {
      case .frame(let header):
        let end = FrameHeader.byteCount + header.payloadBytes
        let payload = Array(received[FrameHeader.byteCount..<end])
        received.removeFirst(end)
        return (header, payload)
      case .tooLong, .tooShort: throw Broken("the server sends no frame: \(step)")
      case .incomplete: guard try receive(withinMs: limit) else { return nil }
      }
    }
  }

  /// Whether bytes or the end come in time.
  ///
  /// libFuzzer's alarm clock interrupts a wait, which then goes on.
  private func isReadable(withinMs limit: Int32) -> Bool {
    let end = ContinuousClock.now + .milliseconds(limit)
    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      let left = (end - ContinuousClock.now) / .milliseconds(1)
      let count = poll(&wait, 1, Int32(max(0, left.rounded(.up))))
      if count >= 0 || errno != EINTR { return count > 0 }
    }
  }

  @discardableResult
  private mutating func receive(withinMs limit: Int32) throws -> Bool {
    guard !isClosed else { return false }
    guard isReadable(withinMs: limit) else { return false }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    if count < 0, errno == EINTR { return true }
    guard count > 0 else {
      isClosed = true
      return false
    }
    received += chunk[..<count]
    return true
  }
}

extension FrameHeader {
  /// The bytes of a frame.
  func frame(_ payload: some Collection<UInt8>) -> [UInt8] {
    var header = self
    header.payloadBytes = payload.count
    var bytes = [UInt8](repeating: 0, count: Self.byteCount)
    bytes.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
    return bytes + payload
  }
}

/// The first bytes of a client without a token.
let clientGreeting: [UInt8] =
  FrameParser.preamble + FrameHeader(.hello).frame([8, 1, 16, 1])
