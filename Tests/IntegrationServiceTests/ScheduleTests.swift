import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCWire
import Synchronization
import TestSupport
import Testing

@testable import IntegrationService

/// A wall clock that a test sets.
final class ManualClock: Sendable {
  private let time: Mutex<Instant>

  init(_ milliseconds: Int64) { time = Mutex(Instant(milliseconds: milliseconds)) }

  var now: Instant {
    get { time.withLock { $0 } }
    set { time.withLock { $0 = newValue } }
  }

  func advance(seconds: Int64) {
    time.withLock { $0 = $0.adding(milliseconds: seconds * 1_000) }
  }
}

@Suite struct ScheduleTests {
  /// 2026-11-24T08:30:00Z.
  static let start: Int64 = 1_795_509_000_000

  let clock = ManualClock(start)

  private func harness(
    directory: ScratchDirectory? = nil, zones: String? = nil
  ) async throws -> Harness {
    let clock = clock
    return try await Harness(directory: directory) { configuration in
      configuration.clock = { clock.now }
      if let zones { configuration.zoneDirectory = zones }
    }
  }

  // MARK: - Firing

  @Test("A time makes a request that an agent gets, and the next time follows")
  func fires() async throws {
    let harness = try await harness()
    let agent = try await harness.agent()
    let made = try await harness.schedule { $0.intervalMs = 60_000 }
    #expect(made.name == "export_quote" && made.runs == 0 && made.createdBy == "operator:local")
    #expect(made.nextAt?.milliseconds == Self.start + 60_000)
    clock.advance(seconds: 59)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == 0, "never early")
    clock.advance(seconds: 1)
    await harness.fireDue()
    await harness.fireDue()
    let held = try #require(try await agent.poll().requests.first)
    #expect(held.requestedBy == "schedule:export_quote")
    #expect(held.idempotencyKey == "schedule export_quote 2026-11-24T08:31:00Z")
    let shown = try await harness.getSchedule(made.name)
    #expect(shown.schedule?.runs == 1 && shown.schedule?.lastLogID == held.logID)
    #expect(shown.schedule?.lastStatus == .queued && shown.recent.map(\.id) == [held.logID])
    #expect(shown.recent.first?.trigger == .schedule)
    #expect(shown.next.count == 5 && shown.next.first?.local == "2026-11-24T08:32:00+00:00")
  }

  @Test("A clock that is set back fires nothing twice, one set forward fires at once")
  func clockJumps() async throws {
    let harness = try await harness()
    _ = try await harness.agent()
    let made = try await harness.schedule {
      $0.intervalMs = 60_000
      $0.overlap = .queue
    }
    clock.advance(seconds: 60)
    await harness.fireDue()
    clock.advance(seconds: -3_600)
    await harness.fireDue()
    clock.advance(seconds: 3_600)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == 1)
    clock.advance(seconds: 60)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == 2)
  }

  @Test("Jitter is stored with the time, and is waited for")
  func jitter() async throws {
    var harness = try await harness()
    _ = try await harness.agent()
    let made = try await harness.schedule {
      $0.cron = "@daily"
      $0.jitterMs = 3_600_000
    }
    let firesAt = try #require(made.firesAt).instant
    let next = try #require(made.nextAt).instant
    #expect(firesAt > next && firesAt.milliseconds(since: next) <= 3_600_000)
    harness = try await self.harness(directory: await harness.stop())
    #expect(try await harness.schedule(named: made.name).firesAt?.instant == firesAt)
    clock.now = firesAt.adding(milliseconds: -1)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == 0)
    clock.now = firesAt
    await harness.fireDue()
    let fired = try await harness.schedule(named: made.name)
    #expect(fired.runs == 1 && fired.lastAt?.instant == next, "the run counts for its set time")
  }

  @Test("The timer fires by itself")
  func timer() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.schedule { $0.intervalMs = 1_000 }
    let held = try await agent.poll(waitMs: 30_000)
    #expect(held.requests.first?.requestedBy == "schedule:export_quote")
  }

  @Test(
    "After downtime: none, the last or all of what was missed, each once",
    arguments: [(CatchUp.none, 0), (.last, 1), (.all, 10)] as [(CatchUp, UInt64)])
  func catchUp(policy: CatchUp, runs: UInt64) async throws {
    var harness = try await harness()
    _ = try await harness.agent()
    let made = try await harness.schedule {
      $0.intervalMs = 600_000
      $0.catchUp = policy
    }
    let directory = await harness.stop()
    clock.advance(seconds: 6_100)
    harness = try await self.harness(directory: directory)
    for _ in 0..<20 { await harness.fireDue() }
    let shown = try await harness.schedule(named: made.name)
    #expect(shown.runs == runs && shown.skipped == 10 - runs)
    #expect(shown.nextAt?.milliseconds == Self.start + 6_600_000)
    let again = await harness.stop()
    harness = try await self.harness(directory: again)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == runs, "not again")
  }

  @Test("While paused times pass, and are not made up for; a trigger works all the same")
  func pause() async throws {
    let harness = try await harness()
    _ = try await harness.agent()
    let made = try await harness.schedule { $0.intervalMs = 60_000 }
    var pause = PauseScheduleRequest()
    pause.name = made.name
    pause.reason = "upgrade"
    let paused = try await harness.operators.pauseSchedule(pause).schedule
    #expect(paused?.paused == true && paused?.pauseReason == "upgrade" && paused?.nextAt == nil)
    clock.advance(seconds: 150)
    await harness.fireDue()
    var trigger = TriggerScheduleRequest()
    trigger.name = made.name
    let log = try #require(try await harness.operators.triggerSchedule(trigger).log)
    #expect(log.trigger == .schedule && log.requestedBy == "operator:local")
    var resume = ResumeScheduleRequest()
    resume.name = made.name
    let resumed = try await harness.operators.resumeSchedule(resume).schedule
    #expect(resumed?.nextAt?.milliseconds == Self.start + 180_000 && resumed?.runs == 1)
    #expect(resumed?.skipped == 0)
  }

  @Test("An action that changes or is retired is said in the schedule and in status")
  func failing() async throws {
    let harness = try await harness()
    let agent = try await harness.agent(declaring: [.bulkImport])
    let made = try await harness.schedule {
      $0.actionType = "bulk_import"
      $0.input = #"{"file": "a"}"#
      $0.intervalMs = 60_000
    }
    var stricter = ActionDefinition.bulkImport
    stricter.inputSchema = #"{"type": "object", "required": ["folder"]}"#
    try await agent.register([stricter])
    clock.advance(seconds: 60)
    await harness.fireDue()
    let shown = try await harness.schedule(named: made.name)
    #expect(shown.runs == 0 && shown.failures == 1)
    #expect(shown.lastError.contains("INPUT_INVALID") && shown.lastError.contains("folder"))
    #expect(shown.nextAt?.milliseconds == Self.start + 120_000)
    let status = try await harness.operators.getStatus(GetStatusRequest())
    let trouble = try #require(status.troubles.first { $0.kind == "SCHEDULE_FAILING" })
    #expect(trouble.message.contains("bulk_import") && trouble.integration == "customsoft")
    #expect(trouble.nextStep == "integrationctl schedules show bulk_import")
    try await agent.register([.bulkImport])
    clock.advance(seconds: 60)
    await harness.fireDue()
    #expect(try await harness.schedule(named: made.name).runs == 1)
    let after = try await harness.operators.getStatus(GetStatusRequest())
    #expect(!after.troubles.contains { $0.kind == "SCHEDULE_FAILING" })
  }

  @Test("Hundreds that are due at once all fire, each once")
  func many() async throws {
    let harness = try await harness()
    _ = try await harness.agent()
    for number in 0..<450 {
      try await harness.schedule {
        $0.name = "s\(number)"
        $0.entity?.id = "Q-\(number)"
        $0.intervalMs = 60_000
      }
    }
    clock.advance(seconds: 60)
    for _ in 0..<4 { await harness.fireDue() }
    let all = try await harness.list()
    #expect(all.count == 450 && all.allSatisfy { $0.runs == 1 })
  }

  // MARK: - Changing

  @Test("An update changes what it names; a new time counts from now")
  func update() async throws {
    let harness = try await harness()
    _ = try await harness.agent()
    let made = try await harness.schedule {
      $0.cron = "30 2 * * *"
      $0.timeZone = "Europe/Berlin"
    }
    #expect(made.nextAt?.instant.utcText == "2026-11-25T01:30:00Z")
    var request = UpdateScheduleRequest()
    request.schedule = Schedule()
    request.schedule?.name = made.name
    request.schedule?.overlap = .queue
    request.updateFields = ["overlap"]
    let same = try await harness.operators.updateSchedule(request).schedule
    #expect(same?.overlap == .queue && same?.cron == "30 2 * * *" && same?.nextAt == made.nextAt)
    request.schedule?.intervalMs = 60_000
    request.updateFields = ["interval_ms"]
    let interval = try await harness.operators.updateSchedule(request).schedule
    #expect(interval?.cron == "" && interval?.timeZone == "" && interval?.intervalMs == 60_000)
    #expect(interval?.nextAt?.milliseconds == Self.start + 60_000)
    request.updateFields = ["name"]
    let wrong = try await failure { try await harness.operators.updateSchedule(request) }
    #expect(wrong.reason == "FIELD_INVALID" && "\(wrong.violations)".contains("catch_up_window_ms"))
    request.updateFields = []
    #expect(
      try await failure { try await harness.operators.updateSchedule(request) }.reason
        == "FIELD_INVALID")
  }

  @Test("Names come from the action, and are numbered where it has several")
  func names() async throws {
    let harness = try await harness()
    _ = try await harness.agent()
    var names: [String] = []
    for _ in 0..<3 { names.append(try await harness.schedule { $0.intervalMs = 60_000 }.name) }
    #expect(names == ["export_quote", "export_quote-2", "export_quote-3"])
    let twice = try await failure {
      try await harness.schedule {
        $0.name = "export_quote-2"
        $0.intervalMs = 60_000
      }
    }
    #expect(twice.reason == "SCHEDULE_EXISTS" && twice.code == .alreadyExists)
    var page = ListSchedulesRequest()
    page.pageSize = 2
    let first = try await harness.operators.listSchedules(page)
    page.pageToken = first.nextPageToken
    let second = try await harness.operators.listSchedules(page)
    #expect(first.schedules.count == 2 && second.schedules.map(\.name) == ["export_quote-3"])
    #expect(second.nextPageToken.isEmpty)
    var delete = DeleteScheduleRequest()
    delete.name = "export_quote-2"
    _ = try await harness.operators.deleteSchedule(delete)
    #expect(try await harness.list().map(\.name) == ["export_quote", "export_quote-3"])
    let gone = try await failure { try await harness.operators.deleteSchedule(delete) }
    #expect(gone.reason == "SCHEDULE_UNKNOWN" && gone.code == .notFound)
  }
}

