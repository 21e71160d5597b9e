import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// Schedules with the real programs.
  @Suite struct ScheduleTests {
    @Test("A schedule runs by itself, survives a kill of the server, and shows what it made")
    func schedule() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent("--no-scan")
      try await stage.waitForAction("export_quote")
      let created = try await stage.ctl(
        "schedules", "create", "customsoft", "export_quote", "--every", "1s", "--entity", "Q-1042",
        "--name", "often")
      #expect(created.end == .code(0), "\(created.standardError)")
      #expect(created.standardOutput.contains("Created schedule often: every 1s."))
      try await waitForRuns(2, stage)

      try await stage.killServer()
      try await stage.restartServer()
      let before = try await show(stage).schedule.runs ?? "0"
      try await waitForRuns((Int(before) ?? 0) + 1, stage)
      let paused = try await stage.ctl("schedules", "pause", "often", "--reason", "enough")
      #expect(paused.end == .code(0))
      let shown = try await show(stage)
      #expect(shown.schedule.paused == true)
      #expect(!shown.recent.isEmpty)
      #expect(shown.recent.allSatisfy { $0.requestedBy == "schedule:often" })

      let triggered = try await stage.ctl("schedules", "trigger", "often", as: CreatedJSON.self)
      try await stage.waitForLog(triggered.log.id, status: "COMPLETED")
      // One key for each firing: no time has made two requests.
      let logs = try await stage.ctl(
        "logs", "list", "--trigger", "SCHEDULE", "-n", "1000", as: [LogJSON].self)
      let runs = try await show(stage).schedule.runs ?? "0"
      #expect("\(logs.count)" == runs)
      agent.send(SIGTERM)
      try await agent.waitForEnd()
    }

    @Test("Bad input is said with the right exit code, and nothing is made")
    func badInput() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent("--no-scan")
      try await stage.waitForAction("export_quote")
      let base = ["customsoft", "export_quote", "--entity", "Q-1042"]
      let cases: [([String], Int32, String)] = [
        (["--cron", "0 0 30 2 *"], 2, "it never fires"),
        (["--cron", "0 2 * * *", "--time-zone", "Europe/Berln"], 1, "did you mean Europe/Berlin?"),
        (["--cron", "0 2 * * *", "--input", "{"], 1, "INPUT_INVALID"),
      ]
      for (flags, code, part) in cases {
        let output = try await Program.run(
          Program.built("integrationctl"), ["schedules", "create"] + base + flags,
          environment: ["INTEGRATION_SERVER": stage.unix])
        #expect(output.end == .code(code), "\(flags)")
        #expect(output.standardError.contains(part), "\(output.standardError)")
      }
      let unknown = try await stage.ctl("schedules", "show", "nightly")
      #expect(unknown.end == .code(5))
      let preview = try await stage.ctl(
        "schedules", "preview", "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin", "--from",
        "2027-03-28", "-n", "1")
      #expect(preview.standardOutput.contains("2027-03-28T03:00:00+02:00"))
      agent.send(SIGTERM)
      try await agent.waitForEnd()
    }

    private func show(_ stage: Stage) async throws -> ShownScheduleJSON {
      try await stage.ctl("schedules", "show", "often", as: ShownScheduleJSON.self)
    }

    private func waitForRuns(_ count: Int, _ stage: Stage) async throws {
      try await eventually("\(count) runs", within: .seconds(60)) {
        let runs = try await show(stage).schedule.runs ?? "0"
        return (Int(runs) ?? 0) >= count ? true : nil
      }
    }
  }
}

private struct ShownScheduleJSON: Decodable, Sendable {
  struct ScheduleJSON: Decodable, Sendable {
    let runs: String?
    let paused: Bool?
  }
  struct RunJSON: Decodable, Sendable {
    let requestedBy: String
  }
  let schedule: ScheduleJSON
  let recent: [RunJSON]
}
