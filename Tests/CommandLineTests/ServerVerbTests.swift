import IntegrationAPI
import Testing

@testable import integrationctl

/// `server`: what it says of the server itself.
@Suite struct ServerVerbTests {
  @Test("Limits stand as their flags take them, and rules in words")
  func limits() async {
    let desk = Desk()
    var reply = GetServerInfoResponse()
    reply.limits = [
      "maximum-frame-bytes": "4194304", "maximum-import-bytes": "1500", "maximum-agents": "10000",
      "prune-interval": "604800s", "drain-timeout": "250ms",
      "retention completed": "90d, 10000000000 bytes", "retention failed": "for ever",
    ]
    desk.server.answer(OperatorServiceMethods.getServerInfo, reply)
    let lines = await desk.run("server", "info").output.split(separator: "\n").map { line in
      line.split(separator: " ").joined(separator: " ")
    }
    for line in [
      "maximum-frame-bytes 4MiB", "maximum-import-bytes 1500B", "maximum-agents 10000",
      "prune-interval 7d", "drain-timeout 250ms", "retention completed 90d, 10.0 GB",
      "retention failed for ever",
    ] {
      #expect(lines.contains(line), "\(line) in \(lines)")
    }
  }

  @Test(
    "A check says how many problems there are",
    arguments: [(1, "1 problem was"), (2, "2 problems were")])
  func check(count: Int, words: String) async {
    let desk = Desk()
    var reply = CheckStoreResponse()
    reply.problems = (1...count).map { "problem \($0)" }
    desk.server.answer(OperatorServiceMethods.checkStore, reply)
    let outcome = await desk.run("server", "check")
    #expect(outcome.code == .refused)
    #expect(outcome.errors.contains("\(words) found"), "\(outcome.errors)")
  }
}
