import IntegrationAPI
import RPCWire
import Testing

@testable import integrationctl

@Suite struct ScheduleVerbTests {
  private static func made() -> Schedule {
    var schedule = Schedule()
    schedule.name = "nightly"
    schedule.integration = "customsoft"
    schedule.actionType = "export_orders"
    schedule.cron = "30 2 * * 1-5"
    schedule.timeZone = "Europe/Berlin"
    schedule.overlap = .skip
    schedule.catchUp = .last
    schedule.nextAt = .init(milliseconds: Desk.now.milliseconds + 3_600_000)
    schedule.runs = 3
    schedule.lastStatus = .failed
    return schedule
  }

  @Test("create sends what was typed")
  func create() async throws {
    let desk = Desk()
    var reply = CreateScheduleResponse()
    reply.schedule = Self.made()
    desk.server.answer(OperatorServiceMethods.createSchedule, reply)
    let outcome = await desk.run([
      "schedules", "create", "customsoft", "export_orders", "--cron", "30 2 * * 1-5",
      "--time-zone", "Europe/Berlin", "--overlap", "cancel-running", "--catch-up", "all",
      "--catch-up-window", "2d", "--jitter", "5m", "--expires", "1h", "--entity", "O-1", "--input",
      "{}", "--name", "nightly",
    ])
    #expect(outcome.code == .done, "\(outcome.errors)")
    #expect(outcome.output.contains("Created schedule nightly: 30 2 * * 1-5 in Europe/Berlin."))
    let sent: [CreateScheduleRequest] = try desk.server.requests(
      OperatorServiceMethods.createSchedule)
    let schedule = try #require(sent.first?.schedule)
    #expect(schedule.overlap == .cancelRunning && schedule.catchUp == .all)
    #expect(schedule.catchUpWindowMs == 172_800_000 && schedule.jitterMs == 300_000)
    #expect(schedule.expiresMs == 3_600_000 && schedule.entity?.id == "O-1")
    #expect(schedule.name == "nightly" && schedule.input == "{}")
  }

  static let wrong: [([String], String)] = [
    (["create", "c", "a"], "when is it to run?"),
    (["create", "c", "a", "--cron", "0 25 * * *"], "field hour, at character 3"),
    (["create", "c", "a", "--cron", "0 0 30 2 *"], "it never fires"),
    (["create", "c", "a", "--cron", "@daily", "--every", "1h"], "not both"),
    (["create", "c", "a", "--every", "10ms"], "expected 1s or longer"),
    (["create", "c", "a", "--every", "1h", "--time-zone", "UTC"], "an interval has none"),
    (["create", "c", "a", "--cron", "@daily", "--time-zone", "../x"], "Europe/Berlin"),
    (["create", "c", "a", "--cron", "@daily", "--overlap", "SKIPP"], "did you mean SKIP?"),
    (["update", "nightly"], "nothing to change"),
    (["preview"], "of which schedule"), (["preview", "nightly", "--cron", "@daily"], "not both"),
    (["preview", "--time-zone", "UTC"], "there is none"),
    (["preview", "nightly", "--count", "1001"], "from 1 to 1000"),
  ]

  @Test(
    "What the command line alone shows to be wrong is said, and nothing is sent", arguments: wrong)
  func usage(line: [String], part: String) async {
    let desk = Desk()
    let outcome = await desk.run(["schedules"] + line)
    #expect(outcome.code == .usage)
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
    #expect(desk.server.calls.isEmpty)
  }

  @Test("What the server refuses ends with 1, its reason and the field")
  func refused() async {
    let desk = Desk()
    desk.server.refuse(
      OperatorServiceMethods.createSchedule,
      RPCError(
        .invalidArgument, "schedule.time_zone: not as expected; see the violations",
        reason: "FIELD_INVALID",
        violations: [
          FieldViolation(
            field: "schedule.time_zone",
            description: "there is no time zone \"Europe/Berln\"; did you mean Europe/Berlin?")
        ]))
    let outcome = await desk.run(
      "schedules", "create", "c", "a", "--cron", "@daily", "-z", "Europe/Berln")
    #expect(outcome.code == .refused)
    #expect(outcome.errors.contains("did you mean Europe/Berlin?"))
  }

  @Test("update names only what was given")
  func update() async throws {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.updateSchedule, UpdateScheduleResponse())
    _ = await desk.run("schedules", "update", "nightly", "--every", "6h", "--jitter", "0s")
    let sent: [UpdateScheduleRequest] = try desk.server.requests(
      OperatorServiceMethods.updateSchedule)
    #expect(sent.first?.updateFields == ["interval_ms", "jitter_ms"])
    #expect(sent.first?.schedule?.name == "nightly")
    #expect(sent.first?.schedule?.intervalMs == 21_600_000)
  }

  @Test("list and show say when, what came of it, and why not")
  func views() async {
    let desk = Desk()
    var failing = Self.made()
    failing.name = "failing"
    failing.failures = 2
    failing.lastError = "ACTION_RETIRED: gone"
    var list = ListSchedulesResponse()
    list.schedules = [Self.made(), failing]
    desk.server.answer(OperatorServiceMethods.listSchedules, list)
    let table = await desk.run("schedules", "list")
    #expect(table.output.contains("30 2 * * 1-5 in Europe/Berlin"))
    #expect(table.output.contains("FAILED") && table.output.contains("REFUSED"))
    #expect(table.output.contains("ACTION_RETIRED: gone"))
    var show = GetScheduleResponse()
    show.schedule = Self.made()
    var time = PlannedTime()
    time.at = show.schedule?.nextAt
    time.local = "2026-11-24T10:30:00+01:00"
    show.next = [time]
    show.recent = [Samples.log(.completed)]
    desk.server.answer(OperatorServiceMethods.getSchedule, show)
    let one = await desk.run("schedules", "show", "nightly")
    #expect(one.output.contains("2026-11-24T10:30:00+01:00"))
    #expect(one.output.contains("the last missed time runs, if not older than 1d"))
    #expect(one.output.contains(Samples.logID))
  }

  @Test("delete asks first; preview prints local times with their offset")
  func deleteAndPreview() async throws {
    var desk = Desk()
    desk.answer = false
    let no = await desk.run("schedules", "delete", "nightly")
    #expect(no.code == .refused && desk.server.calls.isEmpty)
    desk.server.answer(OperatorServiceMethods.deleteSchedule, DeleteScheduleResponse())
    #expect(await desk.run("schedules", "delete", "nightly", "--yes").code == .done)
    var preview = PreviewScheduleResponse()
    var time = PlannedTime()
    time.at = .init(milliseconds: 1_806_195_600_000)
    time.local = "2027-03-28T03:00:00+02:00"
    preview.times = [time]
    desk.server.answer(OperatorServiceMethods.previewSchedule, preview)
    let shown = await desk.run(
      "schedules", "preview", "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin", "--from",
      "2027-03-27", "-n", "3")
    #expect(shown.output.contains("2027-03-28T03:00:00+02:00"))
    let sent: [PreviewScheduleRequest] = try desk.server.requests(
      OperatorServiceMethods.previewSchedule)
    #expect(sent.first?.count == 3 && sent.first?.from?.seconds == 1_806_105_600)
  }
}
