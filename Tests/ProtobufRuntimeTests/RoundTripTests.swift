import Foundation
import IntegrationAPI
import ProtobufRuntime
import TestSupport
import Testing

@Suite struct RoundTripTests {
  @Test("A message with every field comes back as it was")
  func everyField() throws {
    let bytes = Samples.report.serializedBytes()
    #expect(try ReportLogRequest(serializedBytes: bytes) == Samples.report)
    let heartbeat = Samples.heartbeat.serializedBytes()
    #expect(try HeartbeatRequest(serializedBytes: heartbeat) == Samples.heartbeat)
  }

  @Test("An empty message has no bytes and no bytes are an empty message")
  func empty() throws {
    #expect(ReportLogRequest().serializedBytes().isEmpty)
    #expect(try ReportLogRequest(serializedBytes: []) == ReportLogRequest())
  }

  @Test("A set but empty submessage stays apart from one that is not set")
  func emptySubmessage() throws {
    var request = ReportLogRequest()
    request.report = LogReport()
    #expect(try ReportLogRequest(serializedBytes: request.serializedBytes()) == request)
    #expect(request != ReportLogRequest())
  }

  @Test(
    "Each member of a oneof comes back",
    arguments: [
      Directive.Kind.cancel(CancelLog()), .pause(Pause()), .resume(Resume()), .drain(Drain()),
      .rotateKey(RotateKey()), nil,
    ])
  func oneof(kind: Directive.Kind?) throws {
    var directive = Directive()
    directive.kind = kind
    #expect(try Directive(serializedBytes: directive.serializedBytes()) == directive)
  }

  @Test("Maps and lists of enums come back, an enum number that nobody knows included")
  func lists() throws {
    var filter = LogFilter()
    filter.statuses = [.failed, .unrecognized(77), .unrecognized(-5)]
    filter.triggers = [.retry]
    filter.entityIds = ["", "a", "ü"]
    filter.labels = ["a": "1", "b": "", "": "x"]
    #expect(try LogFilter(serializedBytes: filter.serializedBytes()) == filter)
    var info = GetServerInfoResponse()
    info.counters = ["calls": .max, "none": 0]
    #expect(try GetServerInfoResponse(serializedBytes: info.serializedBytes()) == info)
  }

  @Test("Unknown fields survive at every level, with every wire type")
  func unknownFields() throws {
    let unknown =
      Wire.field(900, 5) + Wire.field(901, "new") + Wire.varint(902 << 3 | 5) + [1, 2, 3, 4]
      + Wire.varint(903 << 3 | 1) + [1, 2, 3, 4, 5, 6, 7, 8]
    let entity = Wire.field(2, "1042") + unknown
    let bytes = Wire.field(1, "agent") + Wire.field(2, Wire.field(4, entity)) + unknown
    let message = try ReportLogRequest(serializedBytes: bytes)
    #expect(message.unknownFields.count == 4)
    #expect(message.unknownFields.varint(900) == 5)
    #expect(message.report?.entity?.unknownFields.count == 4)
    #expect(message.serializedBytes() == bytes)
  }

  @Test("The last of a field that came twice counts, and submessages merge")
  func repeatedSingles() throws {
    let bytes =
      Wire.field(1, "a") + Wire.field(2, Wire.field(1, "log") + Wire.field(2, 1))
      + Wire.field(1, "b") + Wire.field(2, Wire.field(2, 2))
    let message = try ReportLogRequest(serializedBytes: bytes)
    #expect(message.agentID == "b")
    #expect(message.report?.logID == "log")
    #expect(message.report?.sequence == 2)
  }

  @Test("A list of numbers is read packed and one by one")
  func packed() throws {
    let packed = try LogFilter(serializedBytes: Wire.field(3, [1, 4]))
    let single = try LogFilter(serializedBytes: Wire.field(3, 1) + Wire.field(3, 4))
    #expect(packed.statuses == [.queued, .failed])
    #expect(single == packed)
  }

  @Test("A NUL in a text that a program sends becomes U+FFFD instead of ending the text")
  func nul() throws {
    var message = HeldLease()
    message.logID = "a\0b"
    #expect(try HeldLease(serializedBytes: message.serializedBytes()).logID == "a\u{fffd}b")
  }

  private static let protoc = Program.onPath("protoc")

  @Test(
    "protoc reads what this library writes, and this library what protoc writes",
    .enabled(if: RoundTripTests.protoc != nil, "skipped: protoc is not installed"))
  func protocAgrees() async throws {
    let directory = try ScratchDirectory()
    let text = try directory.write(Samples.reportAsText, to: "text")
    let encoded = directory.file("encoded")
    let script = #"exec "$1" -I"$2" -I/usr/include --encode="$3" "$4" < "$5" > "$6""#
    let output = try await Program.run(
      "/bin/sh",
      [
        "-c", script, "sh", Self.protoc ?? "", SourceTree.root + "/Protos",
        ReportLogRequest.messageName, "integrationmanager/v1/agent.proto", text, encoded,
      ])
    #expect(output.end == .code(0), "\(output.standardError)")
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: encoded)))
    #expect(bytes == Samples.report.serializedBytes())
    #expect(try ReportLogRequest(serializedBytes: bytes) == Samples.report)
  }
}
