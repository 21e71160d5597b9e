import IntegrationAPI
import IntegrationModel
import IntegrationStore
import Testing

@testable import IntegrationService

@Suite struct ClockTests {
  private static let now = Instant(milliseconds: 1_795_509_000_000)

  private static func agent(heardAgoMs: Int64, by clock: Instant) -> AgentRecord {
    var stored = StoredAgent(integration: 1, agentID: "agent-1", firstSeenAt: .epoch)
    stored.lastHeartbeatAt = clock.adding(milliseconds: -heardAgoMs)
    return AgentRecord(stored)
  }

  @Test(
    "When an agent was heard moves with the clock, but not what an earlier run has noted",
    arguments: [3_600_000, -3_600_000, 315_360_000_000, -315_360_000_000] as [Int64])
  func agents(step: Int64) {
    let before = Self.now.adding(milliseconds: -step)
    let (recent, old) = (
      Self.agent(heardAgoMs: 5_000, by: before),
      Self.agent(heardAgoMs: 400_000_000_000, by: before)
    )
    let fresh = Self.agent(heardAgoMs: 0, by: Self.now)
    for record in [recent, old, fresh] {
      let table = AgentTable()
      table.load([record])
      table.clockMoved(
        byMs: step, now: Self.now, since: Self.now.adding(milliseconds: -60_000))
    }
    let heard = Self.now.adding(milliseconds: -5_000).milliseconds
    #expect(recent.lastHeartbeatMs.load(ordering: .relaxed) == heard)
    #expect(fresh.lastHeartbeatMs.load(ordering: .relaxed) == Self.now.milliseconds)
    #expect(
      old.lastHeartbeatMs.load(ordering: .relaxed) == before.milliseconds - 400_000_000_000)
  }

  @Test("A clock that was ten years ahead for a moment leaves a schedule its next hour")
  func schedules() async throws {
    let clock = ManualClock(1_795_509_000_000)
    let harness = try await Harness { $0.clock = { clock.now } }
    _ = try await harness.agent()
    let made = try await harness.schedule {
      $0.intervalMs = 60_000
      $0.overlap = .queue
      $0.catchUp = .last
    }
    clock.advance(seconds: 315_360_000)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == 1)
    clock.advance(seconds: -315_360_000)
    harness.service.clockMoved(byMs: -315_360_000_000)
    await harness.fireDue()
    let next = try #require(try await harness.schedule(named: made.name).nextAt).instant
    #expect(next == clock.now.adding(milliseconds: 60_000))
    #expect(try await harness.schedule(named: made.name).lastError.isEmpty)
    clock.advance(seconds: 60)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == 2)
    // Back over a time that has run: it does not run again, and is no failure.
    clock.advance(seconds: -60)
    harness.service.clockMoved(byMs: -60_000)
    await harness.fireDue()
    clock.advance(seconds: 60)
    await harness.fireDue()
    let shown = try await harness.schedule(named: made.name)
    #expect(shown.runs == 2 && shown.failures == 0)
  }

  @Test("A clock that was set far ahead is doubted until it is set back")
  func doubt() async throws {
    let harness = try await Harness()
    #expect(!harness.service.doubtsClock)
    harness.service.clockMoved(byMs: 60_000)
    #expect(!harness.service.doubtsClock)
    harness.service.clockMoved(byMs: 315_360_000_000)
    #expect(harness.service.doubtsClock)
    harness.service.clockMoved(byMs: -315_360_000_000)
    #expect(!harness.service.doubtsClock)
  }
}
