import ProtobufRuntime
import RPCTransport
import RPCWire

/// Answers for many calls, collected on any thread and handed over with one hop per reactor.
///
/// One thread at a time fills a batch. Answers to calls that are over by then are dropped.
public struct ReplyBatch {
  // As many as the process has reactors that these calls came on: one or two.
  private var parcels: [(reactor: UInt16, parcel: ReplyParcel)] = []

  /// Makes an empty batch.
  public init() {}

  /// Adds an answer of at most `capacity` bytes that `pack` writes in place and counts.
  public mutating func reply(
    _ token: CallToken, capacity: Int, _ pack: (UnsafeMutableRawBufferPointer) -> Int
  ) {
    unsafe parcel(for: token).append(token, code: .ok, capacity: capacity, pack)
  }

  /// Adds an answer that lies in an arena; it is encoded in place.
  public mutating func reply(_ token: CallToken, _ message: MessageReference) {
    parcel(for: token).append(token, message)
  }

  /// Adds an answer with a whole payload.
  public mutating func reply(_ token: CallToken, bytes: [UInt8]) {
    add(token, code: .ok, bytes)
  }

  /// Adds an error.
  public mutating func fail(_ token: CallToken, _ error: RPCError) {
    add(token, code: error.code, StatusPayload.make(error))
  }

  /// Hands all answers to their reactors; the batch is empty afterwards.
  public mutating func flush() {
    for (index, parcel) in parcels {
      guard let reactor = ReactorRegistry.reactor(index) else { continue }
      if reactor.isCurrent {
        reactor.withCurrent { parcel.deliver(0..<parcel.count, on: $0) }
      } else {
        parcel.post(to: reactor)
      }
    }
    parcels.removeAll()
  }

  private mutating func add(_ token: CallToken, code: StatusCode, _ bytes: [UInt8]) {
    unsafe parcel(for: token).append(token, code: code, capacity: bytes.count) { target in
      unsafe target.copyBytes(from: bytes)
      return bytes.count
    }
  }

  private mutating func parcel(for token: CallToken) -> ReplyParcel {
    let index = UInt16(truncatingIfNeeded: token.connectionBits >> 48)
    for (reactor, parcel) in parcels where reactor == index { return parcel }
    let parcel = ReplyParcel()
    parcels.append((index, parcel))
    return parcel
  }
}

extension ReplyBatch {
  /// Adds an answer.
  @inlinable
  public mutating func reply<Response: ProtobufMessage>(
    _ token: CallToken, _ response: Response
  ) {
    reply(token, bytes: response.serializedBytes())
  }

  /// Adds an answer that lies in an arena; it is encoded in place.
  @inlinable
  public mutating func reply<View: ProtobufView>(_ token: CallToken, _ view: View) {
    reply(token, view.reference)
  }
}

extension FrameHeader {
  /// Room for the payloads of most answers: these are encoded without being counted before.
  static let likelyPayloadBytes = 512
}

/// Whole frames for the calls of one reactor, in one piece of memory.
@safe
final class ReplyParcel: @unchecked Sendable {
  // One owner at a time: the batch that fills it until `flush`, its reactor from then on.
  private struct Entry {
    var token: CallToken
    var start: Int
    var count: Int
  }

  /// Answers that are delivered at once: 0.1 ms.
  private static let piece = 256

  private var entries: ContiguousArray<Entry> = []
  private var memory = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 16)
  private var capacity = 4096
  private var used = 0

  deinit {
    unsafe memory.deallocate()
  }

  func append(
    _ token: CallToken, code: StatusCode, capacity payloadCapacity: Int,
    _ pack: (UnsafeMutableRawBufferPointer) -> Int
  ) {
    let count = unsafe pack(reserve(payloadCapacity))
    precondition(count >= 0 && count <= payloadCapacity, "more bytes packed than reserved")
    finish(token, code, count)
  }

  func append(_ token: CallToken, _ message: MessageReference) {
    if let count = unsafe message.encodeIfFits(into: reserve(FrameHeader.likelyPayloadBytes)) {
      finish(token, .ok, count)
    } else {
      let count = message.encodedByteCount
      finish(token, .ok, unsafe message.encode(into: reserve(count)))
    }
  }

  /// A place for the next frame's payload.
  private func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer {
    let most = FrameHeader.byteCount + count
    if capacity - used < most { grow(by: most) }
    return unsafe UnsafeMutableRawBufferPointer(
      start: memory + used + FrameHeader.byteCount, count: count)
  }

  /// Puts the header before the payload that was written to the reserved place.
  private func finish(_ token: CallToken, _ code: StatusCode, _ count: Int) {
    unsafe FrameHeader(
      .reply, number: code.rawValue, call: token.callID, payloadBytes: count
    ).write(to: memory + used)
    entries.append(Entry(token: token, start: used, count: FrameHeader.byteCount + count))
    used += FrameHeader.byteCount + count
  }

  /// How many answers there are.
  var count: Int { entries.count }

  /// Hands itself over in pieces, so that the reactor can do other work among thousands of answers.
  func post(to reactor: Reactor) {
    for start in stride(from: 0, to: entries.count, by: Self.piece) {
      let range = start..<min(start + Self.piece, entries.count)
      reactor.post { self.deliver(range, on: $0) }
    }
  }

  func deliver(_ range: Range<Int>, on reactor: isolated Reactor) {
    for entry in entries[range] {
      guard let connection = ServerConnection.find(entry.token, on: reactor) else {
        ServerConnection.answeredLate(entry.token, on: reactor)
        continue
      }
      let frame = unsafe UnsafeRawBufferPointer(start: memory + entry.start, count: entry.count)
      unsafe connection.replyFramed(entry.token.callID, frame, on: reactor)
    }
  }

  private func grow(by count: Int) {
    let larger = max(capacity * 2, used + count)
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
    unsafe fresh.copyMemory(from: memory, byteCount: used)
    unsafe memory.deallocate()
    unsafe memory = fresh
    capacity = larger
  }
}
