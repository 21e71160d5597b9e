import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// What holds when programs are killed at the worst moment.
  @Suite struct CrashTests {
    @Test("An agent killed in the middle of an export gets it again, and exports the quote once")
    func agentKilled() async throws {
      let stage = try await Stage(flags: ["--grace-time", "100ms"])
      _ = try await stage.createIntegration()
      let first = try stage.startAgent("--no-scan", "--pause-ms", "5000")
      try await stage.waitForAction("export_quote")
      let created = try await stage.ctl(
        "requests", "create", "customsoft", "export_quote", "--entity", "Q-1042",
        as: CreatedJSON.self)
      try await stage.waitForLog(created.log.id, status: "IN_PROGRESS")
      first.send(SIGKILL)
      try await first.waitForEnd()

      let second = try stage.startAgent("--no-scan")
      defer { second.send(SIGKILL) }
      let detail = try await stage.waitForLog(created.log.id, status: "COMPLETED")
      #expect(detail.request?.delivery == 2)
      #expect(try customSoftQuotes(stage).filter { $0 == "Q-1042" }.count == 1)
    }

    @Test(
      "A server killed under load has every report that it acknowledged",
      arguments: [1, 700, 3000])
    func serverKilledUnderLoad(afterReports: Int) async throws {
      let stage = try await Stage()
      let key = try await stage.createIntegration()
      let load = try ReportLoad(address: stage.tcp, key: key)
      try await stage.killServer(under: load, afterReports: afterReports)
      try await stage.restartServer()
      let again = try ReportLoad(address: stage.tcp, key: key)
      for sent in load.sent {
        let wasStored = try again.repeatReport(sent)
        if load.acknowledged.contains(sent) { #expect(wasStored, "\(sent) was acknowledged") }
      }
      let logs = try await stage.ctl("logs", "list", "--limit", "100000", as: [LogJSON].self)
      #expect(Set(logs.map(\.id)) == load.sent)
      #expect(logs.count == load.sent.count)
    }

    @Test(
      "requests create --wait goes on over a restart of the server", arguments: [SIGKILL, SIGTERM])
    func waitOverRestart(signal: Int32) async throws {
      let stage = try await Stage(flags: ["--grace-time", "100ms"])
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent("--no-scan", "--pause-ms", "1000")
      defer { agent.send(SIGKILL) }
      try await stage.waitForAction("export_quote")
      let waiting = try Program(
        Program.built("integrationctl"),
        ["requests", "create", "customsoft", "export_quote", "--entity", "Q-1042", "--wait"],
        environment: ["INTEGRATION_SERVER": stage.unix])
      defer { waiting.send(SIGKILL) }
      let queued = try await waiting.waitForError(containing: "Queued ")
      let id = try #require(queued.split { " ;".contains($0) }.dropFirst().first.map(String.init))
      try await stage.waitForLog(id, status: "IN_PROGRESS")
      stage.server.send(signal)
      try await stage.server.waitForEnd()

      try await stage.restartServer()
      #expect(try await waiting.waitForEnd() == .code(0), "\(waiting.standardError)")
      #expect(waiting.standardOutput.hasPrefix("COMPLETED"))
    }

    @Test("An agent sends what it did while the server was away")
    func outbox() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent(
        "--pause-ms", "50", "--scan-every", "100ms", "--quotes",
        try emptyFolder(stage))
      try await stage.waitForAction("export_quote")
      try await stage.killServer()
      let quote = """
        quote_number,account,contact_name,contact_email,currency,valid_until,part_number,\
        description,quantity,unit_price
        Q-9001,Acme,Ada,ada@acme.example,USD,2027-03-31,HSG-220,Housing,24,186.50

        """
      try stage.scratch.write(quote, to: "quotes/new.csv")
      try await eventually("Q-9001 in CustomSoft") {
        try customSoftQuotes(stage).contains("Q-9001") ? true : nil
      }
      try await stage.restartServer()
      try await eventually("the export's log", within: .seconds(40)) {
        let logs = try await stage.ctl("logs", "list", as: [LogJSON].self)
        return logs.first { $0.entity?.id == "Q-9001" && $0.status == "COMPLETED" }
      }
      agent.send(SIGTERM)
      #expect(try await agent.waitForEnd() == .code(0))
    }

    private func emptyFolder(_ stage: Stage) throws -> String {
      let path = stage.scratch.file("quotes")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      return path
    }
  }
}
