import CommandLineOptions
import IntegrationAPI
import RPCWire

extension ScheduleCommands {
  static let previewed = Positional.optional(
    .name("NAME"), help: "a schedule that there is; without it, --cron or --every")
  static let count = Flag.value(
    FlagName("count", short: "n"), .integer(1...1_000), default: UInt32(10),
    help: "how many times")
  static let from = Flag.optional(
    "from", .momentFrom(),
    help: "after this time: 2d (from now), 2027-03-28, RFC 3339; "
      + "without it, now")

  static let preview = Verb(
    Command(
      "preview", "the next times of a schedule, or of an expression that is thought of",
      flags: [ScheduleFlags.cron, ScheduleFlags.every, ScheduleFlags.timeZone, count, from],
      positionals: [previewed]
    ).withExamples([
      CommandExample("integrationctl schedules preview nightly", "of one that there is"),
      CommandExample(
        "integrationctl schedules preview --cron '30 2 * * *' --time-zone Europe/Berlin "
          + "--from 2027-03-27", "over the change of clocks"),
    ]).withDiscussion("Times are without jitter."), .list
  ) { invocation in
    let arguments = invocation.arguments
    try ScheduleFlags.checkTiming(invocation)
    var request = PreviewScheduleRequest()
    request.name = arguments[previewed] ?? ""
    let isThought =
      arguments.isGiven(ScheduleFlags.cron) || arguments.isGiven(ScheduleFlags.every)
      || arguments.isGiven(ScheduleFlags.timeZone)
    guard request.name.isEmpty == isThought else {
      throw UsageError(
        isThought
          ? "\(invocation.title): name a schedule, or give --cron or --every, not both"
          : "\(invocation.title): of which schedule, or of which expression?",
        hint: "Such as: \(invocation.title) --cron '30 2 * * *' --time-zone Europe/Berlin")
    }
    request.cron = arguments[ScheduleFlags.cron]
    request.timeZone = arguments[ScheduleFlags.timeZone]
    request.intervalMs = ScheduleFlags.milliseconds(arguments[ScheduleFlags.every])
    if isThought, request.cron.isEmpty, request.intervalMs == 0 {
      throw UsageError(
        "\(invocation.title): --time-zone says how --cron is read, and there is none",
        hint: "Such as: \(invocation.title) --cron '30 2 * * *' --time-zone Europe/Berlin")
    }
    request.count = arguments[count]
    request.from = arguments[from]?.timestamp
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.previewSchedule(sent)
    }
    try invocation.write(Page(rows: reply.times), as: ScheduleView.times)
  }
}

extension ValueForm where Value == WallTime {
  /// A moment from which to look ahead: RFC 3339, a date, or a span from now on.
  static func momentFrom(now: @escaping @Sendable () -> WallTime = { .now }) -> ValueForm {
    ValueForm("TIME") { text throws(ValueProblem) in
      let start = now()
      if let span = TimeText.milliseconds(ofSpan: text), span <= 100 * 366 * 86_400_000 {
        return WallTime(milliseconds: start.milliseconds + span)
      }
      guard let time = TimeText.parse(text, now: start), time.milliseconds >= 0 else {
        throw ValueProblem(
          expected: "a time such as 2027-03-28T00:00:00Z, a date, or how long from now: 2d")
      }
      return time
    }
  }
}
