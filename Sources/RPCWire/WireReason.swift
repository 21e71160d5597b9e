/// The reasons that the wire itself gives, in failed replies and in GOAWAY.
///
/// Services add theirs.
public enum WireReason {
  /// A frame's length is above the limit.
  public static let frameTooLong = "FRAME_TOO_LONG"
  /// A frame's length is below the 12 bytes of the rest of its header.
  public static let frameTooShort = "FRAME_TOO_SHORT"
  /// A reserved bit of a frame's flags is set.
  public static let flagsReserved = "FLAGS_RESERVED"
  /// The first bytes are not `IMRPC/1` and a line feed.
  public static let preambleInvalid = "PREAMBLE_INVALID"
  /// Another frame came before HELLO.
  public static let helloMissing = "HELLO_MISSING"
  /// HELLO did not come in time.
  public static let helloTimeout = "HELLO_TIMEOUT"
  /// HELLO came a second time.
  public static let helloRepeated = "HELLO_REPEATED"
  /// No version of the protocol is known to both sides.
  public static let protocolUnsupported = "PROTOCOL_UNSUPPORTED"
  /// A call's id is 0 or not above the one before.
  public static let callIDInvalid = "CALL_ID_INVALID"
  /// More calls are open on the connection than its limit.
  public static let tooManyCalls = "TOO_MANY_CALLS"
  /// More connections are open than the server's limit.
  public static let tooManyConnections = "TOO_MANY_CONNECTIONS"
  /// No method has that number.
  public static let methodUnknown = "METHOD_UNKNOWN"
  /// The payload is not a message of the method's type.
  public static let payloadInvalid = "PAYLOAD_INVALID"
  /// The call's deadline passed before its reply.
  public static let deadlineExceeded = "DEADLINE_EXCEEDED"
  /// The caller cancelled the call.
  public static let callCancelled = "CALL_CANCELLED"
  /// The peer was silent for three keepalive intervals, or a frame that it began is not whole in
  /// the time for its length.
  public static let keepaliveTimeout = "KEEPALIVE_TIMEOUT"
  /// The peer does not read what is sent to it.
  public static let slowReader = "SLOW_READER"
  /// The caller's connections, or all together, hold more memory than the server gives them.
  public static let buffersFull = "BUFFERS_FULL"
  /// The server is going away.
  public static let shuttingDown = "SHUTTING_DOWN"
  /// The token is not one that the server knows.
  public static let tokenInvalid = "TOKEN_INVALID"
  /// A token is needed here and none came.
  public static let tokenMissing = "TOKEN_MISSING"
  /// The token was valid once and is not any more.
  public static let tokenRevoked = "TOKEN_REVOKED"
  /// The token does not work, and so many from there did not that it is not said why.
  public static let tooManyFailedLogins = "TOO_MANY_FAILED_LOGINS"
  /// The connection ended before the reply; whether the call was done is not known.
  public static let connectionLost = "CONNECTION_LOST"
  /// No connection to the server could be made.
  public static let serverUnreachable = "SERVER_UNREACHABLE"
  /// The reply is longer than a frame may be.
  public static let replyTooLong = "REPLY_TOO_LONG"
  /// The server broke one of its own rules.
  public static let internalError = "INTERNAL"
}

extension StatusCode {
  /// The code that a GOAWAY's reason stands for, as PROTOCOL section 6 lists them; UNAVAILABLE for
  /// reasons that this version does not know.
  public init(wireReason: String) {
    self =
      switch wireReason {
      case WireReason.tokenInvalid, WireReason.tokenMissing, WireReason.tokenRevoked,
        WireReason.tooManyFailedLogins:
        .unauthenticated
      case WireReason.tooManyConnections, WireReason.slowReader, WireReason.frameTooLong,
        WireReason.buffersFull:
        .resourceExhausted
      case WireReason.preambleInvalid, WireReason.frameTooShort, WireReason.flagsReserved,
        WireReason.callIDInvalid, WireReason.payloadInvalid:
        .invalidArgument
      case WireReason.helloMissing, WireReason.helloRepeated, WireReason.protocolUnsupported:
        .failedPrecondition
      case WireReason.helloTimeout: .deadlineExceeded
      default: .unavailable
      }
  }
}
