/// Why this side ends a connection: what its GOAWAY says.
public enum CloseCause: Hashable, Sendable {
  /// The first bytes are not the preamble.
  case preambleInvalid
  /// A length field above the limit.
  case frameTooLong(bytes: UInt32, limit: Int)
  /// A length field below 12.
  case frameTooShort(bytes: UInt32)
  /// A reserved flag.
  case flagsReserved(UInt8)
  /// Another frame before HELLO.
  case helloMissing(kind: UInt8)
  /// HELLO did not come in time.
  case helloTimeout(milliseconds: Int64)
  /// A second HELLO.
  case helloRepeated
  /// HELLO's payload is no ClientHello or ServerHello.
  case helloInvalid
  /// No version in common.
  case protocolUnsupported(minimum: UInt32, maximum: UInt32)
  /// A call id of 0 or not above the last one.
  case callIDInvalid(id: UInt32, last: UInt32)
  /// The credential was refused, or is no longer good.
  case credential(reason: String, message: String)
  /// More connections than the server takes.
  case tooManyConnections(limit: Int)
  /// No descriptor was left for the connection.
  case outOfDescriptors
  /// Silence for three keepalive intervals.
  case keepaliveTimeout(milliseconds: Int64)
  /// Too much waits to be read by the peer.
  case slowReader(bytes: Int)
  /// A frame began and is not whole in the time for its length.
  case frameTimeout(bytes: Int, came: Int, milliseconds: Int64)
  /// Its caller's connections, or all together, hold more than they may.
  case buffersFull(bytes: Int, callerBytes: Int, limit: Int)
  /// This side stops.
  case shuttingDown

  /// The stable word.
  public var reason: String {
    switch self {
    case .preambleInvalid: WireReason.preambleInvalid
    case .frameTooLong: WireReason.frameTooLong
    case .frameTooShort: WireReason.frameTooShort
    case .flagsReserved: WireReason.flagsReserved
    case .helloMissing: WireReason.helloMissing
    case .helloTimeout: WireReason.helloTimeout
    case .helloRepeated: WireReason.helloRepeated
    case .helloInvalid: WireReason.payloadInvalid
    case .protocolUnsupported: WireReason.protocolUnsupported
    case .callIDInvalid: WireReason.callIDInvalid
    case .credential(let reason, _): reason
    case .tooManyConnections, .outOfDescriptors: WireReason.tooManyConnections
    case .keepaliveTimeout, .frameTimeout: WireReason.keepaliveTimeout
    case .slowReader: WireReason.slowReader
    case .buffersFull: WireReason.buffersFull
    case .shuttingDown: WireReason.shuttingDown
    }
  }

  /// What was expected, what came, which limit.
  public var message: String {
    switch self {
    case .preambleInvalid:
      "the first 8 bytes must be IMRPC/1 and a line feed; another protocol came"
    case .frameTooLong(let bytes, let limit):
      "a frame of \(bytes) bytes came; the limit is \(limit)"
    case .frameTooShort(let bytes):
      "a frame's length is \(bytes); at least 12 bytes of header follow it"
    case .flagsReserved(let flags): "flags must be 0; \(flags) came"
    case .helloMissing(let kind): "the first frame must be HELLO (1); kind \(kind) came"
    case .helloTimeout(let milliseconds): "no whole HELLO came within \(milliseconds) ms"
    case .helloRepeated: "HELLO came a second time"
    case .helloInvalid: "HELLO's payload is not a valid message"
    case .protocolUnsupported(let minimum, let maximum):
      "this side speaks protocol version 1; versions \(minimum) to \(maximum) were offered"
    case .callIDInvalid(let id, let last):
      "call ids start at 1 and increase; \(id) came after \(last)"
    case .credential(_, let message): message
    case .tooManyConnections(let limit):
      "the server serves at most \(limit) connections; try again later"
    case .outOfDescriptors: "the server has no descriptor left for a connection; try again later"
    case .keepaliveTimeout(let milliseconds): "no byte came for \(milliseconds) ms"
    case .slowReader(let bytes): "\(bytes) bytes wait to be read"
    case .frameTimeout(let bytes, let came, let milliseconds):
      "a frame of \(bytes) bytes must come within \(milliseconds) ms, and \(came) of them have "
        + "come; connect again and send it without pauses"
    case .buffersFull(let bytes, let callerBytes, let limit):
      "this connection holds \(bytes) bytes of frames and answers under way, those of its caller "
        + "\(callerBytes); one caller may hold \(limit / 2), all together \(limit): have fewer "
        + "under way at once, and try again later"
    case .shuttingDown: "the server is shutting down; connect again later"
    }
  }
}
