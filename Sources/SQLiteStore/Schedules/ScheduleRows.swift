import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Reads and writes the table `schedules`.
enum ScheduleRows {
  private static let columns = """
    id, name, integration, action_type, entity_type, entity_id, entity_name, entity_url, input,
    cron, time_zone, interval_ms, overlap, catch_up, catch_up_window_ms, jitter_ms, expires_ms,
    paused, pause_reason, next_at, fire_at, last_at, last_log, runs, skipped, last_error, failures,
    created, created_by, revision
    """

  static func all(_ database: SQLiteConnection) throws -> [StoredSchedule] {
    let rows = try database.statement("SELECT \(columns) FROM schedules ORDER BY name")
    defer { rows.reset() }
    var found: [StoredSchedule] = []
    while try rows.step() { found.append(schedule(rows)) }
    return found
  }

  static func find(_ database: SQLiteConnection, name: String) throws -> StoredSchedule? {
    let rows = try database.statement("SELECT \(columns) FROM schedules WHERE name = ?")
    defer { rows.reset() }
    rows.bind(1, name)
    return try rows.step() ? schedule(rows) : nil
  }

  private static func schedule(_ rows: SQLiteStatement) -> StoredSchedule {
    var schedule = StoredSchedule(
      name: rows.text(1), integration: rows.integer(2), actionType: rows.text(3),
      createdAt: Instant(milliseconds: rows.integer(27)), createdBy: rows.text(28))
    schedule.id = rows.integer(0)
    schedule.entity = EntityReference(
      type: rows.text(4), id: rows.text(5), displayName: rows.text(6), url: rows.text(7))
    schedule.input = rows.text(8)
    schedule.cron = rows.text(9)
    schedule.timeZone = rows.text(10)
    schedule.intervalMs = UInt64(clamping: rows.integer(11))
    schedule.overlap = ScheduleOverlap(rawValue: UInt8(clamping: rows.integer(12))) ?? .skip
    schedule.catchUp = ScheduleCatchUp(rawValue: UInt8(clamping: rows.integer(13))) ?? .last
    schedule.catchUpWindowMs = UInt64(clamping: rows.integer(14))
    schedule.jitterMs = UInt64(clamping: rows.integer(15))
    schedule.expiresMs = UInt64(clamping: rows.integer(16))
    schedule.isPaused = rows.integer(17) != 0
    schedule.pauseReason = rows.text(18)
    schedule.nextAt = rows.instant(19)
    schedule.fireAt = rows.instant(20)
    schedule.lastAt = rows.instant(21)
    schedule.lastLog = rows.logID(22)
    schedule.runs = UInt64(clamping: rows.integer(23))
    schedule.skipped = UInt64(clamping: rows.integer(24))
    schedule.lastError = rows.text(25)
    schedule.failures = UInt64(clamping: rows.integer(26))
    schedule.revision = UInt64(clamping: rows.integer(29))
    return schedule
  }

  /// Stores a new row; its number is given back.
  static func insert(_ schedule: StoredSchedule, _ database: SQLiteConnection) throws -> Int64 {
    let insert = try database.statement(
      """
      INSERT INTO schedules(\(columns)) VALUES(NULL, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
        ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)
      """)
    bindSet(schedule, insert)
    bindMoved(schedule, insert)
    insert.bind(28, schedule.createdAt)
    insert.bind(29, schedule.createdBy)
    try insert.run()
    return database.lastInsertRowID
  }

  /// Stores all that may have changed of a row.
  static func update(_ schedule: StoredSchedule, _ database: SQLiteConnection) throws {
    let update = try database.statement(
      """
      UPDATE schedules SET name = ?2, integration = ?3, action_type = ?4, entity_type = ?5,
        entity_id = ?6, entity_name = ?7, entity_url = ?8, input = ?9, cron = ?10, time_zone = ?11,
        interval_ms = ?12, overlap = ?13, catch_up = ?14, catch_up_window_ms = ?15,
        jitter_ms = ?16, expires_ms = ?17, paused = ?18, pause_reason = ?19, next_at = ?20,
        fire_at = ?21, last_at = ?22, last_log = ?23, runs = ?24, skipped = ?25,
        last_error = ?26, failures = ?27, revision = ?30
      WHERE id = ?1
      """)
    update.bind(1, schedule.id)
    bindSet(schedule, update)
    bindMoved(schedule, update)
    try update.run()
  }

  /// Stores how far a schedule is; what people set, with its long input, is not written again.
  static func move(_ schedule: StoredSchedule, _ database: SQLiteConnection) throws {
    let update = try database.statement(
      """
      UPDATE schedules SET paused = ?18, pause_reason = ?19, next_at = ?20, fire_at = ?21,
        last_at = ?22, last_log = ?23, runs = ?24, skipped = ?25, last_error = ?26,
        failures = ?27, revision = ?30
      WHERE id = ?1
      """)
    update.bind(1, schedule.id)
    bindMoved(schedule, update)
    try update.run()
  }

  private static func bindSet(_ schedule: StoredSchedule, _ statement: SQLiteStatement) {
    let texts = [
      schedule.actionType, schedule.entity.type, schedule.entity.id, schedule.entity.displayName,
      schedule.entity.url, schedule.input, schedule.cron, schedule.timeZone,
    ]
    statement.bind(2, schedule.name)
    statement.bind(3, schedule.integration)
    for (index, text) in texts.enumerated() { statement.bind(4 + index, text) }
    statement.bind(12, Int64(clamping: schedule.intervalMs))
    statement.bind(13, Int64(schedule.overlap.rawValue))
    statement.bind(14, Int64(schedule.catchUp.rawValue))
    statement.bind(15, Int64(clamping: schedule.catchUpWindowMs))
    statement.bind(16, Int64(clamping: schedule.jitterMs))
    statement.bind(17, Int64(clamping: schedule.expiresMs))
  }

  private static func bindMoved(_ schedule: StoredSchedule, _ statement: SQLiteStatement) {
    statement.bind(18, flag: schedule.isPaused)
    statement.bind(19, schedule.pauseReason)
    statement.bind(20, schedule.nextAt)
    statement.bind(21, schedule.fireAt)
    statement.bind(22, schedule.lastAt)
    if let log = schedule.lastLog { statement.bind(23, log) } else { statement.bindNull(23) }
    statement.bind(24, Int64(clamping: schedule.runs))
    statement.bind(25, Int64(clamping: schedule.skipped))
    statement.bind(26, schedule.lastError)
    statement.bind(27, Int64(clamping: schedule.failures))
    statement.bind(30, Int64(clamping: schedule.revision))
  }
}
