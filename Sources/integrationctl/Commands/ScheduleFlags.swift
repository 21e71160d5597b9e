import CommandLineOptions
import IntegrationAPI
import IntegrationModel

/// What people set of a schedule, as flags and as fields of the schema.
enum ScheduleFlags {
  static let name = Flag.optional(
    "name", .name("NAME"), help: "what it is called; without it, the action's type")
  static let cron = Flag.value(
    "cron", .cron, default: "",
    help: "minute hour day-of-month month day-of-week, or @hourly @daily @weekly @monthly @yearly")
  static let every = Flag.value(
    "every", .duration(.zero ... .seconds(31_622_400)), default: .zero,
    help: "instead of cron: every so long from now on, from 1s")
  static let timeZone = Flag.value(
    FlagName("time-zone", short: "z"), .zone, default: "",
    help: "the zone in which cron is read, such as Europe/Berlin; without it, UTC")
  static let overlap = Flag.value(
    "overlap", ValueForm<Overlap>.apiChoice("POLICY"), default: .skip,
    help: "when the run before has not ended: skip this one, queue it behind, or cancel that one")
  static let catchUp = Flag.value(
    "catch-up", ValueForm<CatchUp>.apiChoice("POLICY"), default: .last,
    help: "of the times at which the server was down, run none, the last, or all of them")
  static let catchUpWindow = Flag.value(
    "catch-up-window", .duration(.zero ... .seconds(2_678_400)), default: .zero,
    help: "how old such a time may be; 0: one day")
  static let jitter = Flag.value(
    "jitter", .duration(.zero ... .seconds(86_400)), default: .zero,
    help: "each run waits up to so long, so that not all begin at once")
  static let expires = Flag.value(
    "expires", .duration(.zero ... .seconds(31_622_400)), default: .zero,
    help: "a run that no agent takes for so long ends; 0: as long as the action says")

  static let entity = Flag.optional(
    FlagName("entity", short: "e"), .entityID, help: "the record to work on")

  /// Those that an update may change, with the fields that they stand for.
  static let updatable: [(flag: any DeclaredFlag, fields: [String])] = [
    (cron, ["cron"]), (every, ["interval_ms"]), (timeZone, ["time_zone"]),
    (entity, ["entity"]), (RequestCreation.input, ["input"]),
    (overlap, ["overlap"]), (catchUp, ["catch_up"]), (catchUpWindow, ["catch_up_window_ms"]),
    (jitter, ["jitter_ms"]), (expires, ["expires_ms"]),
  ]

  /// All of them but the name.
  static let all: [any DeclaredFlag] = [
    cron, every, timeZone, entity, RequestCreation.entityType,
    RequestCreation.entityName, RequestCreation.input, overlap, catchUp, catchUpWindow, jitter,
    expires,
  ]

  /// The schedule that a command line describes.
  static func schedule(_ invocation: Invocation) throws -> Schedule {
    try checkTiming(invocation)
    let arguments = invocation.arguments
    var schedule = Schedule()
    schedule.cron = arguments[cron]
    schedule.intervalMs = milliseconds(arguments[every])
    schedule.timeZone = arguments[timeZone]
    if let id = arguments[Self.entity] {
      var entity = Entity()
      entity.type = arguments[RequestCreation.entityType]
      entity.id = id
      entity.displayName = arguments[RequestCreation.entityName]
      schedule.entity = entity
    }
    schedule.input = try arguments[RequestCreation.input].read()
    schedule.overlap = arguments[overlap]
    schedule.catchUp = arguments[catchUp]
    schedule.catchUpWindowMs = milliseconds(arguments[catchUpWindow])
    schedule.jitterMs = milliseconds(arguments[jitter])
    schedule.expiresMs = milliseconds(arguments[expires])
    return schedule
  }

  /// What the command line alone shows to be wrong about when it runs.
  static func checkTiming(_ invocation: Invocation) throws(UsageError) {
    let arguments = invocation.arguments
    let isCron = arguments.isGiven(cron)
    let isInterval = arguments.isGiven(every)
    if isCron, isInterval {
      throw UsageError(
        "\(invocation.title): a schedule runs by --cron or --every, not both",
        hint: "Leave one of them out.")
    }
    if isInterval, arguments.isGiven(timeZone) {
      throw UsageError(
        "\(invocation.title): --time-zone says how --cron is read; an interval has none",
        hint: "Leave it out.")
    }
    if isInterval, arguments[every] < .seconds(1) {
      throw UsageError(
        "\(invocation.title): --every: expected 1s or longer", hint: "Such as --every 15m.")
    }
  }

  static func milliseconds(_ span: Duration) -> UInt64 {
    UInt64(clamping: Int64(span / .milliseconds(1)))
  }
}

extension ValueForm where Value == String {
  /// A cron expression that fires at some time.
  static var cron: ValueForm {
    ValueForm("EXPRESSION") { text throws(ValueProblem) in
      do throws(CronProblem) {
        _ = try CronExpression(text)
        return text
      } catch {
        throw ValueProblem(
          expected: "a cron expression such as \"30 2 * * 1-5\" or @daily (\(error.description))")
      }
    }
  }

  /// What may be the name of a time zone; the server knows which there are.
  static var zone: ValueForm {
    ValueForm("ZONE") { text throws(ValueProblem) in
      guard ZoneRules.complaint(name: text) == nil else {
        throw ValueProblem(expected: "the name of a time zone such as Europe/Berlin")
      }
      return text
    }
  }
}

extension Overlap: NamedChoice {
  static var choices: [Overlap] { allKnown.filter { $0 != .unspecified } }
  var choiceName: String { jsonName }
}

extension CatchUp: NamedChoice {
  static var choices: [CatchUp] { allKnown.filter { $0 != .unspecified } }
  var choiceName: String { jsonName }
}
