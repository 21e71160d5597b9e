import IntegrationAPI
import ProtobufRuntime
import Testing

@Suite struct ViewTests {
  private func withReport(_ body: (ReportLogRequestView) throws -> Void) throws {
    let arena = Arena()
    defer { withExtendedLifetime(arena) {} }
    let bytes = Samples.report.serializedBytes()
    try body(try bytes.withUnsafeBytes { try ReportLogRequestView(decoding: $0, in: arena) })
  }

  @Test("A request's view shows each field where it lies")
  func getters() throws {
    try withReport { view in
      let report = try #require(view.report)
      #expect(view.agentID == "agent-1")
      #expect(report.statusMessage.string == "Größe fehlt – bitte ergänzen")
      #expect(report.status == .failed)
      #expect(report.recordsTotal == .max)
      #expect(report.retryable)
      #expect(report.occurredAt == Timestamp(seconds: 1_764_000_000, nanos: 250_000_000))
      #expect(report.errors.count == 2)
      #expect(report.errors[1].referenceID == "4712")
      #expect(report.labels.map(\.key.string) == ["region"])
      let entity = try #require(report.entity)
      #expect(entity.id == ("1042" as StaticString))
      #expect(view.makeMessage() == Samples.report)
    }
  }

  @Test("A field that is not set is empty or nil")
  func unset() throws {
    let arena = Arena()
    defer { withExtendedLifetime(arena) {} }
    #expect(ReportLogRequestView(in: arena).report == nil)
    let empty = LogReportView(in: arena)
    #expect(empty.logID.isEmpty)
    #expect(empty.logID == .empty)
    #expect(empty.occurredAt == nil)
    #expect(empty.errors.isEmpty)
    #expect(empty.trigger == .unspecified)
  }

  @Test("A reply made in an arena encodes as the same reply made as a value")
  func reply() throws {
    try withReport { request in
      let arena = Arena()
      defer { withExtendedLifetime(arena) {} }
      let view = ReportLogResponseView(in: arena)
      view.logID = try #require(request.report).logID
      view.status = .completed
      view.sequence = 9
      view.duplicate = true
      let directives = view.makeDirectives(count: 2)
      let cancel = directives[0].makeCancel()
      cancel.logID = cancel.reason
      "stop".withProtobufText { cancel.reason = $0 }
      _ = directives[1].makeDrain()
      var value = ReportLogResponse()
      value.logID = Samples.report.report?.logID ?? ""
      value.status = .completed
      value.sequence = 9
      value.duplicate = true
      var reason = CancelLog()
      reason.reason = "stop"
      value.directives = [Directive(), Directive()]
      value.directives[0].kind = .cancel(reason)
      value.directives[1].kind = .drain(Drain())
      #expect(view.serializedBytes() == value.serializedBytes())
      #expect(view.makeMessage() == value)
    }
  }

  @Test("Text that a reply borrows may go away once it is set")
  func borrowed() throws {
    let arena = Arena()
    defer { withExtendedLifetime(arena) {} }
    let view = HeartbeatResponseView(in: arena)
    let texts = view.makeLostLeases(count: 2)
    var text = "first"
    text.withProtobufText { texts[0] = $0 }
    text = "other"
    texts.set("second", at: 1)
    view.serverTime = Timestamp(seconds: -1, nanos: 5)
    #expect(view.makeMessage().lostLeases == ["first", "second"])
    #expect(view.serverTime == Timestamp(seconds: -1, nanos: 5))
    view.serverTime = nil
    #expect(view.serverTime == nil)
  }

  @Test("Setting a view from a value leaves nothing of what it held")
  func assign() throws {
    try withReport { view in
      view.assign(ReportLogRequest())
      #expect(view.makeMessage() == ReportLogRequest())
      #expect(view.encodedByteCount == 0)
    }
  }

  @Test(
    "Texts are equal when their bytes are",
    arguments: [("", "", true), ("a", "", false), ("ab", "ac", false), ("né", "né", true)])
  func equality(left: String, right: String, equal: Bool) {
    left.withProtobufText { a in
      right.withProtobufText { b in
        #expect((a == b) == equal)
        #expect((a == right) == equal)
        #expect((a.hashValue == b.hashValue) == equal)
      }
    }
  }

  @Test("An arena gives zeroed memory again after a reset, and large blocks back")
  func arena() throws {
    let arena = Arena(initialBytes: 256)
    for round in 0..<3 {
      let view = HeldLeaseView(in: arena)
      #expect(view.logID.isEmpty, "round \(round)")
      String(repeating: "x", count: 3_000_000).withProtobufText { view.logID = $0 }
      #expect(view.logID.count == 3_000_000)
      #expect(arena.allocatedBytes > 3_000_000)
      arena.reset()
    }
  }
}
