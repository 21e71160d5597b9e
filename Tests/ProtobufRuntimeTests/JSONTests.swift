import Foundation
import IntegrationAPI
import ProtobufRuntime
import Testing

@Suite struct JSONTests {
  private func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  @Test("Names are proto3 JSON's, 64-bit numbers strings, enums without prefix, times RFC 3339")
  func report() throws {
    var report = try #require(Samples.report.report)
    report.errors = []
    #expect(
      try json(report) == """
        {"actionType":"export_order",\
        "entity":{"displayName":"Order 1042","id":"1042","type":"order",\
        "url":"https://crm.example/1042"},\
        "errors":[],"labels":{"region":"north"},"leaseToken":"token",\
        "logId":"0192f0c1-7a3b-7def-8123-456789abcdef","occurredAt":"2025-11-24T16:00:00.250Z",\
        "recordsDone":"17","recordsTotal":"18446744073709551615",\
        "result":"{\\"number\\":\\"A-1\\"}","retryAfterMs":1500,"retryable":true,\
        "sequence":"300","status":"FAILED","statusMessage":"Größe fehlt – bitte ergänzen",\
        "trigger":"SCHEDULE"}
        """)
  }

  @Test("Values at their default are written, messages that are not set are left out")
  func defaults() throws {
    #expect(
      try json(PollRequestsResponse()) == #"{"directives":[],"hasMore":false,"requests":[]}"#)
    #expect(try json(HeldLease()) == #"{"leaseToken":"","logId":""}"#)
    #expect(try json(GetStatusRequest()) == "{}")
    #expect(try json(Directive()) == "{}")
    var directive = Directive()
    directive.kind = .pause(Pause())
    #expect(try json(directive) == #"{"pause":{"reason":""}}"#)
  }

  @Test("An enum number that nobody knows is a number; maps of numbers are maps of strings")
  func special() throws {
    var response = ReportLogResponse()
    response.status = .unrecognized(42)
    #expect(try json(response).contains(#""status":42"#))
    var info = GetServerInfoResponse()
    info.counters = ["calls": 7]
    #expect(try json(info).contains(#""counters":{"calls":"7"}"#))
  }

  @Test(
    "What JSON cannot write as a number is a name",
    arguments: [
      (Double.infinity, #""Infinity""#), (-.infinity, #""-Infinity""#), (.nan, #""NaN""#),
      (2.5, "2.5"),
    ])
  func numbers(value: Double, text: String) throws {
    var policy = RetryPolicy()
    policy.multiplier = value
    #expect(try json(policy).contains(#""multiplier":\#(text)"#))
  }

  @Test("Every enum's names lead back to their values", arguments: LogStatus.allKnown)
  func names(status: LogStatus) {
    #expect(LogStatus(jsonName: status.jsonName) == status)
    #expect(LogStatus(rawValue: status.rawValue) == status)
  }

  @Test("A name that no enum has is refused", arguments: ["", "queued", "LOG_STATUS_QUEUED", "9"])
  func unknownName(name: String) {
    #expect(LogStatus(jsonName: name) == nil)
  }
}
