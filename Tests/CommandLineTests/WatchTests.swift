import IntegrationAPI
import RPCWire
import Testing

@testable import integrationctl

@Suite struct WatchTests {
  static let end = RPCError(.permissionDenied, "the token is revoked", reason: "TOKEN_INVALID")

  /// A server that answers some rounds and then refuses, which ends the loop.
  static func desk(rounds: Int) -> Desk {
    let desk = Desk()
    var reply = ListAgentsResponse()
    reply.agents = [Samples.agent]
    for _ in 0..<rounds { desk.server.answer(OperatorServiceMethods.listAgents, reply) }
    desk.server.refuse(OperatorServiceMethods.listAgents, end)
    return desk
  }

  @Test("On a terminal each round is drawn over the one before")
  func redraws() async {
    var desk = Self.desk(rounds: 2)
    desk.width = 60
    desk.height = 24
    let outcome = await desk.run("agents", "list", "--watch=5s")
    #expect(outcome.code == .notAllowed)
    let frames = outcome.output.split(separator: "\u{1B}[J")
    #expect(frames.count == 2)
    #expect(frames[0].hasPrefix("integrationctl agents list  every 5s  08:30:00 UTC\u{1B}[K\n"))
    #expect(frames[1].hasPrefix("\u{1B}[4A\rintegrationctl agents list"))
    #expect(outcome.errors.contains("the token is revoked"))
  }

  @Test("What is longer than the terminal is cut, and says so")
  func tall() async {
    let desk = Desk()
    var reply = ListAgentsResponse()
    reply.agents = Array(repeating: Samples.agent, count: 30)
    desk.server.answer(OperatorServiceMethods.listAgents, reply)
    desk.server.refuse(OperatorServiceMethods.listAgents, Self.end)
    var screen = desk
    screen.width = 80
    screen.height = 10
    let outcome = await screen.run("agents", "list", "--watch")
    #expect(outcome.output.contains("… 25 more lines"))
    #expect(outcome.output.split(separator: "\n").count <= 10)
  }

  @Test("Elsewhere the rounds follow each other, parted by the time")
  func plain() async {
    let outcome = await Self.desk(rounds: 2).run("agents", "list", "--watch", "5s", "--no-headers")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines[0] == "== 2026-11-24T08:30:00Z ==")
    #expect(lines[2] == lines[0])
    #expect(!outcome.output.contains("\u{1B}"))
    let json = await Self.desk(rounds: 2).run("agents", "list", "--watch", "-o", "jsonl")
    #expect(json.output.split(separator: "\n").count == 2)
  }

  @Test("A connection that is lost is waited for, one that never was is an error")
  func lostConnection() async {
    let lost = RPCError(.unavailable, "the connection is gone", reason: "CONNECTION_LOST")
    var desk = Desk()
    var reply = ListAgentsResponse()
    reply.agents = [Samples.agent]
    desk.server.answer(OperatorServiceMethods.listAgents, reply)
    desk.server.refuse(OperatorServiceMethods.listAgents, lost)
    desk.server.answer(OperatorServiceMethods.listAgents, reply)
    desk.server.refuse(OperatorServiceMethods.listAgents, Self.end)
    desk.height = 24
    let outcome = await desk.run("agents", "list", "--watch")
    #expect(outcome.code == .notAllowed)
    let frames = outcome.output.split(separator: "\u{1B}[J")
    #expect(frames.count == 3)
    #expect(frames[1].contains("the connection is gone; trying again"))
    #expect(frames[1].contains("crm-1"))
    #expect(!frames[2].contains("trying again"))
    var absent = Desk()
    absent.refusal = lost
    #expect(await absent.run("status", "--watch").code == .notReached)
  }

  @Test(
    "What cannot be watched is a usage error",
    arguments: [
      (["agents", "list", "--watch", "-o", "csv"], "--watch has no end"),
      (["agents", "list", "--watch=soon"], "from 200ms to 1d"),
      (["logs", "tail", "--watch"], "unknown flag --watch"),
      (["keys", "revoke", "--watch"], "unknown flag --watch"),
    ])
  func refusals(line: [String], expected: String) async {
    let outcome = await Desk().run(line)
    #expect(outcome.code == .usage)
    #expect(outcome.errors.contains(expected))
  }

  @Test("Every list and the status can be watched")
  func everywhere() {
    for path in CommandTreeTests.verbPaths where path.last == "list" || path == ["status"] {
      let flags = CommandTree.verb(at: path)?.command.flags.map(\.declaration.name.long) ?? []
      #expect(flags.contains("watch"), "\(path)")
    }
  }
}
