import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// A row of `timeline`, with numbers for names.
struct TimelineRow {
  var at: Instant
  var from: Status?
  var to: Status
  var principal: Int64
  var agent: Int64?
  var cause: TransitionCause
  var message: String
  var isLate = false

  /// Stores the row as the log's next one.
  func insert(_ database: SQLiteConnection, log: LogRow, number: Int64) throws {
    let insert = try database.statement(
      "INSERT INTO timeline VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    insert.bind(1, log.integration)
    insert.bind(2, log.id)
    insert.bind(3, number)
    insert.bind(4, at)
    insert.bind(5, from.map { Int64($0.rawValue) })
    insert.bind(6, Int64(to.rawValue))
    insert.bind(7, principal)
    insert.bind(8, agent)
    insert.bind(9, Int64(cause.rawValue))
    insert.bindText(10, message)
    insert.bind(11, flag: isLate)
    try insert.run()
  }
}

extension LogRow {
  /// The entry of a log that has moved only once, to where it stands; it is not stored, so that a
  /// whole attempt in one report is one row.
  func firstEntry(integrationPrincipal: Int64) -> TimelineRow {
    let cause: TransitionCause = !isRequest ? .report : retryOf == nil ? .request : .retry
    return TimelineRow(
      at: updated, from: nil, to: status,
      principal: isRequest ? requestedBy ?? integrationPrincipal : integrationPrincipal,
      agent: agent, cause: cause, message: message)
  }
}
