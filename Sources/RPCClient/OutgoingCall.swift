import ProtobufRuntime
import RPCWire

/// A call that is about to be sent.
struct OutgoingCall: Sendable {
  var methodID: UInt16
  /// The frame's time field.
  var deadlineMs: UInt32
  /// What the receiver knows the call by.
  var tag: UInt64
  /// What names the call until it has an id; 0 when it gets its id at once.
  var ticket: UInt64
  /// Messages of a stream that the server may send at first; 0: no stream.
  var window: UInt32
  var receiver: any CallReceiver

  init(
    _ methodID: UInt16, deadlineMs: UInt32, receiver: any CallReceiver, tag: UInt64 = 0,
    window: UInt32 = 0
  ) {
    self.methodID = methodID
    self.deadlineMs = deadlineMs
    self.tag = tag
    self.ticket = 0
    self.window = window
    self.receiver = receiver
  }
}

/// What a call sends: bytes, or a message that is encoded in the connection's output itself.
enum OutgoingPayload {
  case bytes([UInt8])
  case message(MessageReference)

  var byteCount: Int {
    switch self {
    case .bytes(let bytes): bytes.count
    case .message(let message): message.encodedByteCount
    }
  }

  /// Writes the payload to memory that has room for its `byteCount`.
  @unsafe
  func write(to target: UnsafeMutableRawPointer, byteCount: Int) {
    switch self {
    case .bytes(let bytes):
      unsafe bytes.withUnsafeBytes { source in
        guard let start = source.baseAddress else { return }
        unsafe target.copyMemory(from: start, byteCount: source.count)
      }
    case .message(let message):
      _ = unsafe message.encode(
        into: UnsafeMutableRawBufferPointer(start: target, count: byteCount))
    }
  }
}

/// Names a call that was started in the callback form, to cancel it.
public struct CallTicket: Sendable, Hashable {
  /// A number given before the call had an id, or, with the highest bit, the id itself.
  let number: UInt64

  private static let isCallID: UInt64 = 1 << 63

  init(number: UInt64) {
    self.number = number
  }

  /// Names a call that has its id; 0 names none.
  init(callID: UInt32) {
    number = Self.isCallID | UInt64(callID)
  }

  /// The id, if the call had it when the ticket was made.
  var callID: UInt32? {
    number & Self.isCallID == 0 ? nil : UInt32(truncatingIfNeeded: number)
  }
}
