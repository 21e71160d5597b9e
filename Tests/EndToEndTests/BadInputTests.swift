import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// Bytes and calls that a broken or hostile peer sends: each gets its documented answer, and
  /// everybody else goes on.
  @Suite struct BadInputTests {
    /// Bytes that end the connection, with the reason of the GOAWAY.
    struct Fatal: CustomTestStringConvertible, Sendable {
      let testDescription: String
      let bytes: [UInt8]
      let reason: String
    }

    static let hello = RawMessage().number(1, 1).number(2, 1).text(4, "bad")
    static let opened = RawFrame.preamble + RawFrame(.hello, hello.bytes).bytes
    static let beat = RawFrame(.call, number: 4, call: 5, AgentMessage.heartbeat()).bytes

    static let fatal = [
      Fatal(
        testDescription: "no preamble", bytes: Array("HELLO, WORLD\n".utf8),
        reason: "PREAMBLE_INVALID"),
      Fatal(
        testDescription: "another version's preamble", bytes: Array("IMRPC/2\n".utf8),
        reason: "PREAMBLE_INVALID"),
      Fatal(
        testDescription: "a frame of 2 GiB", bytes: opened + [0x7f, 0xff, 0xff, 0xff, 2, 0, 0, 4],
        reason: "FRAME_TOO_LONG"),
      Fatal(
        testDescription: "a frame of 11 bytes",
        bytes: opened + [0, 0, 0, 11] + [UInt8](repeating: 0, count: 11),
        reason: "FRAME_TOO_SHORT"),
      Fatal(
        testDescription: "a reserved flag",
        bytes: opened + RawFrame(kind: 2, flags: 1, number: 4, call: 1).bytes,
        reason: "FLAGS_RESERVED"),
      Fatal(
        testDescription: "a call before HELLO", bytes: RawFrame.preamble + beat,
        reason: "HELLO_MISSING"),
      Fatal(
        testDescription: "two HELLOs", bytes: opened + RawFrame(.hello, hello.bytes).bytes,
        reason: "HELLO_REPEATED"),
      Fatal(
        testDescription: "a protocol from the future",
        bytes: RawFrame.preamble
          + RawFrame(.hello, RawMessage().number(1, 7).number(2, 9).bytes).bytes,
        reason: "PROTOCOL_UNSUPPORTED"),
      Fatal(
        testDescription: "call id 0", bytes: opened + RawFrame(.call, number: 4, call: 0).bytes,
        reason: "CALL_ID_INVALID"),
      Fatal(
        testDescription: "a call id that came before", bytes: opened + beat + beat,
        reason: "CALL_ID_INVALID"),
    ]

    @Test("Bytes that are no protocol end their connection with a reason, and no other")
    func fatalBytes() async throws {
      let stage = try await Stage()
      let key = try await stage.createIntegration()
      let healthy = try RawFrameSocket(stage.tcp)
      try healthy.sayHello(token: key)
      for (index, fatal) in Self.fatal.enumerated() {
        let socket = try RawFrameSocket(stage.unix)
        try socket.send(fatal.bytes)
        let goAway = try socket.nextFrame(.goAway)
        let fields = RawFields(goAway?.payload ?? [])
        #expect(fields?.text(2) == fatal.reason, "\(fatal.testDescription)")
        #expect(try socket.nextFrame() == nil, "\(fatal.testDescription): closed")
        let reply = try healthy.call(
          AgentMethod.heartbeat, id: UInt32(index + 1), AgentMessage.heartbeat())
        #expect(reply?.number == 0, "\(fatal.testDescription): the others go on")
      }
    }

    /// A call with a code and reason.
    struct Refused: Sendable {
      let name: String
      let method: UInt16
      let payload: [UInt8]
      let code: UInt16
      let reason: String
      var field = ""
    }

    static let logID = AgentMessage.makeLogID()
    static let refused = [
      Refused(
        name: "an unknown method", method: 999, payload: [], code: 12, reason: "METHOD_UNKNOWN"),
      Refused(
        name: "an operator's method", method: 101, payload: [], code: 7, reason: "OPERATOR_ONLY"),
      Refused(
        name: "no message", method: 4, payload: [0xff, 0xff, 0xff], code: 3,
        reason: "PAYLOAD_INVALID"
      ),
      Refused(
        name: "a cut message", method: 4, payload: AgentMessage.heartbeat().dropLast(2), code: 3,
        reason: "PAYLOAD_INVALID"),
      Refused(
        name: "text with NUL", method: 4, payload: RawMessage().text(1, "a\0b").bytes, code: 3,
        reason: "PAYLOAD_INVALID"),
      Refused(
        name: "text that is no UTF-8", method: 4,
        payload: RawMessage().data(1, [0xc3, 0x28]).bytes,
        code: 3, reason: "PAYLOAD_INVALID"),
      Refused(
        name: "a bad agent id", method: 4,
        payload: RawMessage().text(1, "Not Allowed").text(2, "i").bytes, code: 3,
        reason: "FIELD_INVALID", field: "agent_id"),
      Refused(
        name: "a log id that is no UUID", method: 2,
        payload: AgentMessage.report(logID: "1042", action: "export_order", entity: "1"), code: 3,
        reason: "FIELD_INVALID", field: "report.log_id"),
      Refused(
        name: "an entity id of 257 bytes", method: 2,
        payload: AgentMessage.report(
          logID: AgentMessage.makeLogID(), action: "export_order",
          entity: String(repeating: "e", count: 257)), code: 3, reason: "FIELD_INVALID",
        field: "report.entity.id"),
      Refused(
        name: "a message of 4,097 bytes", method: 2,
        payload: AgentMessage.report(
          logID: AgentMessage.makeLogID(), action: "export_order", entity: "1",
          message: String(repeating: "m", count: 4097)), code: 3, reason: "FIELD_INVALID",
        field: "report.status_message"),
      Refused(
        name: "an unknown action", method: 2,
        payload: AgentMessage.report(
          logID: AgentMessage.makeLogID(), action: "export_nothing", entity: "1"), code: 5,
        reason: "ACTION_UNKNOWN"),
      Refused(
        name: "QUEUED from an agent", method: 2,
        payload: AgentMessage.report(
          logID: AgentMessage.makeLogID(), action: "export_order", entity: "1", status: 1), code: 9,
        reason: "STATUS_INVALID"),
      Refused(
        name: "a report on a log that has ended", method: 2,
        payload: AgentMessage.report(
          logID: logID, sequence: 2, action: "export_order", entity: "1", status: 4), code: 9,
        reason: "LOG_FINAL"),
      Refused(
        name: "a lease that nobody gave", method: 2,
        payload: AgentMessage.report(
          logID: logID, sequence: 3, action: "export_order", entity: "1", lease: "stale"), code: 10,
        reason: "LEASE_LOST"),
    ]

    @Test("A wrong call is refused with its code, reason and field; the connection goes on")
    func refusedCalls() async throws {
      let stage = try await Stage()
      let socket = try RawFrameSocket(stage.tcp)
      try socket.sayHello(token: try await stage.createIntegration())
      var call: UInt32 = 0
      func send(_ method: UInt16, _ payload: [UInt8]) throws -> RawFrame? {
        call += 1
        return try socket.call(method, id: call, payload)
      }
      #expect(try send(AgentMethod.register, AgentMessage.register("export_order"))?.number == 0)
      let first = AgentMessage.report(logID: Self.logID, action: "export_order", entity: "1")
      #expect(try send(AgentMethod.report, first)?.number == 0)
      // The same again is a duplicate, also when the log has ended.
      #expect(RawFields(try send(AgentMethod.report, first)?.payload ?? [])?.number(4) == 1)
      // A frame of a kind that nobody knows is skipped.
      try socket.send(RawFrame(kind: 77, payload: [1, 2, 3]))
      for wrong in Self.refused {
        let reply = try #require(try send(wrong.method, wrong.payload), "\(wrong.name)")
        let status = RawFields(reply.payload)
        #expect(reply.number == wrong.code, "\(wrong.name)")
        #expect(status?.text(3) == wrong.reason, "\(wrong.name)")
        #expect(status?.text(2).isEmpty == false, "\(wrong.name): a sentence")
        guard !wrong.field.isEmpty else { continue }
        let fields = status?.messages(4).map { $0.text(1) } ?? []
        #expect(fields.contains(wrong.field), "\(wrong.name): \(fields)")
      }
      #expect(try send(AgentMethod.heartbeat, AgentMessage.heartbeat())?.number == 0)
    }

    @Test("A key that is wrong, cut, missing or revoked is refused and the connection closed")
    func keys() async throws {
      let stage = try await Stage()
      let key = try await stage.createIntegration()
      let wrong = [
        ("imk_" + String(repeating: "0", count: 46), "TOKEN_INVALID"),
        (String(key.dropLast(3)), "TOKEN_INVALID"), ("", "TOKEN_MISSING"),
      ]
      for (token, reason) in wrong { try expectRefused(stage.tcp, token, reason) }

      let connected = try RawFrameSocket(stage.tcp)
      try connected.sayHello(token: key)
      #expect(try connected.call(4, id: 1, AgentMessage.heartbeat())?.number == 0)
      let id = String(key.dropFirst(4).prefix(8))
      #expect(try await stage.ctl("keys", "revoke", id, "--yes").end == .code(0))
      let goAway = try connected.nextFrame(.goAway)
      #expect(RawFields(goAway?.payload ?? [])?.text(2) == "TOKEN_REVOKED")
      #expect(try connected.nextFrame() == nil)
      try expectRefused(stage.tcp, key, "TOKEN_REVOKED")
    }

    private func expectRefused(_ address: String, _ token: String, _ reason: String) throws {
      let socket = try RawFrameSocket(address)
      try socket.sayHello(token: token)
      let reply = try socket.call(4, id: 1, AgentMessage.heartbeat())
      #expect(reply?.number == 16)
      #expect(RawFields(reply?.payload ?? [])?.text(3) == reason)
      while try socket.nextFrame() != nil {}
    }

    @Test("Failed logins beyond their limit are not explained, and a right key passes")
    func failedLogins() async throws {
      let stage = try await Stage(
        flags: ["--maximum-failed-logins", "2", "--failed-login-interval", "3600s"])
      let key = try await stage.createIntegration()
      let wrong = "imk_" + String(repeating: "0", count: 46)
      for _ in 0..<2 { try expectRefused(stage.tcp, wrong, "TOKEN_INVALID") }
      let refused = try RawFrameSocket(stage.tcp)
      try refused.sayHello(token: wrong)
      let goAway = try refused.nextFrame(.goAway)
      #expect(RawFields(goAway?.payload ?? [])?.text(2) == "TOO_MANY_FAILED_LOGINS")
      #expect(try refused.nextFrame() == nil)
      let passed = try RawFrameSocket(stage.tcp)
      try passed.sayHello(token: key)
      #expect(try passed.call(4, id: 1, AgentMessage.heartbeat())?.number == 0)
    }

    @Test("An integration does not see another's logs")
    func otherIntegration() async throws {
      let stage = try await Stage()
      let owner = try RawFrameSocket(stage.tcp)
      try owner.sayHello(token: try await stage.createIntegration("owner"))
      _ = try owner.call(1, id: 1, AgentMessage.register("export_order"))
      let log = AgentMessage.makeLogID()
      let report = AgentMessage.report(
        logID: log, action: "export_order", entity: "1", status: 2)
      #expect(try owner.call(2, id: 2, report)?.number == 0)

      let other = try RawFrameSocket(stage.tcp)
      try other.sayHello(token: try await stage.createIntegration("other"))
      _ = try other.call(1, id: 1, AgentMessage.register("export_order"))
      let progress = RawMessage().text(1, "raw-1")
        .message(2, RawMessage().text(1, log).number(2, 2).number(5, 3)).bytes
      #expect(try other.call(2, id: 2, progress)?.number != 0)
      let detail = try await stage.ctl("logs", "show", log, as: LogDetailJSON.self)
      #expect(detail.log.status == "IN_PROGRESS")
    }

    @Test("A client that sends one byte and waits is sent away")
    func oneByte() async throws {
      let stage = try await Stage(flags: ["--hello-timeout", "300ms"])
      let socket = try RawFrameSocket(stage.tcp)
      try socket.send([0x49])
      let goAway = try socket.nextFrame(.goAway)
      #expect(RawFields(goAway?.payload ?? [])?.text(2) == "HELLO_TIMEOUT")
      #expect(try socket.nextFrame() == nil)
    }
  }
}
