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

  @Test("Status says that the clock is in doubt, until it is believed")
  func doubt() async throws {
    let harness = try await Harness()
    var doubt = ClockDoubt()
    doubt.stepped(byMs: 315_360_000_000)
    harness.service.noteDoubt(doubt)
    let troubles = try await harness.operators.getStatus(GetStatusRequest()).troubles
    let trouble = try #require(troubles.first { $0.kind == "CLOCK_DOUBTED" })
    #expect(trouble.message.contains("3650 days ahead") && trouble.message.contains("24 h"))
    harness.service.noteDoubt(ClockDoubt())
    let later = try await harness.operators.getStatus(GetStatusRequest()).troubles
    #expect(!later.contains { $0.kind == "CLOCK_DOUBTED" })
  }

  @Test("An agent that was heard by a clock that was ahead is not heard for as long as that")
  func storedAhead() {
    var stored = StoredAgent(integration: 1, agentID: "agent-1", firstSeenAt: .epoch)
    stored.lastHeartbeatAt = Self.now.adding(milliseconds: 3_600_000)
    stored.lastPollAt = Self.now.adding(milliseconds: -1)
    let heard = stored.heard(before: Self.now)
    #expect(heard.lastHeartbeatAt == Self.now && heard.lastPollAt == stored.lastPollAt)
    #expect(heard.lastFrameAt == nil)
  }
}
