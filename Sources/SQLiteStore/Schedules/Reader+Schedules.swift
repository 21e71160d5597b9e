import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Reader {
  /// What a schedule made last, newest first.
  func scheduleRuns(_ schedule: Int64, limit: Int) throws -> [StoredLog] {
    let find = try database.statement(
      """
      SELECT integration, id FROM schedule_logs WHERE schedule = ? AND retry = 0
      ORDER BY id DESC LIMIT ?
      """)
    defer { find.reset() }
    find.bind(1, schedule)
    find.bind(2, Int64(min(max(limit, 1), FieldRules.maximumItems)))
    var found: [StoredLog] = []
    while try find.step() {
      guard let id = find.logID(1),
        let row = try LogRow.find(database, integration: find.integer(0), id: id)
      else { continue }
      found.append(try names.stored(row))
    }
    return found
  }

  /// Where logs stand.
  func statuses(_ logs: [LogPosition]) throws -> [LogPosition: Status] {
    let find = try database.statement("SELECT status FROM logs WHERE integration = ? AND id = ?")
    var found: [LogPosition: Status] = [:]
    for log in logs.prefix(FieldRules.maximumItems) {
      defer { find.reset() }
      find.bind(1, log.integration)
      find.bind(2, log.logID)
      if try find.step() { found[log] = Status(rawValue: UInt8(clamping: find.integer(0))) }
    }
    return found
  }
}
