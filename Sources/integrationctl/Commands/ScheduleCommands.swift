import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `schedules`: requests that the server makes by itself at set times.
enum ScheduleCommands {
  static let schedule = Positional.required(
    .name("NAME"), help: "the schedule's name (see: integrationctl schedules list)")

  static let noun = Noun(
    Command("schedules", "requests that the server makes by itself at set times").withExamples([
      CommandExample(
        "integrationctl schedules create customsoft export_orders --cron '30 2 * * 1-5' "
          + "--time-zone Europe/Berlin", "on working days at 2:30 in Berlin"),
      CommandExample("integrationctl schedules list", "what runs when, and how it went"),
      CommandExample(
        "integrationctl schedules preview --cron '0 0 29 2 *'", "when an expression fires"),
      CommandExample("integrationctl schedules trigger export_orders", "run it now as well"),
    ]), [create, list, show, update, pause, resume, trigger, delete, preview])

  static let create = Verb(
    Command(
      "create", "ask an integration for an action at set times",
      flags: [ScheduleFlags.name] + ScheduleFlags.all,
      positionals: [RequestCommands.integration, RequestCommands.action]
    ).withExamples([
      CommandExample(
        "integrationctl schedules create customsoft export_orders --cron '30 2 * * 1-5' "
          + "--time-zone Europe/Berlin --name nightly", "on working days at 2:30 in Berlin"),
      CommandExample(
        "integrationctl schedules create customsoft sync --every 15m --overlap QUEUE",
        "four times an hour, one behind the other"),
    ]).withDiscussion(
      "When clocks go forward, a time that they leave out runs once, right after; when they go "
        + "back, a time that comes twice runs the first time. What runs in every hour goes by the "
        + "time that passes.")
  ) { invocation in
    var schedule = try ScheduleFlags.schedule(invocation)
    guard !schedule.cron.isEmpty || schedule.intervalMs > 0 else {
      throw UsageError(
        "\(invocation.title): when is it to run?",
        hint: "Give --cron '30 2 * * 1-5' with --time-zone ZONE, or --every 15m.")
    }
    schedule.name = invocation.arguments[ScheduleFlags.name] ?? ""
    schedule.integration = invocation.arguments[RequestCommands.integration]
    schedule.actionType = invocation.arguments[RequestCommands.action]
    var request = CreateScheduleRequest()
    request.schedule = schedule
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.createSchedule(sent)
    }
    let made = reply.schedule ?? Schedule()
    try invocation.write(reply) { presentation in
      "Created schedule \(made.name): \(ScheduleView.rhythm(made)).\n"
        + "Next: \(Cell.moment(made.nextAt, presentation.now, missing: "never").text)\n"
        + "See: integrationctl schedules preview \(made.name)\n"
    }
  }

  static let list = Verb(
    Command(
      "list", "schedules with their next and last times",
      flags: [IntegrationScope.flag] + FilterFlags.paging,
      positionals: [IntegrationScope.positional]
    ).withExamples([
      CommandExample("integrationctl schedules list", "all"),
      CommandExample("integrationctl schedules list customsoft", "of one integration"),
    ]), .list
  ) { invocation in
    let integration = try IntegrationScope.name(invocation)
    let client = try await invocation.client()
    let page = try await Page<Schedule>.fetch(invocation.arguments) {
      size, token throws(Failure) in
      var request = ListSchedulesRequest()
      request.integration = integration
      request.pageSize = size
      request.pageToken = token
      let sent = request
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.listSchedules(sent)
      }
      return Page(rows: reply.schedules, nextToken: reply.nextPageToken)
    }
    try invocation.write(page, as: ScheduleView.listing)
  }

  static let show = Verb(
    Command(
      "show", "one schedule: its next times, and what it made last", positionals: [schedule]
    ).withExamples([
      CommandExample("integrationctl schedules show nightly", "everything about one")
    ])
  ) { invocation in
    var request = GetScheduleRequest()
    request.name = invocation.arguments[schedule]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.getSchedule(sent)
    }
    try invocation.write(reply) { ScheduleView.text(reply, $0) }
  }

  static let update = Verb(
    Command(
      "update", "change a schedule; what is not named stays", flags: ScheduleFlags.all,
      positionals: [schedule]
    ).withExamples([
      CommandExample("integrationctl schedules update nightly --cron '0 3 * * *'", "another time"),
      CommandExample("integrationctl schedules update nightly --every 6h", "an interval instead"),
    ])
  ) { invocation in
    var request = UpdateScheduleRequest()
    var changed = try ScheduleFlags.schedule(invocation)
    changed.name = invocation.arguments[schedule]
    request.updateFields = ScheduleFlags.updatable.filter { invocation.arguments.isGiven($0.flag) }
      .flatMap(\.fields)
    guard !request.updateFields.isEmpty else {
      throw UsageError(
        "\(invocation.title): nothing to change",
        hint: "Give at least one of "
          + ScheduleFlags.updatable.map { "--\($0.flag.declaration.name.long)" }
          .joined(separator: ", ") + ".")
    }
    request.schedule = changed
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.updateSchedule(sent)
    }
    let made = reply.schedule ?? Schedule()
    try invocation.write(reply) { presentation in
      "Updated schedule \(made.name): \(ScheduleView.rhythm(made)).\n"
        + "Next: \(Cell.moment(made.nextAt, presentation.now, missing: "never").text)\n"
    }
  }

  static let pause = Verb(
    Command(
      "pause", "let times pass without a run", flags: [GlobalFlags.reason],
      positionals: [schedule]
    ).withExamples([
      CommandExample(
        "integrationctl schedules pause nightly --reason 'ERP upgrade'", "before a maintenance")
    ])
  ) { invocation in
    var request = PauseScheduleRequest()
    request.name = invocation.arguments[schedule]
    request.reason = invocation.arguments[GlobalFlags.reason]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.pauseSchedule(sent)
    }
    try invocation.write(reply) { _ in
      "Schedule \(sent.name) is paused: its times pass without a run.\n"
        + "End it with: integrationctl schedules resume \(sent.name)\n"
    }
  }

  static let resume = Verb(
    Command(
      "resume", "end a pause; times that passed meanwhile are not caught up",
      positionals: [schedule]
    ).withExamples([
      CommandExample("integrationctl schedules resume nightly", "after the maintenance")
    ])
  ) { invocation in
    var request = ResumeScheduleRequest()
    request.name = invocation.arguments[schedule]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.resumeSchedule(sent)
    }
    try invocation.write(reply) { presentation in
      let next = Cell.moment(reply.schedule?.nextAt, presentation.now, missing: "never").text
      return "Schedule \(sent.name) runs again.\nNext: \(next)\n"
    }
  }

  static let trigger = Verb(
    Command(
      "trigger", "run it now, beside its set times, even while it is paused",
      positionals: [schedule]
    ).withExamples([
      CommandExample("integrationctl schedules trigger nightly", "do not wait for the night")
    ])
  ) { invocation in
    var request = TriggerScheduleRequest()
    request.name = invocation.arguments[schedule]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.triggerSchedule(sent)
    }
    let id = reply.log?.id ?? ""
    try invocation.write(reply) { _ in "Queued \(id).\nSee: integrationctl logs show \(id)\n" }
  }

  static let delete = Verb(
    Command(
      "delete", "end a schedule; what it made stays", flags: [GlobalFlags.yes],
      positionals: [schedule]
    ).withExamples([
      CommandExample("integrationctl schedules delete nightly", "asks first"),
      CommandExample("integrationctl schedules delete nightly --yes", "in a script"),
    ])
  ) { invocation in
    var request = DeleteScheduleRequest()
    request.name = invocation.arguments[schedule]
    try invocation.confirm("Delete schedule \(request.name)? It makes no requests any more.")
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.deleteSchedule(sent)
    }
    try invocation.write(reply) { _ in "Deleted schedule \(sent.name).\n" }
  }
}
