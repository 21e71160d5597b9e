import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Deleting an integration")
struct DeletionTests {
  @Test("Its agents are cut off, its name becomes free, the audit keeps who did it")
  func whole() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    for _ in 0..<20 { _ = try await agent.report { _ in } }
    let request = try await harness.request("Q-9")
    async let waiting = failure { try await agent.poll(waitMs: 60_000, actions: ["other"]) }
    try await eventually("the poll waits") { harness.service.polls.count == 1 ? true : nil }
    var delete = DeleteIntegrationRequest()
    delete.name = "customsoft"
    let refused = try await failure { [delete] in
      try await harness.operators.deleteIntegration(delete)
    }
    #expect(refused.reason == "INTEGRATION_HAS_LOGS")
    delete.withLogs = true
    let reply = try await harness.operators.deleteIntegration(delete)
    #expect(reply.deletedLogs == 21 && reply.cancelledRequests == 1)
    #expect(try await waiting.reason == "TOKEN_REVOKED")
    #expect(try await failure { try await harness.log(request.id) }.reason == "LOG_UNKNOWN")
    let entries = try await harness.audit { $0.action = "DeleteIntegration" }
    #expect(Set(entries.map { $0.target.prefix { $0 != "/" } }) == ["integration", "key"])
    #expect(entries.allSatisfy { $0.after.isEmpty && !$0.before.isEmpty })
    let list = try await harness.operators.listIntegrations(ListIntegrationsRequest())
    #expect(list.integrations.isEmpty)
    try await eventually("the name is free") {
      do {
        return try await harness.createIntegration()
      } catch let error as RPCError where error.reason == "INTEGRATION_EXISTS" {
        return nil
      }
    }
    var filter = ListLogsRequest()
    filter.filter = LogFilter()
    filter.filter?.integrations = ["customsoft"]
    #expect(try await harness.operators.listLogs(filter).logs.isEmpty)
    // A new agent begins as in any other integration.
    let fresh = try await harness.agent()
    #expect(try await fresh.report { _ in }.status == .completed)
  }

  @Test("What a stop leaves is removed after the next start")
  func restart() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    for _ in 0..<5 { _ = try await agent.report { _ in } }
    let id = try #require(harness.service.catalogue.integration(named: "customsoft")).id
    _ = try await harness.store.perform(
      .deleteIntegration(id, logs: .included, principal: "operator:local"), now: ServerClock.now)
    let again = try await Harness(directory: await harness.stop())
    try await eventually("the name is free") {
      do {
        return try await again.createIntegration()
      } catch let error as RPCError where error.reason == "INTEGRATION_EXISTS" {
        return nil
      }
    }
  }
}
