import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCWire

// What may be wrong with a schedule, and how its fields are taken over.

extension FieldChecks {
  /// What may be wrong with a schedule whatever its action and zone are; its timing is looked at by
  /// `timing`.
  mutating func schedule(_ schedule: Schedule) {
    note("schedule.name", FieldRules.complaint(name: schedule.name))
    span(
      schedule.catchUpWindowMs, "schedule.catch_up_window_ms", 1_000,
      SchedulePlan.maximumWindowMs)
    span(schedule.jitterMs, "schedule.jitter_ms", 1, ScheduleJitter.maximumMs)
    span(schedule.expiresMs, "schedule.expires_ms", 1_000, 31_622_400_000)
    if schedule.overlap != .unspecified, schedule.overlap.model == nil {
      note("schedule.overlap", "expected 0 to 3; it is \(schedule.overlap.rawValue)")
    }
    if schedule.catchUp != .unspecified, schedule.catchUp.model == nil {
      note("schedule.catch_up", "expected 0 to 3; it is \(schedule.catchUp.rawValue)")
    }
    timing(schedule.cron, schedule.timeZone, schedule.intervalMs, prefix: "schedule.")
  }

  /// What may be wrong with when a schedule runs, but for whether the zone exists.
  mutating func timing(_ cron: String, _ zone: String, _ intervalMs: UInt64, prefix: String) {
    guard cron.isEmpty != (intervalMs == 0) else {
      return note(
        "\(prefix)cron",
        "expected either a cron expression or interval_ms; "
          + (cron.isEmpty ? "both are empty" : "both are given"))
    }
    if cron.isEmpty {
      span(
        intervalMs, "\(prefix)interval_ms", ScheduleTiming.minimumIntervalMs,
        ScheduleTiming.maximumIntervalMs)
      if !zone.isEmpty {
        note("\(prefix)time_zone", "expected none beside interval_ms; it is for cron")
      }
      return
    }
    do throws(CronProblem) {
      _ = try CronExpression(cron)
    } catch {
      note("\(prefix)cron", error.description)
    }
    if !zone.isEmpty { note("\(prefix)time_zone", ZoneRules.complaint(name: zone)) }
  }

  private mutating func span(_ ms: UInt64, _ field: String, _ least: UInt64, _ most: UInt64) {
    guard ms != 0, !(least...most).contains(ms) else { return }
    note(field, "expected 0 or \(least) to \(most) milliseconds; it is \(ms)")
  }
}

extension Overlap {
  /// The model's value; nil for UNSPECIFIED and for numbers that this server does not know.
  var model: ScheduleOverlap? { UInt8(exactly: rawValue).flatMap(ScheduleOverlap.init(rawValue:)) }
}

extension CatchUp {
  /// The model's value; nil for UNSPECIFIED and for numbers that this server does not know.
  var model: ScheduleCatchUp? { UInt8(exactly: rawValue).flatMap(ScheduleCatchUp.init(rawValue:)) }
}

extension StoredSchedule {
  /// Takes over what people set of a schedule.
  mutating func take(_ fields: Schedule) {
    actionType = fields.actionType
    entity = fields.entity?.reference ?? EntityReference()
    input = fields.input
    cron = fields.cron
    timeZone = fields.timeZone
    intervalMs = fields.intervalMs
    overlap = fields.overlap.model ?? .skip
    catchUp = fields.catchUp.model ?? .last
    catchUpWindowMs = fields.catchUpWindowMs
    jitterMs = fields.jitterMs
    expiresMs = fields.expiresMs
  }
}

extension Schedule {
  /// The fields that an update may name.
  static let updatable = [
    "action_type", "entity", "input", "cron", "time_zone", "interval_ms", "overlap", "catch_up",
    "catch_up_window_ms", "jitter_ms", "expires_ms",
  ]

  /// Takes the named fields over from another; nil, or the name that is none.
  ///
  /// A cron expression ends an interval, and an interval ends a cron expression with its zone.
  mutating func take(_ names: [String], from other: Schedule) -> String? {
    for name in names {
      switch name {
      case "action_type": actionType = other.actionType
      case "entity": entity = other.entity
      case "input": input = other.input
      case "cron":
        cron = other.cron
        if !cron.isEmpty, !names.contains("interval_ms") { intervalMs = 0 }
      case "time_zone": timeZone = other.timeZone
      case "interval_ms":
        intervalMs = other.intervalMs
        if intervalMs > 0, !names.contains("cron") {
          cron = ""
          if !names.contains("time_zone") { timeZone = "" }
        }
      case "overlap": overlap = other.overlap
      case "catch_up": catchUp = other.catchUp
      case "catch_up_window_ms": catchUpWindowMs = other.catchUpWindowMs
      case "jitter_ms": jitterMs = other.jitterMs
      case "expires_ms": expiresMs = other.expiresMs
      default: return name
      }
    }
    return nil
  }
}
