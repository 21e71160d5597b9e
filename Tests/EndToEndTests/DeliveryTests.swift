import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// Requests on their way to agents: offered, accepted, lost, returned; frame by frame.
  @Suite struct DeliveryTests {
    /// One delivered request, as the fields of `DeliveredRequest`.
    struct Delivered {
      let logID: String
      let lease: String
      let delivery: UInt64

      init?(_ reply: RawFrame?) {
        guard let first = RawFields(reply?.payload ?? [])?.messages(1).first else { return nil }
        logID = first.text(1)
        lease = first.text(5)
        delivery = first.number(7)
      }
    }

    /// An agent on a raw socket that counts its calls.
    final class RawAgent {
      let id: String
      private let socket: RawFrameSocket
      private var calls: UInt32 = 0

      init(_ id: String, _ stage: Stage, key: String) throws {
        self.id = id
        socket = try RawFrameSocket(stage.tcp)
        try socket.sayHello(token: key)
      }

      func call(_ method: UInt16, _ payload: RawMessage) throws -> RawFrame? {
        calls += 1
        return try socket.call(method, id: calls, payload.bytes, deadlineMs: 20_000)
      }

      func register(oneOpenPerEntity: Bool = false, inputSchema: String = "") throws {
        let action = RawMessage().text(1, "export_order").text(2, "Export Order").text(4, "order")
          .number(5, 1).text(7, inputSchema).number(12, oneOpenPerEntity ? 1 : 0)
        _ = try call(AgentMethod.register, RawMessage().text(1, id).message(2, action))
      }

      func poll(waitMs: UInt64 = 10_000) throws -> RawFrame? {
        try call(AgentMethod.poll, RawMessage().text(1, id).number(4, waitMs))
      }

      /// A heartbeat that names a lease; state 4 is STOPPED.
      func beat(_ held: Delivered?, state: UInt64 = 1) throws -> RawFrame? {
        var beat = RawMessage().text(1, id).text(2, "i-1").number(3, 10_000).number(9, state)
        if let held {
          beat = beat.message(11, RawMessage().text(1, held.logID).text(2, held.lease))
        }
        return try call(AgentMethod.heartbeat, beat)
      }

      func report(_ held: Delivered, sequence: UInt64, status: UInt64) throws -> RawFrame? {
        let report = RawMessage().text(1, held.logID).number(2, sequence).number(5, status)
          .text(8, held.lease)
        return try call(AgentMethod.report, RawMessage().text(1, id).message(2, report))
      }
    }

    private func ask(_ stage: Stage, _ entity: String = "1042") async throws -> String {
      try await stage.ctl(
        "requests", "create", "customsoft", "export_order", "--entity", entity,
        as: CreatedJSON.self
      ).log.id
    }

    /// An agent that has accepted a request.
    private func holder(
      _ stage: Stage, key: String
    ) async throws -> (agent: RawAgent, held: Delivered) {
      let agent = try RawAgent("first", stage, key: key)
      try agent.register()
      let log = try await ask(stage)
      let held = try #require(Delivered(try agent.poll()))
      #expect(held.logID == log)
      #expect(try agent.report(held, sequence: 1, status: 2)?.number == 0)
      return (agent, held)
    }

    @Test("An offer that nobody accepts goes to another, and its lease is worth nothing")
    func notAccepted() async throws {
      let stage = try await Stage(flags: ["--accept-timeout", "200ms"])
      let key = try await stage.createIntegration()
      let silent = try RawAgent("silent", stage, key: key)
      try silent.register()
      let log = try await ask(stage)
      let offered = try #require(Delivered(try silent.poll()))
      #expect(offered.logID == log)
      #expect(offered.delivery == 1)

      let other = try RawAgent("other", stage, key: key)
      let again = try #require(Delivered(try other.poll()))
      #expect(again.logID == log)
      // It was never held, so this is still the first delivery, under another token.
      #expect(again.delivery == 1)
      #expect(again.lease != offered.lease)
      let late = try silent.report(offered, sequence: 1, status: 3)
      #expect(late?.number == 10)
      #expect(RawFields(late?.payload ?? [])?.text(3) == "LEASE_LOST")
      let lost = RawFields(try silent.beat(offered)?.payload ?? [])?.text(3)
      #expect(lost == log, "the heartbeat lists the lost lease")

      #expect(try other.report(again, sequence: 1, status: 2)?.number == 0)
      #expect(try other.report(again, sequence: 2, status: 3)?.number == 0)
      let detail = try await stage.waitForLog(log, status: "COMPLETED")
      #expect(detail.timeline.contains { $0.cause == "NOT_ACCEPTED" })
    }

    @Test("STOPPED returns the leases at once")
    func stopped() async throws {
      let stage = try await Stage()
      let key = try await stage.createIntegration()
      let (first, held) = try await holder(stage, key: key)
      #expect(try first.beat(held, state: 4)?.number == 0)
      let second = try RawAgent("second", stage, key: key)
      let again = try #require(Delivered(try second.poll(waitMs: 5000)))
      #expect(again.logID == held.logID)
      #expect(again.delivery == 2)
    }

    enum Return: CaseIterable { case never, once }

    @Test(
      "What an agent held when the server was killed is delivered again once it is gone too",
      arguments: Return.allCases)
    func serverKilled(holderReturns: Return) async throws {
      let stage = try await Stage(flags: ["--grace-time", "200ms"])
      let key = try await stage.createIntegration()
      let (_, held) = try await holder(stage, key: key)
      try await stage.killServer()
      try await stage.restartServer()
      if holderReturns == .once {
        let back = try RawAgent("first", stage, key: key)
        #expect(RawFields(try back.beat(held)?.payload ?? [])?.text(3) == "", "it is still held")
      }
      // Long before the lease of a minute runs out.
      let second = try RawAgent("second", stage, key: key)
      let again = try #require(Delivered(try second.poll()))
      #expect(again.logID == held.logID)
      #expect(again.delivery == 2)
    }

    @Test("A poll that waits hears of a pause, and of the request when it ends")
    func pause() async throws {
      let stage = try await Stage()
      let agent = try RawAgent("agent", stage, key: try await stage.createIntegration())
      try agent.register()
      #expect(try agent.poll(waitMs: 0)?.number == 0)
      #expect(
        try await stage.ctl("integrations", "pause", "customsoft", "--reason", "audit").end
          == .code(0))
      let log = try await ask(stage)
      let paused = RawFields(try agent.poll(waitMs: 300)?.payload ?? [])
      #expect(paused?.messages(1).isEmpty == true, "nothing is delivered")
      let reasons = paused?.messages(3).flatMap { $0.messages(2) }.map { $0.text(1) }
      #expect(reasons == ["audit"])
      #expect(try await stage.ctl("integrations", "resume", "customsoft").end == .code(0))
      #expect(
        try await eventually("the request after the pause") {
          Delivered(try agent.poll(waitMs: 1000))
        }.logID == log)
    }

    @Test("Requests that break the action's rules are refused with their reason")
    func refusedRequests() async throws {
      let stage = try await Stage()
      let agent = try RawAgent("agent", stage, key: try await stage.createIntegration())
      let schema =
        #"{"type":"object","required":["year"],"properties":{"year":{"type":"integer"}}}"#
      try agent.register(oneOpenPerEntity: true, inputSchema: schema)
      func ask(_ input: String) async throws -> ProgramOutput {
        try await stage.ctl(
          "requests", "create", "customsoft", "export_order", "--entity", "1", "--input", input)
      }
      let wrong = try await ask(#"{"year":"last"}"#)
      #expect(wrong.end == .code(1))
      #expect(wrong.standardError.contains("INPUT_INVALID"))
      #expect(wrong.standardError.contains("year"))
      #expect(try await ask(#"{"year":2026}"#).end == .code(0))
      let second = try await ask(#"{"year":2026}"#)
      #expect(second.standardError.contains("REQUEST_OPEN_FOR_ENTITY"))
      let unknown = try await stage.ctl("requests", "create", "customsoft", "export_moon")
      #expect(unknown.end == .code(5))
      #expect(unknown.standardError.contains("ACTION_UNKNOWN"))
    }

    @Test("A queued request is cancelled at once, and delivered to nobody")
    func cancelQueued() async throws {
      let stage = try await Stage()
      let agent = try RawAgent("agent", stage, key: try await stage.createIntegration())
      try agent.register()
      let log = try await ask(stage)
      #expect(try await stage.ctl("requests", "cancel", log, "--yes").end == .code(0))
      try await stage.waitForLog(log, status: "CANCELLED")
      #expect(Delivered(try agent.poll(waitMs: 0)) == nil)
      let again = try await stage.ctl("requests", "cancel", log, "--yes")
      #expect(again.end == .code(1))
      #expect(again.standardError.contains("REQUEST_NOT_OPEN"))
    }
  }
}
