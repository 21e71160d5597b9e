import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// What a person sees who tails while the server dies and comes back.
  @Suite struct TailTests {
    private struct Shown: Decodable {
      let id: String
      let status: String
      let sequence: String
      let updatedAt: String
    }

    private func shown(_ tail: Program) throws -> [Shown] {
      try tail.standardOutput.split(separator: "\n").map {
        try JSONDecoder().decode(Shown.self, from: Data($0.utf8))
      }
    }

    @Test("A tail over killed servers shows every change once")
    func killedServers() async throws {
      let stage = try await Stage()
      let key = try await stage.createIntegration()
      let tail = try Program(
        Program.built("integrationctl"), ["logs", "tail", "-f", "-n", "0", "-o", "jsonl"],
        environment: ["INTEGRATION_SERVER": stage.unix])
      defer { tail.send(SIGKILL) }
      // A report that the tail shows proves that it follows.
      let first = try ReportLoad(address: stage.tcp, key: key)
      try await eventually("the tail follows") {
        try first.send(1)
        _ = try first.takeReply()
        return tail.standardOutput.isEmpty ? nil : true
      }
      var loads: [ReportLoad] = []
      for round in 1...3 {
        let load = try ReportLoad(address: stage.tcp, key: key)
        loads.append(load)
        try await stage.killServer(under: load, afterReports: 700 * round)
        try await stage.restartServer()
        // Before the tail is back, more comes.
        let more = try ReportLoad(address: stage.tcp, key: key)
        loads.append(more)
        try more.send(200)
        while more.acknowledged.count < 200 { #expect(try more.takeReply()) }
      }
      let expected = loads.reduce(into: Set<String>()) { $0.formUnion($1.acknowledged) }
      try await eventually("all \(expected.count) are shown", within: .seconds(30)) {
        expected.isSubset(of: Set(try shown(tail).map(\.id))) ? true : nil
      }
      let all = try shown(tail)
      let states = all.map { "\($0.id) \($0.sequence) \($0.status) \($0.updatedAt)" }
      #expect(Set(states).count == states.count)
      // Each of these logs came in one report.
      #expect(all.count == Set(all.map(\.id)).count)
      #expect(!tail.standardError.contains("longer than the server keeps changes"))
    }
  }
}
