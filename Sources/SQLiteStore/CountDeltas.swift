import IntegrationModel
import SQLiteDatabase

/// How a batch changes the counts of actions; written once a commit.
///
/// A log that moves costs a few additions; a commit writes one row of `action_counts` for each
/// action that it touched and one of `action_hours` for each of its hours.
struct CountDeltas {
  private struct Delta {
    var logs: Int64 = 0
    var byStatus = StatusDeltas()
    var last = Instant(milliseconds: .min)
    var isTouched = false
    /// What happened in the hour that began at `hourStart`; earlier hours went to `otherHours`.
    var hour = HourDelta()
    var hourStart: Int64 = .min
  }

  /// By the action's number, which is small.
  private var deltas: [Delta] = []
  private var touched: [Int] = []
  /// Hours besides the one that each action is in: agents that were offline, and the turn of hours.
  private var otherHours: [HourKey: HourDelta] = [:]
  /// The hour up to which old rows of each action were dropped.
  private var dropped: [Int: Int64] = [:]

  /// Counts a move of a log; `created` and `ended` are when the log began and ended.
  mutating func move(
    action: Int64, from: Status?, to: Status?, at now: Instant, created: Instant, ended: Instant
  ) {
    let number = Int(action)
    while deltas.count <= number { deltas.append(Delta()) }
    if !deltas[number].isTouched {
      deltas[number].isTouched = true
      touched.append(number)
    }
    if let from { deltas[number].byStatus.add(-1, to: from) }
    if let to { deltas[number].byStatus.add(1, to: to) }
    if from == nil { deltas[number].logs += 1 }
    if to == nil { deltas[number].logs -= 1 }
    deltas[number].last = max(deltas[number].last, now)
    guard let to else { return }
    if from == nil {
      turn(number, to: created)
      deltas[number].hour.created += 1
    }
    if to.isFinal, from != to {
      turn(number, to: ended)
      deltas[number].hour.end(to)
    }
  }

  /// Makes an instant's hour the one that the action is in.
  private mutating func turn(_ number: Int, to instant: Instant) {
    let time = instant.milliseconds
    let start = deltas[number].hourStart
    // Written so that it does not overflow before the first hour.
    if time >= start, start != .min, time - start < HourOfTime.milliseconds { return }
    keepHour(of: number)
    deltas[number].hourStart = HourOfTime.of(instant) * HourOfTime.milliseconds
  }

  private mutating func keepHour(of number: Int) {
    let hour = deltas[number].hour
    guard hour != HourDelta() else { return }
    let start = Instant(milliseconds: deltas[number].hourStart)
    let key = HourKey(action: number, hour: HourOfTime.of(start))
    otherHours[key, default: HourDelta()].add(hour)
    deltas[number].hour = HourDelta()
  }

  // MARK: - Writing

  /// Writes what has changed; after an error the owner makes new deltas.
  mutating func flush(to database: SQLiteConnection) throws {
    guard !touched.isEmpty else { return }
    let update = try database.statement(Self.updateCounts)
    for number in touched {
      let delta = deltas[number]
      update.bind(1, Int64(number))
      update.bind(2, delta.logs)
      update.bind(3, delta.byStatus.queued)
      update.bind(4, delta.byStatus.inProgress)
      update.bind(5, delta.last.milliseconds)
      update.bind(6, delta.byStatus.completed)
      update.bind(7, delta.byStatus.failed)
      update.bind(8, delta.byStatus.cancelled)
      update.bind(9, delta.byStatus.timedOut)
      try update.run()
      keepHour(of: number)
      // The hour stays for the next commit; so most ask no more than whether it is still the same.
      let hourStart = delta.hourStart
      deltas[number] = Delta()
      deltas[number].hourStart = hourStart
    }
    touched.removeAll(keepingCapacity: true)
    try flushHours(to: database)
  }

  private mutating func flushHours(to database: SQLiteConnection) throws {
    guard !otherHours.isEmpty else { return }
    let update = try database.statement(Self.updateHours)
    for (key, delta) in otherHours {
      update.bind(1, Int64(key.action))
      update.bind(2, key.hour)
      update.bind(3, delta.created)
      update.bind(4, delta.completed)
      update.bind(5, delta.failed)
      update.bind(6, delta.cancelled)
      try update.run()
      try dropOldHours(of: key.action, at: key.hour, database)
    }
    otherHours.removeAll(keepingCapacity: true)
  }

  /// Drops what is older than it is kept, once for each new hour of an action.
  private mutating func dropOldHours(
    of action: Int, at hour: Int64, _ database: SQLiteConnection
  ) throws {
    if let known = dropped[action], known >= hour { return }
    dropped[action] = hour
    let drop = try database.statement("DELETE FROM action_hours WHERE action = ? AND hour < ?")
    drop.bind(1, Int64(action))
    drop.bind(2, hour - Self.keptHours)
    try drop.run()
  }

  /// How long hours are kept: 35 days, the two weeks of habits and the two weeks in which an action
  /// that is quiet is missed, and a week more.
  static let keptHours: Int64 = 35 * 24

  private static let updateCounts = """
    INSERT INTO action_counts(
      action, logs, queued, in_progress, last_log, completed, failed, cancelled, timed_out)
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(action) DO UPDATE SET
      logs = logs + ?2, queued = queued + ?3, in_progress = in_progress + ?4,
      last_log = max(last_log, ?5), completed = completed + ?6, failed = failed + ?7,
      cancelled = cancelled + ?8, timed_out = timed_out + ?9
    """
  private static let updateHours = """
    INSERT INTO action_hours(action, hour, created, completed, failed, cancelled)
    VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(action, hour) DO UPDATE SET
      created = created + ?3, completed = completed + ?4, failed = failed + ?5,
      cancelled = cancelled + ?6
    """
}

/// How many logs more, or fewer, have each status.
private struct StatusDeltas {
  var queued: Int64 = 0
  var inProgress: Int64 = 0
  var completed: Int64 = 0
  var failed: Int64 = 0
  var cancelled: Int64 = 0
  var timedOut: Int64 = 0

  mutating func add(_ amount: Int64, to status: Status) {
    switch status {
    case .queued: queued += amount
    case .inProgress: inProgress += amount
    case .completed: completed += amount
    case .failed: failed += amount
    case .cancelled: cancelled += amount
    case .timedOut: timedOut += amount
    }
  }
}

/// What happened to the logs of one action in one hour.
private struct HourDelta: Equatable {
  var created: Int64 = 0
  var completed: Int64 = 0
  var failed: Int64 = 0
  var cancelled: Int64 = 0

  mutating func end(_ status: Status) {
    switch status {
    case .queued, .inProgress: break
    case .completed: completed += 1
    case .failed, .timedOut: failed += 1
    case .cancelled: cancelled += 1
    }
  }

  mutating func add(_ other: HourDelta) {
    created += other.created
    completed += other.completed
    failed += other.failed
    cancelled += other.cancelled
  }
}

private struct HourKey: Hashable {
  let action: Int
  let hour: Int64
}
