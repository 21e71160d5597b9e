import Glibc
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

/// Retention, backup, check, export and import, as operators call them.
@Suite struct KeepingTests {
  private func filled(_ count: Int) async throws -> Harness {
    let harness = try await Harness()
    let agent = try await harness.agent()
    for number in 0..<count {
      _ = try await agent.report { $0.status = number % 4 == 0 ? .failed : .completed }
    }
    return harness
  }

  private func rule(_ status: LogStatus, age: UInt64 = 0, bytes: UInt64 = 0) -> RetentionRule {
    var rule = RetentionRule()
    rule.status = status
    rule.maximumAgeMs = age
    rule.maximumBytes = bytes
    return rule
  }

  private func set(_ rules: [RetentionRule], _ harness: Harness) async throws {
    var request = SetRetentionRequest()
    request.rules = rules
    _ = try await harness.operators.setRetention(request)
  }

  @Test("Logs are kept for ever until a rule says otherwise, and a pruning says what it did")
  func retention() async throws {
    let harness = try await filled(40)
    let before = try await harness.operators.getRetention(GetRetentionRequest())
    #expect(before.rules.count == 4)
    #expect(before.rules.allSatisfy { $0.maximumAgeMs == 0 && $0.maximumBytes == 0 })
    #expect(before.sizes.map(\.logs) == [30, 10, 0, 0])
    let info = try await harness.operators.getServerInfo(GetServerInfoRequest())
    #expect(info.limits["retention completed"] == "for ever")
    try await set([rule(.completed, bytes: before.sizes[0].bytes / 2)], harness)
    var dry = PruneLogsRequest()
    dry.dryRun = true
    let counted = try await harness.operators.pruneLogs(dry)
    #expect(counted.removedLogs == 15)
    let pruned = try await harness.operators.pruneLogs(PruneLogsRequest())
    #expect(pruned.removedLogs == 15 && pruned.done)
    let after = try await harness.operators.getRetention(GetRetentionRequest())
    #expect(after.pruning?.removedLogs == 15)
    #expect(after.pruning?.endedAt != nil)
    let check = try await harness.operators.checkStore(CheckStoreRequest())
    #expect(check.problems == [] && check.logs == 25)
    let audit = try await harness.operators.listAudit(ListAuditRequest()).entries.map(\.action)
    #expect(audit.contains("SetRetention") && audit.contains("PruneLogs"))
  }

  @Test("The server prunes by itself")
  func byItself() async throws {
    var limits = ServiceLimits()
    limits.pruneInterval = .milliseconds(20)
    let harness = try await Harness(limits: limits)
    let agent = try await harness.agent()
    for _ in 0..<10 { _ = try await agent.report { $0.status = .cancelled } }
    try await set([rule(.cancelled, age: 1)], harness)
    try await eventually("the logs to go") {
      let state = try await harness.operators.getRetention(GetRetentionRequest())
      return state.sizes[2].logs == 0 && state.pruning?.running == false ? true : nil
    }
  }

  @Test("Rules that make no sense are refused, each field named")
  func badRules() async throws {
    let harness = try await Harness()
    let bad = [rule(.queued, age: 5), rule(.failed, age: .max), rule(.failed, bytes: .max)]
    var request = SetRetentionRequest()
    request.rules = bad
    let sent = request
    let error = try await failure { try await harness.operators.setRetention(sent) }
    #expect(error.code == .invalidArgument)
    #expect(
      error.violations.map(\.field) == [
        "rules[0].status", "rules[1].maximum_age_ms", "rules[2].status", "rules[2].maximum_bytes",
      ])
    let empty = try await failure {
      try await harness.operators.setRetention(SetRetentionRequest())
    }
    #expect(empty.reason == "FIELD_INVALID")
  }

  @Test("A backup says how far it is and ends with the whole file; a second one is refused")
  func backup() async throws {
    let harness = try await filled(20)
    let scratch = try ScratchDirectory()
    var request = BackUpRequest()
    request.path = scratch.file("copy.db")
    var steps: [BackUpResponse] = []
    for try await step in harness.operators.backUp(request) { steps.append(step) }
    #expect(steps.last?.done == true)
    #expect(steps.contains { $0.totalBytes > 0 && $0.doneBytes == $0.totalBytes })
    #expect(access(scratch.file("copy.db"), F_OK) == 0)
    let sent = request
    let again = try await failure {
      for try await _ in harness.operators.backUp(sent) {}
    }
    #expect(again.code == .alreadyExists && again.reason == "BACKUP_FILE_EXISTS")
    var relative = request
    relative.path = "copy.db"
    let wrong = relative
    let error = try await failure {
      for try await _ in harness.operators.backUp(wrong) {}
    }
    #expect(error.violations.map(\.field) == ["path"])
  }

  private func export(_ harness: Harness) async throws -> [String] {
    var lines: [String] = []
    for try await page in harness.operators.exportData(ExportDataRequest()) { lines += page.lines }
    return lines
  }

  @Test("An export comes back into an empty server: lists, keys and tokens work there")
  func transfer() async throws {
    let harness = try await filled(600)
    _ = try await harness.request("Q-77")
    let lines = try await export(harness)
    let target = try await Harness()
    var request = ImportDataRequest()
    request.firstLine = 1
    for part in stride(from: 0, to: lines.count, by: 100) {
      request.lines = Array(lines[part..<min(part + 100, lines.count)])
      request.firstLine = UInt64(part + 1)
      let sent = request
      request.importID = try await target.operators.importData(sent).importID
    }
    request.lines = []
    request.finish = true
    let finishing = request
    let done = try await target.operators.importData(finishing)
    #expect(done.logs == 601 && done.integrations == 1 && done.lines == UInt64(lines.count))
    var list = ListLogsRequest()
    list.pageSize = 1_000
    let asked = list
    let expected = try await harness.operators.listLogs(asked).logs
    #expect(try await target.operators.listLogs(asked).logs == expected)
    // What was exported then: an agent's clocks are saved by and by.
    let old = lines.filter { !$0.contains("\"kind\":\"audit\"") }
    let new = try await export(target).filter { !$0.contains("\"kind\":\"audit\"") }
    #expect(old == new)
    // The agent goes on there with its key, and finds the request.
    let agent = TestAgent(id: "agent-1", channel: try target.connection())
    #expect(try await agent.poll().requests.map(\.entity?.id) == ["Q-77"])
    let again = try await failure {
      try await target.operators.importData(ImportDataRequest())
    }
    #expect(again.code == .failedPrecondition && again.reason == "STORE_NOT_EMPTY")
  }

  @Test("A broken line is named and nothing is imported")
  func broken() async throws {
    let harness = try await filled(3)
    var lines = try await export(harness)
    lines[2] = String(lines[2].dropLast(4))
    let target = try await Harness()
    var request = ImportDataRequest()
    request.firstLine = 1
    request.lines = lines
    request.finish = true
    let sent = request
    let error = try await failure { try await target.operators.importData(sent) }
    #expect(error.code == .invalidArgument && error.reason == "IMPORT_INVALID")
    #expect(error.message.hasPrefix("line 3: "))
    let list = try await target.operators.listIntegrations(ListIntegrationsRequest())
    #expect(list.integrations.isEmpty)
    _ = try await target.createIntegration()
  }
}
