import IntegrationAPI
import ProtobufRuntime
import Testing

/// Bytes that are no message, and what must be said about them.
struct BadBytes: CustomTestStringConvertible, Sendable {
  var name: String
  var kind: DecodingError.Kind
  var field = ""
  var bytes: [UInt8]

  var testDescription: String { name }

  /// A ReportLogRequest whose entity has these bytes.
  static func inEntity(_ bytes: [UInt8]) -> [UInt8] { Wire.field(2, Wire.field(4, bytes)) }

  static let all = [
    BadBytes(name: "a tag alone", kind: .truncated, bytes: [0x0a]),
    BadBytes(name: "a length beyond the end", kind: .truncated, bytes: [0x0a, 5, 1]),
    BadBytes(
      name: "a length of 2^63", kind: .truncated,
      bytes: [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    BadBytes(name: "a length of 2^31", kind: .truncated, bytes: [0x0a, 0x80, 0x80, 0x80, 0x80, 8]),
    BadBytes(
      name: "a varint without end", kind: .malformed,
      bytes: [0x50] + [UInt8](repeating: 0xff, count: 11)),
    BadBytes(name: "field number 0", kind: .malformed, bytes: [0x02, 0]),
    BadBytes(
      name: "a field number of six bytes", kind: .malformed,
      bytes: [0x8a, 0x80, 0x80, 0x80, 0x80, 0x00, 0]),
    BadBytes(
      name: "a field number beyond 2^29", kind: .malformed, bytes: [0xf8, 0xff, 0xff, 0xff, 0x1f]),
    BadBytes(name: "a group", kind: .wireTypeUnsupported, bytes: [0x0b, 0x0c]),
    BadBytes(name: "wire type 7", kind: .wireTypeUnsupported, bytes: [0x0f]),
    BadBytes(name: "a fixed64 cut short", kind: .truncated, bytes: [0x09, 1, 2, 3]),
    BadBytes(name: "a fixed32 cut short", kind: .truncated, bytes: [0x0d, 1]),
    BadBytes(name: "text as a number", kind: .wireTypeWrong, field: "agent_id", bytes: [0x08, 1]),
    BadBytes(
      name: "a number as text", kind: .wireTypeWrong, field: "report.sequence",
      bytes: Wire.field(2, Wire.field(2, "x"))),
    BadBytes(
      name: "a NUL in text", kind: .textContainsNUL, field: "report.entity.id",
      bytes: inEntity(Wire.field(2, "10\u{0}42"))),
    BadBytes(
      name: "a NUL behind a long text", kind: .textContainsNUL, field: "agent_id",
      bytes: Wire.field(1, String(repeating: "a", count: 40) + "\u{0}")),
    BadBytes(
      name: "a lone continuation byte", kind: .textNotUTF8, field: "agent_id",
      bytes: Wire.field(1, [0x61, 0x80])),
    BadBytes(
      name: "a surrogate", kind: .textNotUTF8, field: "agent_id",
      bytes: Wire.field(1, [0xed, 0xa0, 0x80])),
    BadBytes(
      name: "an overlong slash", kind: .textNotUTF8, field: "agent_id",
      bytes: Wire.field(1, [0xc0, 0xaf])),
    BadBytes(
      name: "a character cut in two", kind: .textNotUTF8, field: "report.entity.display_name",
      bytes: inEntity(Wire.field(3, [0x47, 0x72, 0xc3]))),
    BadBytes(
      name: "a map's key that is no UTF-8", kind: .textNotUTF8, field: "report.labels.key",
      bytes: Wire.field(2, Wire.field(12, Wire.field(1, [0xff])))),
    BadBytes(
      name: "a submessage that reaches beyond its parent", kind: .truncated, field: "report",
      bytes: Wire.field(2, [0x0a, 3, 0x61])),
  ]
}

@Suite struct BadBytesTests {
  @Test(
    "Bytes that are no message are refused, and the error names the field", arguments: BadBytes.all)
  func refused(_ bad: BadBytes) {
    let error = #expect(throws: DecodingError.self) {
      try ReportLogRequest(serializedBytes: bad.bytes)
    }
    #expect(error?.kind == bad.kind)
    #expect(error?.field == bad.field)
    #expect((0...bad.bytes.count).contains(error?.offset ?? -1))
    #expect(error?.description.isEmpty == false)
  }

  @Test("A message cut at any byte is whole at a field's border and otherwise truncated")
  func cuts() throws {
    let bytes = Samples.report.serializedBytes()
    // Outer fields: the agent's id, then the report to the end.
    let borders = [0, 2 + Samples.report.agentID.utf8.count, bytes.count]
    for count in 0...bytes.count {
      let result = Result { try ReportLogRequest(serializedBytes: Array(bytes[..<count])) }
      switch result {
      case .success: #expect(borders.contains(count), "cut at \(count)")
      case .failure(let error):
        #expect((error as? DecodingError)?.kind == .truncated, "cut at \(count)")
      }
    }
  }

  @Test("Flipped bits are refused or read as another message that encodes again", arguments: 0..<8)
  func flips(bit: Int) throws {
    let bytes = Samples.report.serializedBytes()
    for position in bytes.indices {
      var flipped = bytes
      flipped[position] ^= 1 << UInt8(bit)
      guard let message = try? ReportLogRequest(serializedBytes: flipped) else { continue }
      let again = try ReportLogRequest(serializedBytes: message.serializedBytes())
      #expect(again == message, "byte \(position)")
    }
  }

  @Test("Messages deeper than the limit are refused")
  func nesting() {
    let bytes = BadBytes.inEntity(Wire.field(2, "1"))
    let limits = DecodingLimits(maximumNesting: 2)
    let error = #expect(throws: DecodingError.self) {
      try ReportLogRequest(serializedBytes: bytes, limits: limits)
    }
    #expect(error?.kind == .nestingTooDeep)
    #expect(error?.field == "report.entity")
    #expect(throws: Never.self) {
      try ReportLogRequest(serializedBytes: bytes, limits: DecodingLimits(maximumNesting: 3))
    }
  }

  @Test("Deep nesting in a field that nobody knows costs nothing")
  func unknownNesting() throws {
    var bytes: [UInt8] = []
    for _ in 0..<10_000 { bytes = Wire.field(99, bytes) }
    let message = try ReportLogRequest(serializedBytes: bytes)
    #expect(message.unknownFields.count == 1)
    #expect(message.serializedBytes() == bytes)
  }
}
