import IntegrationAPI
import RPCWire
import TestSupport
import Testing

@testable import integrationctl

@Suite struct ManyRequestsTests {
  private static func reply(_ count: Int, duplicates: Int = 0, failed: Int = 0)
    -> CreateRequestsResponse
  {
    var reply = CreateRequestsResponse()
    reply.outcomes = (0..<count).map { number in
      var outcome = RequestOutcome()
      if number < failed {
        var failure = BulkFailure()
        failure.id = "\(number + 1)"
        failure.reason = "REQUEST_OPEN_FOR_ENTITY"
        failure.message = "one is open"
        outcome.failure = failure
      } else {
        outcome.log = Samples.log(.queued)
        outcome.duplicate = number < failed + duplicates
      }
      return outcome
    }
    return reply
  }

  private static func sent(_ desk: Desk) throws -> [CreateRequestsRequest] {
    try desk.server.requests(OperatorServiceMethods.createRequests)
  }

  private static let verb = ["requests", "create", "customsoft", "export_quote"]

  @Test(
    "Records are read one a line or as CSV",
    arguments: [
      ("A\nB\n", [["A", ""], ["B", ""]]), ("A\r\n\n  \nB", [["A", ""], ["B", ""]]),
      ("id\nA\n", [["A", ""]]), ("ID,Name\nA,\"one, two\"\n", [["A", "one, two"]]),
      ("\u{FEFF}A,say \"hi\"\n\"B \"\"x\"\"\",\n", [["A", "say \"hi\""], ["B \"x\"", ""]]),
      ("", []),
    ])
  func records(text: String, expected: [[String]]) throws {
    let found = try EntityList.records(in: Array(text.utf8))
    #expect(found.map { [$0.id, $0.name] } == expected)
  }

  @Test(
    "A broken line is named, and nothing is asked",
    arguments: [
      ("A\n,x\n", 2), ("A\nB,b,c\n", 2), ("A\n\"B\n", 2), ("A\n\nB\n\"C\"d\n", 4),
      (String(repeating: "x", count: 257), 1), ("A,\(String(repeating: "x", count: 257))", 1),
      ("A\nB\u{0}\n", 2), ("Name,ID\none,A\n", 1),
    ])
  func broken(text: String, line: Int) async throws {
    let scratch = try ScratchDirectory()
    try scratch.write(text, to: "records")
    var desk = Desk()
    desk.answer = true
    let outcome = await desk.run(Self.verb + ["--entities-from", scratch.file("records")])
    #expect(outcome.code == .usage)
    #expect(outcome.errors.contains("line \(line):"))
    #expect(outcome.errors.contains("Nothing was asked"))
    #expect(desk.server.calls.isEmpty)
    #expect(outcome.questions.isEmpty)
  }

  @Test("Bytes that are no text, an empty file and a missing one are refused")
  func noText() async throws {
    #expect(throws: EntityList.Fault.self) { try EntityList.records(in: [65, 10, 0xFF, 10]) }
    let scratch = try ScratchDirectory()
    try scratch.write("\n", to: "empty")
    for file in ["empty", "none"] {
      let desk = Desk()
      let outcome = await desk.run(Self.verb + ["--yes", "--entities-from", scratch.file(file)])
      #expect(outcome.code == .usage)
      #expect(desk.server.calls.isEmpty)
    }
  }

  @Test("Many are asked for in steps, under keys that a repeat has too")
  func steps() async throws {
    let scratch = try ScratchDirectory()
    let ids = (1...1_500).map { "Q-\($0)" }
    try scratch.write("id,name\n" + ids.map { "\($0),Quote\n" }.joined(), to: "records")
    var desk = Desk()
    desk.answer = true
    desk.server.answer(OperatorServiceMethods.createRequests, Self.reply(1_000))
    desk.server.answer(OperatorServiceMethods.createRequests, Self.reply(500, duplicates: 2))
    let line =
      Self.verb + [
        "--entities-from", scratch.file("records"), "--idempotency-key", "monday", "--input", "{}",
      ]
    let outcome = await desk.run(line)
    #expect(outcome.code == .done)
    #expect(outcome.questions == ["Ask customsoft for export_quote on 1500 records?"])
    #expect(outcome.output == "1498 queued, 2 asked for before, 0 refused.\n")
    let sent = try Self.sent(desk)
    #expect(sent.map(\.items.count) == [1_000, 500])
    #expect(sent.flatMap(\.items).compactMap(\.entity).map(\.id) == ids)
    #expect(sent[0].items[0].entity?.displayName == "Quote")
    #expect(sent.flatMap(\.items).map(\.idempotencyKey) == ids.map { "monday/\($0)" })
    #expect(sent.flatMap(\.items).allSatisfy { $0.input == "{}" })
  }

  @Test("Keys stay within their limit and differ")
  func keys() {
    let keys = RecordKeys(prefix: "monday")
    let long = [String(repeating: "a", count: 256), String(repeating: "a", count: 255) + "b"]
    #expect(keys.key(long[0]) != keys.key(long[1]))
    #expect(long.allSatisfy { keys.key($0).utf8.count <= 256 && keys.key($0) == keys.key($0) })
    #expect(keys.key("Q-1") == "monday/Q-1")
  }

  @Test("A step whose answer is lost is sent again under the same keys")
  func lostAnswer() async throws {
    let desk = Desk()
    desk.server.refuse(
      OperatorServiceMethods.createRequests,
      RPCError(.unavailable, "connection lost", reason: "CONNECTION_LOST"))
    desk.server.answer(OperatorServiceMethods.createRequests, Self.reply(2, duplicates: 2))
    let outcome = await desk.run(Self.verb + ["-e", "A", "-e", "B"])
    #expect(outcome.code == .done)
    let sent = try Self.sent(desk)
    #expect(sent.count == 2)
    #expect(sent[0] == sent[1])
  }

  @Test("What is refused is listed by its record")
  func refused() async throws {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.createRequests, Self.reply(2, failed: 1))
    let outcome = await desk.run(Self.verb + ["-e", "A", "-e", "B"])
    #expect(outcome.code == .refused)
    #expect(outcome.errors.contains("  A: one is open [REQUEST_OPEN_FOR_ENTITY]"))
  }

  @Test("One record is asked for as ever, with an end to its time")
  func one() async throws {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.createRequest, CreateRequestResponse())
    #expect(await desk.run(Self.verb + ["-e", "A", "--expires", "2h"]).code == .done)
    let sent: [CreateRequestRequest] = try desk.server.requests(
      OperatorServiceMethods.createRequest)
    #expect(sent.first?.expiresAt != nil)
    let past = await desk.run(Self.verb + ["-e", "A", "--expires", "2020-01-01"])
    #expect(past.code == .usage)
    let now = await desk.run(Self.verb + ["-e", "A", "--expires", "0s"])
    #expect(now.code == .usage)
    #expect(now.errors.contains("--expires") && now.errors.contains("0s"), "\(now.errors)")
    let early = await desk.run(
      Self.verb + ["-e", "A", "--expires", "1h", "--not-before", "2h"])
    #expect(early.code == .usage)
    #expect(desk.server.calls.count == 1)
  }
}
