import IntegrationModel
import Testing

/// A set of clocks and the health that they show at second 1,000.
struct HealthCase: Sendable, CustomStringConvertible {
  var description: String
  var expected: AgentHealth
  var clocks = HealthClocks()

  init(
    _ description: String, _ expected: AgentHealth,
    _ change: (inout HealthClocks) -> Void = { _ in }
  ) {
    self.description = description
    self.expected = expected
    clocks.lastHeartbeat = second(995)
    clocks.heartbeatIntervalMs = 10_000
    clocks.isPolling = true
    change(&clocks)
  }
}

private func second(_ number: Int64) -> Instant { Instant(milliseconds: number * 1_000) }

@Suite struct AgentHealthTests {
  @Test("Health is judged by three clocks", arguments: AgentHealthTests.cases)
  func health(item: HealthCase) {
    let (health, reason) = item.clocks.health(at: second(1_000))
    #expect(health == item.expected)
    #expect(reason.hasSuffix("."))
  }

  static let cases: [HealthCase] = [
    HealthCase("never seen", .neverSeen) { $0.lastHeartbeat = nil },
    HealthCase("all is well", .up),
    HealthCase("at the limit", .up) { $0.lastHeartbeat = second(975) },
    HealthCase("past the limit", .down) { $0.lastHeartbeat = second(974) },
    HealthCase("default interval", .up) {
      $0.lastHeartbeat = second(940)
      $0.heartbeatIntervalMs = 0
    },
    HealthCase("said goodbye", .down) { $0.condition = .stopped },
    HealthCase("draining", .draining) { $0.condition = .draining },
    HealthCase("draining and silent", .down) {
      $0.condition = .draining
      $0.lastHeartbeat = second(900)
    },
    HealthCase("paused", .paused) { $0.isPaused = true },
    HealthCase("degraded without a word", .degraded) { $0.condition = .degraded },
    HealthCase("polls nothing, nothing waits", .up) { $0.isPolling = false },
    HealthCase("the zombie", .notTakingWork) {
      $0.isPolling = false
      $0.lastPoll = second(500)
      $0.requestsWaitSince = second(900)
    },
    HealthCase("between two polls", .up) {
      $0.isPolling = false
      $0.lastPoll = second(998)
      $0.requestsWaitSince = second(900)
    },
    HealthCase("a request that just came", .up) {
      $0.isPolling = false
      $0.requestsWaitSince = second(996)
    },
    HealthCase("polling while requests wait", .up) { $0.requestsWaitSince = second(900) },
  ]

  @Test("One that is not connected does not take work, and is said to be gone soon")
  func notConnected() {
    var clocks = HealthClocks(lastHeartbeat: second(995), heartbeatIntervalMs: 10_000)
    clocks.isConnected = false
    let (health, reason) = clocks.health(at: second(1_000))
    #expect(health == .up)
    #expect(
      reason == "It phoned home 5 s ago and is not connected now; it is down in 20 s unless it "
        + "comes back.")
    clocks.endedKey = "aaaaaaaa"
    #expect(clocks.health(at: second(1_000)).0 == .down)
    clocks.isConnected = true
    #expect(clocks.health(at: second(1_000)).0 == .up)
  }

  @Test("A degraded agent's own words are shown")
  func ownWords() {
    var clocks = HealthClocks(lastHeartbeat: second(1_000), condition: .degraded)
    clocks.conditionMessage = "CustomSoft is not reached."
    #expect(clocks.health(at: second(1_000)).reason == "CustomSoft is not reached.")
  }
}
