import IntegrationAPI
import IntegrationModel
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Reports")
struct ReportTests {
  @Test("A whole attempt in one report is stored and shown as it was said")
  func wholeAttempt() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let reply = try await agent.report { report in
      report.labels = ["region": "north"]
      report.result = "{\"external\": \"SO-1\"}"
      report.errors = [RecordError()]
      report.errors[0].message = "line 3"
    }
    #expect(reply.status == .completed && reply.sequence == 1 && !reply.duplicate)
    let shown = try await harness.log(reply.logID)
    let log = try #require(shown.log)
    #expect(log.integration == "customsoft" && log.actionType == "export_quote")
    #expect(log.statusMessage == "Exported as SO-1" && log.agentID == "agent-1")
    #expect(log.labels == ["region": "north"] && log.recordErrors == 1)
    #expect(log.trigger == .event && log.entity?.id == "Q-1")
    #expect(shown.errors.map(\.message) == ["line 3"])
    #expect(shown.timeline.map(\.to) == [.completed])
    #expect(shown.timeline.first?.principal == "integration:customsoft")
    #expect(shown.integration?.supportContact == "help@customsoft.example")
  }

  @Test("A repeated or lower sequence changes nothing, also over a restart and after the end")
  func idempotent() async throws {
    var harness = try await Harness()
    var agent = try await harness.agent()
    let id = IntegrationService.newLogID().description
    let first = try await agent.report {
      $0.logID = id; $0.status = .inProgress; $0.sequence = 1
    }
    #expect(!first.duplicate)
    _ = try await agent.report {
      $0.logID = id; $0.sequence = 2
    }
    let directory = await harness.stop()
    harness = try await Harness(directory: directory)
    agent = TestAgent(id: "agent-1", channel: try harness.connection())
    for sequence in [1, 2] as [UInt64] {
      let reply = try await agent.report {
        $0.logID = id
        $0.sequence = sequence
        $0.status = .failed
      }
      #expect(reply.duplicate && reply.status == .completed && reply.sequence == 2)
    }
    #expect(try await harness.log(id).log?.status == .completed)
  }

  @Test("A different report after the end is refused, and kept as late")
  func final() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let done = try await agent.report { _ in }
    let refused = try await failure {
      try await agent.report {
        $0.logID = done.logID; $0.sequence = 2; $0.status = .failed
      }
    }
    #expect(refused.code == .failedPrecondition && refused.reason == "LOG_FINAL")
    let shown = try await harness.log(done.logID)
    #expect(shown.log?.status == .completed)
    #expect(shown.timeline.map(\.late) == [false, true])
  }

  static let wrong: [(String, @Sendable (inout LogReport) -> Void)] = [
    ("report.log_id", { $0.logID = "" }),
    ("report.log_id", { $0.logID = "0199c2a0-0000-4000-8000-000000000000" }),
    // Whether a log has it is for the store to say.
    ("log_id", { $0.logID = "ffffffff-ffff-7000-8000-000000000000" }),
    ("report.sequence", { $0.sequence = .max }),
    ("report.action_type", { $0.actionType = "Export Quote" }),
    ("report.entity.id", { $0.entity?.id = String(repeating: "é", count: 129) }),
    ("report.entity.type", { $0.entity?.type = "../" }),
    ("report.status", { $0.status = .unrecognized(99) }),
    ("report.trigger", { $0.trigger = .unrecognized(-1) }),
    ("report.status_message", { $0.statusMessage = String(repeating: "x", count: 4_097) }),
    ("report.labels", { report in for key in 0..<33 { report.labels["\(key)"] = "" } }),
    ("report.errors", { $0.errors = Array(repeating: RecordError(), count: 1_001) }),
    ("report.result", { $0.result = "SO-1" }),
    ("report.result", { $0.result = "\"" + String(repeating: "x", count: 262_144) + "\"" }),
    ("report.records_done", { $0.recordsDone = .max }),
  ]

  @Test("Each wrong field is named, with its limit", arguments: wrong.indices)
  func violations(index: Int) async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let (field, change) = Self.wrong[index]
    let refused = try await failure { try await agent.report(change) }
    #expect(refused.code == .invalidArgument && refused.reason == "FIELD_INVALID")
    #expect(refused.violations.map(\.field) == [field])
  }

  @Test("All wrong fields are named at once")
  func allViolations() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let refused = try await failure {
      try await agent.report {
        $0.logID = "x"; $0.actionType = "?"; $0.result = "{"
      }
    }
    #expect(
      refused.violations.map(\.field) == ["report.log_id", "report.action_type", "report.result"])
  }

  @Test("An action that nobody declared is unknown")
  func unknownAction() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let refused = try await failure { try await agent.report { $0.actionType = "import_moon" } }
    #expect(refused.reason == "ACTION_UNKNOWN")
  }

  @Test("A report without a report, or without an agent's id, is refused by name")
  func empty() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var request = ReportLogRequest()
    request.agentID = "agent-1"
    let missing = try await failure { [request] in try await agent.client.reportLog(request) }
    #expect(missing.violations.map(\.field) == ["report"])
    request.agentID = "Agent 1"
    let wrong = try await failure { [request] in try await agent.client.reportLog(request) }
    #expect(wrong.violations.map(\.field) == ["agent_id"])
  }

  @Test("A batch brings one outcome for each report, good and bad, in their order")
  func batch() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var request = ReportLogBatchRequest()
    request.agentID = "agent-1"
    request.reports = (0..<5).map { _ in LogReport.attempt() }
    request.reports[1].logID = "x"
    request.reports[3] = request.reports[2]
    request.reports[4].actionType = "import_moon"
    let outcomes = try await agent.client.reportLogBatch(request).outcomes
    #expect(outcomes.map(\.code) == [0, 3, 0, 0, 5] || outcomes[4].code != 0)
    #expect(outcomes.map(\.duplicate) == [false, false, false, true, false])
    #expect(outcomes[1].message.contains("reports[1].log_id"))
    #expect(outcomes[4].reason == "ACTION_UNKNOWN")
  }

  @Test("A batch holds at most 1000 reports")
  func batchLimit() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var request = ReportLogBatchRequest()
    request.agentID = "agent-1"
    request.reports = (0..<1_000).map { _ in LogReport.attempt() }
    let outcomes = try await agent.client.reportLogBatch(request).outcomes
    #expect(outcomes.count == 1_000 && outcomes.allSatisfy { $0.code == 0 })
    request.reports.append(.attempt())
    let refused = try await failure { [request] in
      try await agent.client.reportLogBatch(request)
    }
    #expect(refused.violations.map(\.field) == ["reports"])
  }

  @Test("A full disk is said in the server's log, once for many refused reports")
  func fullDisk() async throws {
    let harness = try await Harness(maximumDatabaseBytes: 400_000)
    let agent = try await harness.agent()
    let big = "\"" + String(repeating: "x", count: 100_000) + "\""
    for _ in 0..<4 { _ = try? await agent.report { $0.result = big } }
    let refused = try await failure { try await agent.report { $0.result = big } }
    #expect(refused.reason == "STORAGE_FULL")
    #expect(harness.lines.count(with: "event=storage_full") == 1)
    let status = try await harness.operators.getStatus(GetStatusRequest())
    #expect(status.troubles.first?.kind == "STORAGE_FULL")
    let counters = try await harness.operators.getServerInfo(GetServerInfoRequest()).counters
    #expect(counters["storage_full"] == 1)
    // What is stored a moment later shows nothing; what is stored after a quiet while does.
    let now = ServiceTimer<IntegrationService.Deadline>.nowMs
    harness.service.noteRoom(atMs: now, freeBytes: nil)
    harness.service.noteRoom(atMs: now + 60_000, freeBytes: 4_096)
    #expect(harness.lines.count(with: "event=storage_writable") == 0)
    harness.service.noteRoom(atMs: now + 60_000, freeBytes: nil)
    #expect(harness.lines.count(with: "event=storage_writable") == 1)
    let after = try await harness.operators.getStatus(GetStatusRequest())
    #expect(!after.troubles.contains { $0.kind == "STORAGE_FULL" })
  }

  @Test("A full disk that is freed while nobody writes is found to be free")
  func freedDisk() async throws {
    var limits = ServiceLimits()
    limits.agentSaveInterval = .milliseconds(100)
    let harness = try await Harness(limits: limits)
    let past = ServiceTimer<IntegrationService.Deadline>.nowMs - 2 * StoreHealth.quietMs
    harness.service.storeHealth.withLock { health in
      health.refused(atMs: past)
      health.isSaid = true
    }
    try await eventually("the disk is writable") {
      harness.lines.count(with: "event=storage_writable") == 1 ? true : nil
    }
  }

  @Test("An agent cannot touch a log of another integration")
  func foreignLog() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let id = IntegrationService.newLogID().description
    _ = try await agent.report {
      $0.logID = id; $0.status = .inProgress
    }
    try await harness.createIntegration("other")
    let intruder = TestAgent(id: "agent-1", channel: try harness.connection(of: "other"))
    try await intruder.register([.exportQuote])
    _ = try? await intruder.report {
      $0.logID = id; $0.sequence = 2; $0.status = .failed
    }
    #expect(try await harness.log(id).log?.status == .inProgress)
  }
}
