import SQLiteDatabase

/// The statements of the hot path, found without a look-up by text.
struct HotStatements {
  /// A whole log from one report; nothing happens when the log exists.
  let insertLog: SQLiteStatement

  init(_ database: SQLiteConnection) throws {
    insertLog = try database.prepare(
      """
      INSERT INTO logs(integration, id, action, status, agent, entity_type, entity_id, entity_name,
        trigger, attempt, message, sequence, created, started, updated, finished, due, entity_url,
        records_done, records_total, record_errors, labels, result)
      VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING
      """)
  }
}
