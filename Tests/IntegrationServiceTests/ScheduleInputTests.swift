import IntegrationAPI
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite struct ScheduleInputTests {
  static let zoned: @Sendable (String) -> (inout Schedule) -> Void = { zone in
    { schedule in
      schedule.cron = "@daily"
      schedule.timeZone = zone
    }
  }

  typealias Wrong = (field: String, part: String, change: (inout Schedule) -> Void)

  static func wrongTimes() -> [Wrong] {
    [
      ("schedule.cron", "both are empty", { _ in }),
      ("schedule.cron", "field hour, at character 3", { $0.cron = "0 25 * * *" }),
      ("schedule.cron", "never fires", { $0.cron = "0 0 30 2 *" }),
      ("schedule.interval_ms", "0 or 1000 to", { $0.intervalMs = 999 }),
      ("schedule.time_zone", "did you mean Europe/Berlin", zoned("Europe/Berln")),
      ("schedule.time_zone", "the name of a time zone", zoned("../../etc/passwd")),
      ("schedule.time_zone", "there is no time zone \"Europe\"", zoned("Europe")),
      (
        "schedule.cron", "both are given",
        {
          $0.cron = "@daily"
          $0.intervalMs = 60_000
        }
      ),
      (
        "schedule.time_zone", "expected none",
        {
          $0.intervalMs = 60_000
          $0.timeZone = "UTC"
        }
      ),
    ]
  }

  static func wrongFields() -> [Wrong] {
    [
      ("schedule.name", "expected [a-z0-9]", { $0.name = "Nightly!" }),
      ("schedule.jitter_ms", "0 or 1 to 86400000", { $0.jitterMs = 86_400_001 }),
      ("schedule.catch_up_window_ms", "0 or 1000 to", { $0.catchUpWindowMs = .max }),
      ("schedule.overlap", "expected 0 to 3", { $0.overlap = Overlap(rawValue: 9) }),
      ("entity.id", "needs a record", { $0.entity = nil }),
    ]
  }

  @Test("Whatever is wrong with a schedule is named, and nothing is made")
  func badFields() async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    let daily = Self.wrongFields().map { wrong in
      (
        wrong.field, wrong.part,
        { (schedule: inout Schedule) in
          schedule.cron = "@daily"
          wrong.change(&schedule)
        }
      )
    }
    for (field, part, change) in Self.wrongTimes() + daily {
      let error = try await failure { try await harness.schedule(change) }
      #expect(error.reason == "FIELD_INVALID", "\(error)")
      let violation = try #require(error.violations.first)
      #expect(violation.field == field && violation.description.contains(part), "\(violation)")
    }
    #expect(try await harness.list().isEmpty)
  }

  @Test("Actions and integrations that are not there, and input against the schema")
  func unknown() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [.exportQuote, .bulkImport])
    let reasons: [(String, (inout Schedule) -> Void)] = [
      ("INTEGRATION_UNKNOWN", { $0.integration = "nobody" }),
      ("ACTION_UNKNOWN", { $0.actionType = "export_quotes" }),
      ("INPUT_INVALID", { $0.input = "{}" }),
      (
        "INPUT_INVALID",
        {
          $0.actionType = "bulk_import"
          $0.input = #"{"file": 3}"#
        }
      ),
    ]
    for (reason, change) in reasons {
      let error = try await failure {
        try await harness.schedule {
          $0.cron = "@daily"
          change(&$0)
        }
      }
      #expect(error.reason == reason)
    }
    var watch = ActionDefinition()
    watch.type = "watch"
    var retire = RegisterActionRequest()
    retire.agentID = agent.id
    retire.actions = [watch]
    retire.retireUndeclared = true
    _ = try await agent.client.registerAction(retire)
    for (action, reason) in [
      ("watch", "ACTION_NOT_REQUESTABLE"), ("export_quote", "ACTION_RETIRED"),
    ] {
      let error = try await failure {
        try await harness.schedule {
          $0.cron = "@daily"
          $0.actionType = action
        }
      }
      #expect(error.reason == reason)
    }
  }

  @Test("Without zone files the server starts, UTC works, and others say what to install")
  func withoutZones() async throws {
    var harness = try await Harness()
    _ = try await harness.agent()
    let berlin = try await harness.schedule {
      $0.name = "berlin"
      $0.cron = "0 2 * * *"
      $0.timeZone = "Europe/Berlin"
    }
    #expect(berlin.nextAt != nil)
    let directory = await harness.stop()
    harness = try await Harness(directory: directory) { $0.zoneDirectory = "/nonexistent/zones" }
    #expect(harness.lines.count(with: "event=schedule_stopped schedule=berlin") == 1)
    let stopped = try await harness.schedule(named: "berlin")
    #expect(stopped.lastError.contains("install the package tzdata"))
    let status = try await harness.operators.getStatus(GetStatusRequest())
    #expect(status.troubles.contains { $0.kind == "SCHEDULE_FAILING" })
    try await harness.schedule {
      $0.name = "utc"
      $0.cron = "0 2 * * *"
      $0.timeZone = "UTC"
    }
    let error = try await failure {
      try await harness.schedule {
        $0.cron = "0 2 * * *"
        $0.timeZone = "Europe/Paris"
      }
    }
    #expect(error.reason == "TIME_ZONES_MISSING" && error.message.contains("tzdata"))
    let back = await harness.stop()
    harness = try await Harness(directory: back)
    #expect(try await harness.schedule(named: "berlin").lastError.isEmpty)
  }

  @Test("A preview shows local times over a change of clocks, of up to 1000 times")
  func preview() async throws {
    let harness = try await Harness()
    var request = PreviewScheduleRequest()
    request.cron = "30 2 * * *"
    request.timeZone = "Europe/Berlin"
    request.from = .init(seconds: 1_806_019_200, nanos: 0)  // 2027-03-26T00:00:00Z
    request.count = 4
    let times = try await harness.operators.previewSchedule(request).times
    #expect(
      times.map(\.local) == [
        "2027-03-26T02:30:00+01:00", "2027-03-27T02:30:00+01:00", "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
      ])
    request.count = 1_000
    #expect(try await harness.operators.previewSchedule(request).times.count == 1_000)
    request.count = 1_001
    #expect(
      try await failure { try await harness.operators.previewSchedule(request) }.violations.first?
        .field == "count")
    request.count = 0
    request.name = "nightly"
    #expect(
      try await failure { try await harness.operators.previewSchedule(request) }.reason
        == "FIELD_INVALID")
    request = PreviewScheduleRequest()
    request.name = "nightly"
    #expect(
      try await failure { try await harness.operators.previewSchedule(request) }.reason
        == "SCHEDULE_UNKNOWN")
  }
}
