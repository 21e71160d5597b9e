import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Forgets all digests, because one is damaged; they are made again from the logs, by and by.
  ///
  /// None is left, so that the others need not be known to be whole.
  func dropDigests() throws {
    do {
      try database.statement("BEGIN IMMEDIATE").run()
      try database.execute("DELETE FROM log_digests")
      try database.statement("COMMIT").run()
    } catch {
      database.rollBack()
      throw error
    }
    digests = LogDigests(directory.integrations.keys, limits)
  }

  /// Takes a log that a report has made into the digests.
  func digest(
    _ report: ReportCommand, action: Int64, agent: Int64, entityType: Int64, status: Status
  ) throws {
    var log = unsafe DigestedLog(
      integration: report.integration, id: report.logID, action: action, agent: agent,
      entityType: entityType, status: status, trigger: report.trigger)
    unsafe log.message = bytes(report.message)
    unsafe log.entityName = bytes(report.entityName)
    unsafe log.labels = bytes(report.labels)
    try digests.add(log, isNew: true, database)
  }

  /// Takes a log into the digests as it is stored now.
  func digest(_ row: LogRow, isNew: Bool) throws {
    var log = unsafe DigestedLog(
      integration: row.integration, id: row.id, action: row.action, agent: row.agent ?? 0,
      entityType: row.entityType ?? 0, status: row.status, trigger: row.trigger)
    var (message, name) = (row.message, row.entityName)
    try message.withUTF8 { message in
      try name.withUTF8 { name in
        try unsafe row.labels.withUnsafeBytes { labels in
          unsafe log.message = UnsafeRawBufferPointer(message)
          unsafe log.entityName = UnsafeRawBufferPointer(name)
          unsafe log.labels = labels
          try digests.add(log, isNew: isNew, database)
        }
      }
    }
  }
}
