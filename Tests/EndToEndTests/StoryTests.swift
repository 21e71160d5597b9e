import Foundation
import SQLiteDatabase
import TestSupport
import Testing

extension EndToEnd {
  /// The main job with the real programs: register, report, poll, phone home, ask, cancel.
  @Suite struct StoryTests {
    @Test("An operator asks for an export, the agent does it, and all of it can be seen")
    func requestedExport() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent("--no-scan")
      try await stage.waitForAction("export_quote")

      let detail = try await stage.ctl(
        "requests", "create", "customsoft", "export_quote", "--entity", "Q-1042", "--wait",
        as: LogDetailJSON.self)
      #expect(detail.log.status == "COMPLETED")
      #expect(detail.log.result.contains("externalNumber"))
      #expect(detail.timeline.first?.cause == "REQUEST")
      #expect(detail.request?.delivery == 1)

      let status = try await stage.ctl("status")
      #expect(status.end == .code(0))
      #expect(status.standardOutput.contains("customsoft"))
      let shown = try await stage.ctl("integrations", "show", "customsoft")
      for text in ["CustomSoft GmbH", "support@customsoft.example", "export_quote"] {
        #expect(shown.standardOutput.contains(text), "\(text)")
      }
      #expect(try await stage.ctl("agents", "list").standardOutput.contains("customsoft-1"))

      agent.send(SIGTERM)
      #expect(try await agent.waitForEnd() == .code(0))
      stage.server.send(SIGTERM)
      #expect(try await stage.server.waitForEnd() == .code(0))
    }

    @Test(
      "The agent exports the quotes of its folder once, and fails the wrong ones with a sentence")
    func folder() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let first = try stage.startAgent("--once")
      #expect(try await first.waitForEnd() == .code(0))
      let logs = try await stage.ctl("logs", "list", as: [LogJSON].self)
      let wrong = try #require(logs.first { $0.entity?.id == "Q-1044" })
      #expect(wrong.status == "FAILED")
      #expect(wrong.statusMessage.contains("quantity"))
      #expect(logs.first { $0.entity?.id == "Q-1042" }?.status == "COMPLETED")
      let quotes = try customSoftQuotes(stage)
      #expect(Set(quotes).count == quotes.count)

      let again = try stage.startAgent("--once")
      #expect(try await again.waitForEnd() == .code(0))
      #expect(try customSoftQuotes(stage) == quotes)
    }

    @Test("A cancel reaches a running bulk import")
    func cancelRunning() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent("--no-scan", "--pause-ms", "500")
      defer { agent.send(SIGKILL) }
      try await stage.waitForAction("bulk_import_contacts")
      let created = try await stage.ctl(
        "requests", "create", "customsoft", "bulk_import_contacts", as: CreatedJSON.self)
      try await stage.waitForLog(created.log.id, status: "IN_PROGRESS")
      let cancel = try await stage.ctl(
        "requests", "cancel", created.log.id, "--reason", "wrong file", "--yes")
      #expect(cancel.end == .code(0))
      let detail = try await stage.waitForLog(created.log.id, status: "CANCELLED")
      #expect(detail.timeline.contains { $0.cause == "REPORT" && $0.to == "CANCELLED" })
    }

    @Test("logs tail --follow shows a log as it changes")
    func tail() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent("--no-scan")
      defer { agent.send(SIGKILL) }
      try await stage.waitForAction("export_quote")
      let tail = try Program(
        Program.built("integrationctl"), ["logs", "tail", "--follow", "--output", "jsonl"],
        environment: ["INTEGRATION_SERVER": stage.unix])
      // Requests until the tail shows one: it cannot say when it has begun to listen.
      try await eventually("a completed log in the tail") {
        try await stage.ctl(
          "requests", "create", "customsoft", "export_quote", "--entity", "Q-1042", "--wait")
        return tail.standardOutput.contains("\"COMPLETED\"") ? true : nil
      }
      tail.send(SIGINT)
      #expect(try await tail.waitForEnd() == .code(130))
    }
  }
}

/// The quote numbers in CustomSoft's own database, one for each row.
func customSoftQuotes(_ stage: Stage) throws -> [String] {
  let database = try SQLiteConnection(path: stage.scratch.file("customsoft.db"), mode: .readOnly)
  return try database.rows("SELECT number FROM quote ORDER BY number")
    .compactMap { $0.first?.text }
}