extension Harness {
  /// Makes a schedule of "Export Quote" on one record, unless `change` says otherwise.
  @discardableResult
  func schedule(_ change: (inout Schedule) -> Void) async throws -> Schedule {
    var schedule = Schedule()
    schedule.integration = "customsoft"
    schedule.actionType = "export_quote"
    schedule.entity = Entity()
    schedule.entity?.id = "Q-1"
    change(&schedule)
    if schedule.actionType != "export_quote" { schedule.entity = nil }
    var request = CreateScheduleRequest()
    request.schedule = schedule
    return try #require(try await operators.createSchedule(request).schedule)
  }

  func getSchedule(_ name: String) async throws -> GetScheduleResponse {
    var request = GetScheduleRequest()
    request.name = name
    return try await operators.getSchedule(request)
  }

  func schedule(named name: String) async throws -> Schedule {
    try #require(try await getSchedule(name).schedule)
  }

  func list() async throws -> [Schedule] {
    var request = ListSchedulesRequest()
    request.pageSize = 1_000
    return try await operators.listSchedules(request).schedules
  }

  /// Fires what is due by the service's clock, and waits until it is committed.
  func fireDue() async {
    service.fireSchedules()
    _ = try? await store.perform(.saveKeyUses([:]), now: ServerClock.now)
  }
}
