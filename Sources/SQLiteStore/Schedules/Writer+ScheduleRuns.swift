import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// A run of a schedule that ended.
struct EndedRun {
  var integration: IntegrationID
  var id: LogID
  var now: Instant
}

/// A log that a schedule made.
struct ScheduleRun {
  /// Which runs of a schedule; the values are those of the column `state`.
  enum State: Int64 {
    case ended = 0
    /// Those that are queued for agents or in progress.
    case running = 1
    /// Those that wait until no other runs.
    case waiting = 2
    /// Running and waiting ones.
    case open = -1
  }

  var integration: IntegrationID
  var id: LogID
}

// Which logs schedules made: for the question whether the run before has ended, and for people.

extension Writer {
  /// Runs of one schedule that may be open at once, those that wait included.
  static let maximumOpenRuns = 1_000
  /// Runs of one schedule that are remembered after their end.
  static let rememberedRuns: Int64 = 20

  /// Remembers that a log changed to an end, where a schedule made it.
  ///
  /// What follows from it is done when the batch is: an automatic retry belongs to the run, and is
  /// made after the log's end.
  func noteEnd(_ row: LogRow, now: Instant) {
    guard row.flags & LogRow.Flag.scheduled != 0 else { return }
    endedRuns.append(EndedRun(integration: row.integration, id: row.id, now: now))
  }

  /// A retry of a run is part of it.
  func noteRetryOfRun(_ row: LogRow) throws {
    guard row.flags & LogRow.Flag.scheduled != 0, let original = row.retryOf else { return }
    let insert = try database.statement(
      """
      INSERT INTO schedule_logs(integration, id, schedule, state, retry)
      SELECT integration, ?3, schedule, 1, 1 FROM schedule_logs WHERE integration = ?1 AND id = ?2
      """)
    insert.bind(1, row.integration)
    insert.bind(2, original)
    insert.bind(3, row.id)
    try insert.run()
  }

  /// Remembers a new run, and forgets old ones that have ended.
  func noteRun(_ id: LogID, of schedule: StoredSchedule, isHeld: Bool) throws {
    let insert = try database.statement(
      "INSERT INTO schedule_logs(integration, id, schedule, state, retry) VALUES(?, ?, ?, ?, 0)")
    insert.bind(1, schedule.integration)
    insert.bind(2, id)
    insert.bind(3, schedule.id)
    insert.bind(4, isHeld ? ScheduleRun.State.waiting.rawValue : ScheduleRun.State.running.rawValue)
    try insert.run()
    let forget = try database.statement(
      """
      DELETE FROM schedule_logs WHERE schedule = ?1 AND state = 0 AND id <= (
        SELECT id FROM schedule_logs WHERE schedule = ?1 AND retry = 0
        ORDER BY id DESC LIMIT 1 OFFSET ?2)
      """)
    forget.bind(1, schedule.id)
    forget.bind(2, Self.rememberedRuns)
    try forget.run()
  }

  /// Takes note of the runs that ended: those that waited for them go, one for each schedule.
  func finishEndedRuns() throws {
    guard !endedRuns.isEmpty else { return }
    let ended = endedRuns
    endedRuns.removeAll()
    var schedules: [(id: Int64, now: Instant)] = []
    for run in ended {
      let end = try database.statement(
        """
        UPDATE schedule_logs SET state = 0 WHERE integration = ? AND id = ? AND state > 0
        RETURNING schedule
        """)
      end.bind(1, run.integration)
      end.bind(2, run.id)
      if try end.step() { schedules.append((end.integer(0), run.now)) }
      end.reset()
    }
    for (schedule, now) in schedules {
      guard try runs(of: schedule, in: .running, limit: 1).isEmpty,
        let next = try runs(of: schedule, in: .waiting, limit: 1).first
      else { continue }
      try release(next, now: now)
    }
  }

  /// Runs of a schedule in a state, oldest first.
  func runs(of schedule: Int64, in state: ScheduleRun.State, limit: Int) throws -> [ScheduleRun] {
    let condition = state == .open ? "?2 < 0" : "state = ?2"
    let find = try database.statement(
      """
      SELECT integration, id FROM schedule_logs
      WHERE schedule = ?1 AND state > 0 AND \(condition) ORDER BY id LIMIT ?3
      """)
    defer { find.reset() }
    find.bind(1, schedule)
    find.bind(2, state.rawValue)
    find.bind(3, Int64(limit))
    var found: [ScheduleRun] = []
    while try find.step() {
      if let id = find.logID(1) { found.append(ScheduleRun(integration: find.integer(0), id: id)) }
    }
    return found
  }

  /// Lets a run that waited be delivered.
  func release(_ run: ScheduleRun, now: Instant) throws {
    let state = try database.statement(
      "UPDATE schedule_logs SET state = 1 WHERE integration = ? AND id = ?")
    state.bind(1, run.integration)
    state.bind(2, run.id)
    try state.run()
    let open = try database.statement(
      "UPDATE requests SET available = ?3 WHERE integration = ?1 AND id = ?2 AND available = ?4")
    open.bind(1, run.integration)
    open.bind(2, run.id)
    open.bind(3, now)
    open.bind(4, RequestRow.held)
    try open.run()
    guard let row = try LogRow.find(database, integration: run.integration, id: run.id),
      let action = directory.actions[row.action]
    else { return }
    emit(.requestAvailable(run.integration, actionType: action.type))
  }
}
