/// The kinds of frames; the table stands in `Protos/PROTOCOL.md`, section 2.
public enum FrameKind: UInt8, Sendable, Hashable, CaseIterable {
  /// First frame of each side.
  case hello = 1
  /// Starts a call.
  case call = 2
  /// Ends a call.
  case reply = 3
  /// One item of a server stream.
  case message = 4
  /// The client ends a call.
  case cancel = 5
  /// Asks whether the peer lives.
  case ping = 6
  /// Answers a ping.
  case pong = 7
  /// The sender takes no new calls.
  case goAway = 8
  /// How many more messages a stream may send.
  case credit = 9
}

/// The 16 bytes in front of each payload.
///
/// All integers on the wire are big-endian.
@frozen
public struct FrameHeader: Hashable, Sendable {
  /// Bytes of the payload: the length field less the 12 bytes of the header behind it.
  public var payloadBytes: Int
  /// The kind as it came; `FrameKind` knows some of them.
  public var kind: UInt8
  /// Reserved, 0 now.
  public var flags: UInt8
  /// CALL: the method; REPLY: the status code.
  public var number: UInt16
  /// The call; 0 is the connection itself.
  public var call: UInt32
  /// CALL: what is left of the deadline in milliseconds, 0 for none; CREDIT: how many more.
  public var time: UInt32

  /// Bytes of a header.
  public static let byteCount = 16
  /// Bytes of a header that its length field counts.
  public static let countedBytes = 12

  /// Makes the header of a frame that is to be sent.
  @inlinable
  public init(
    _ kind: FrameKind, number: UInt16 = 0, call: UInt32 = 0, time: UInt32 = 0,
    payloadBytes: Int = 0
  ) {
    self.payloadBytes = payloadBytes
    self.kind = kind.rawValue
    self.flags = 0
    self.number = number
    self.call = call
    self.time = time
  }

  /// Reads a header from 16 bytes whose length field is at least 12.
  @inlinable
  @unsafe
  public init(reading bytes: UnsafeRawPointer) {
    let length = unsafe UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
    payloadBytes = Int(length) - Self.countedBytes
    kind = unsafe bytes.load(fromByteOffset: 4, as: UInt8.self)
    flags = unsafe bytes.load(fromByteOffset: 5, as: UInt8.self)
    number = unsafe UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
    call = unsafe UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    time = unsafe UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
  }

  /// Writes the header to 16 bytes of memory.
  @inlinable
  @unsafe
  public func write(to bytes: UnsafeMutableRawPointer) {
    let length = UInt32(payloadBytes + Self.countedBytes)
    unsafe bytes.storeBytes(of: length.bigEndian, as: UInt32.self)
    unsafe bytes.storeBytes(of: kind, toByteOffset: 4, as: UInt8.self)
    unsafe bytes.storeBytes(of: flags, toByteOffset: 5, as: UInt8.self)
    unsafe bytes.storeBytes(of: number.bigEndian, toByteOffset: 6, as: UInt16.self)
    unsafe bytes.storeBytes(of: call.bigEndian, toByteOffset: 8, as: UInt32.self)
    unsafe bytes.storeBytes(of: time.bigEndian, toByteOffset: 12, as: UInt32.self)
  }
}

/// What stands at a place in a stream of bytes.
@frozen
public enum FrameStep: Hashable, Sendable {
  /// A whole frame: its payload follows the header.
  case frame(FrameHeader)
  /// The frame's end has not come yet.
  case incomplete
  /// The length field is above the limit.
  case tooLong(UInt32)
  /// The length field does not even cover the rest of the header.
  case tooShort(UInt32)
}

/// Cuts a stream of bytes into frames.
public enum FrameParser {
  /// What a native client sends first.
  public static let preamble: [UInt8] = Array("IMRPC/1\n".utf8)

  /// The frame at `offset`.
  ///
  /// A bad length is told as soon as its 4 bytes are there.
  @inlinable
  @unsafe
  public static func next(
    in bytes: UnsafeRawBufferPointer, at offset: Int, maximumFrameBytes: Int
  ) -> FrameStep {
    let available = bytes.count - offset
    guard available >= 4 else { return .incomplete }
    let start = unsafe bytes.baseAddress.unsafelyUnwrapped + offset
    let length = unsafe UInt32(bigEndian: start.loadUnaligned(as: UInt32.self))
    guard length >= UInt32(FrameHeader.countedBytes) else { return .tooShort(length) }
    guard Int(length) <= maximumFrameBytes else { return .tooLong(length) }
    #if PLANTED_LENGTH_OFF_BY_ONE
      guard available - 4 >= Int(length) - 1 else { return .incomplete }
    #else
      guard available - 4 >= Int(length) else { return .incomplete }
    #endif
    return .frame(unsafe FrameHeader(reading: start))
  }

  /// How long the frame is that begins with `bytes`, its length field counted; nil while that is
  /// not there.
  @unsafe
  public static func frameBytes(beginningWith bytes: UnsafeRawBufferPointer) -> Int? {
    guard bytes.count >= 4, let start = bytes.baseAddress else { return nil }
    return unsafe Int(UInt32(bigEndian: start.loadUnaligned(as: UInt32.self))) + 4
  }

  /// How the first bytes of a connection compare with the preamble.
  public enum PreambleStep: Hashable, Sendable {
    /// The whole preamble is there.
    case matched
    /// What is there agrees so far.
    case incomplete
    /// It is something else.
    case different
  }

  /// Compares the first bytes of a connection with the preamble, as far as they go.
  public static func matchPreamble(_ bytes: some Sequence<UInt8>) -> PreambleStep {
    var count = 0
    for byte in bytes {
      if byte != preamble[count] { return .different }
      count += 1
      if count == preamble.count { return .matched }
    }
    return .incomplete
  }
}
