/// One frame of the native protocol, as PROTOCOL.md describes it; made without the library's codec.
public struct RawFrame: Equatable, Sendable {
  /// HELLO, CALL and the others by their number.
  public enum Kind: UInt8, Sendable {
    case hello = 1
    case call = 2
    case reply = 3
    case message = 4
    case cancel = 5
    case ping = 6
    case pong = 7
    case goAway = 8
    case credit = 9
  }

  /// The 8 bytes that open a connection.
  public static let preamble = Array("IMRPC/1\n".utf8)

  /// The kind's number, which may be one that nobody knows.
  public var kind: UInt8
  /// The flags.
  public var flags: UInt8
  /// The method of a CALL, the status code of a REPLY.
  public var number: UInt16
  /// The call's id.
  public var call: UInt32
  /// A CALL's deadline in milliseconds, or a CREDIT's messages.
  public var time: UInt32
  /// The payload.
  public var payload: [UInt8]

  /// Makes a frame.
  public init(
    _ kind: Kind, number: UInt16 = 0, call: UInt32 = 0, time: UInt32 = 0, _ payload: [UInt8] = []
  ) {
    self.init(kind: kind.rawValue, number: number, call: call, time: time, payload: payload)
  }

  /// Makes a frame of any kind, known or not.
  public init(
    kind: UInt8, flags: UInt8 = 0, number: UInt16 = 0, call: UInt32 = 0, time: UInt32 = 0,
    payload: [UInt8] = []
  ) {
    self.kind = kind
    self.flags = flags
    self.number = number
    self.call = call
    self.time = time
    self.payload = payload
  }

  /// Header and payload.
  public var bytes: [UInt8] {
    bigEndian(UInt32(12 + payload.count)) + [kind, flags] + bigEndian(number)
      + bigEndian(call) + bigEndian(time) + payload
  }

  /// Reads a frame from the front of `bytes`; nil while it is not whole.
  public init?(from bytes: inout [UInt8]) {
    guard bytes.count >= 16 else { return nil }
    let length = Int(UInt32(bigEndian: bytes[0..<4]))
    guard length >= 12, bytes.count >= 4 + length else { return nil }
    self.init(
      kind: bytes[4], flags: bytes[5], number: UInt16(bigEndian: bytes[6..<8]),
      call: UInt32(bigEndian: bytes[8..<12]), time: UInt32(bigEndian: bytes[12..<16]),
      payload: Array(bytes[16..<(4 + length)]))
    bytes.removeFirst(4 + length)
  }
}

private func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

extension FixedWidthInteger {
  fileprivate init(bigEndian bytes: ArraySlice<UInt8>) {
    self = bytes.reduce(0) { ($0 << 8) | Self($1) }
  }
}
