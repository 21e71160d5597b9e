import IntegrationAPI
import Testing

@testable import ProtobufRuntime

/// A message of single fields is read in one pass, any other by a scan and protobuf-c.
///
/// An unknown
/// field in front of it, which changes nothing else, sends a message the other way.
@Suite struct TwoWaysTests {
  private static let unknown: [UInt8] = [0xa0, 0x06, 0]

  private func expectSame<Message: ProtobufMessage>(_: Message.Type, _ bytes: [UInt8]) {
    let direct = Result { () throws(DecodingError) in try Message(serializedBytes: bytes) }
    let other = Result { () throws(DecodingError) in
      var message = try Message(serializedBytes: Self.unknown + bytes)
      message.unknownFields.fields.removeFirst()
      return message
    }
    switch (direct, other) {
    case (.success(let one), .success(let two)): #expect(one == two, "\(bytes)")
    case (.failure(let one), .failure(let two)):
      #expect(one.kind == two.kind, "\(bytes)")
      #expect(one.field == two.field, "\(bytes)")
      #expect(one.offset + Self.unknown.count == two.offset, "\(bytes)")
      #expect(one.description == two.description, "\(bytes)")
    case (.success, .failure), (.failure, .success): Issue.record("\(bytes): \(direct), \(other)")
    }
  }

  private var reply: HeartbeatResponse {
    var reply = HeartbeatResponse()
    reply.serverTime = Timestamp(seconds: 1_750_000_000, nanos: 999)
    reply.nextHeartbeatMs = 10_000
    return reply
  }

  private var report: ReportLogRequest {
    var request = Samples.report
    // Lists and maps go the other way in any case.
    request.report?.errors = []
    request.report?.labels = [:]
    return request
  }

  @Test("Whole, cut at each byte, and with each bit flipped")
  func same() {
    let messages = [reply.serializedBytes(), report.serializedBytes()]
    for bytes in messages {
      for count in 0...bytes.count {
        expectSame(HeartbeatResponse.self, Array(bytes.prefix(count)))
        expectSame(ReportLogRequest.self, Array(bytes.prefix(count)))
      }
      for bit in 0..<(bytes.count * 8) {
        var flipped = bytes
        flipped[bit / 8] ^= 1 << UInt8(bit % 8)
        expectSame(HeartbeatResponse.self, flipped)
        expectSame(ReportLogRequest.self, flipped)
        expectSame(HeartbeatRequest.self, flipped)
      }
    }
  }

  @Test(
    "Numbers and lengths of more bytes than they need, and of bits beyond their width",
    arguments: [
      Wire.field(3, UInt64.max), Wire.field(9, UInt64.max), Wire.field(3, 1 << 32),
      [0x18, 0x81, 0x80, 0x00], [0x98, 0x80, 0x80, 0x80, 0x00, 1],
      [0x98, 0x80, 0x80, 0x80, 0x80, 0x00, 1], [0x0a, 0x81, 0x80, 0x80, 0x80, 0x00, 0x61],
      [0x0a, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 0x61],
      [0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
      [0x12, 12, 0x70, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
      Wire.field(1, "") + Wire.field(1, "a") + Wire.field(1, ""),
    ] as [[UInt8]])
  func unusual(_ bytes: [UInt8]) {
    expectSame(HeartbeatRequest.self, bytes)
    expectSame(ReportLogRequest.self, bytes)
  }
}
