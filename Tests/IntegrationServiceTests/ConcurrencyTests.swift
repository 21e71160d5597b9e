import IntegrationAPI
import IntegrationModel
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Many at once", .limit(minutes: 3))
struct ConcurrencyTests {
  @Test("With many agents and operators at once, every request reaches exactly one agent")
  func everyRequestOnce() async throws {
    let harness = try await Harness()
    let agents = 8
    let requests = 200
    _ = try await harness.agent("agent-0")
    let held = try await withThrowingTaskGroup(of: [String].self) { group in
      for number in 0..<agents {
        group.addTask {
          let agent = TestAgent(id: "agent-\(number)", channel: try harness.connection())
          return try await Self.work(agent)
        }
      }
      for operatorNumber in 0..<4 {
        group.addTask {
          for number in 0..<(requests / 4) {
            try await harness.request("Q-\(operatorNumber)-\(number)")
          }
          return []
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(held.count == requests && Set(held).count == requests)
    let open = try await harness.operators.listRequests(ListRequestsRequest())
    #expect(open.requests.isEmpty)
  }

  /// Takes and completes requests until none has come for a while; returns their logs.
  private static func work(_ agent: TestAgent) async throws -> [String] {
    var held: [String] = []
    while let request = try await agent.poll(waitMs: 2_000).requests.first {
      held.append(request.logID)
      _ = try await agent.report(on: request, .completed)
    }
    return held
  }

  @Test("A server that drains answers waiting polls, ends tails, and stops")
  func drain() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let polled = Task { try await agent.poll(waitMs: 60_000) }
    let tailed = Task {
      for try await _ in harness.operators.tailLogs(TailLogsRequest()) {}
    }
    try await harness.untilPollsWait(1)
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    harness.server.beginGracefulShutdown()
    #expect(try await polled.value.requests.isEmpty)
    let ended = try await failure { try await tailed.value }
    #expect(ended.code == .unavailable && ended.reason == "SHUTTING_DOWN")
    await harness.server.waitUntilStopped()
  }

  @Test("While the store takes nothing, calls are refused and heartbeats go on")
  func storeClosed() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    await harness.store.close()
    let refused = try await failure { try await agent.report { _ in } }
    #expect(refused.code == .resourceExhausted && refused.reason == "STORE_BUSY")
    let unpolled = try await failure { try await agent.poll(waitMs: 60_000) }
    #expect(unpolled.reason == "STORE_BUSY" && harness.service.polls.count == 0)
    let unread = try await failure {
      try await harness.operators.listLogs(ListLogsRequest())
    }
    #expect(unread.code == .unavailable && unread.reason == "SHUTTING_DOWN")
    #expect(try await agent.heartbeat().serverTime != nil, "a heartbeat needs no store")
  }
}
