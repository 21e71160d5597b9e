import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Answers queries on a connection that only reads; lives on its slot's queue.
final class Reader {
  let database: SQLiteConnection
  let limits: StoreLimits
  let names: NameCache

  init(database: SQLiteConnection, limits: StoreLimits) {
    self.database = database
    self.limits = limits
    names = NameCache(database)
  }

  // MARK: - The catalog

  func catalog() throws -> StoreCatalog {
    var catalog = StoreCatalog()
    catalog.integrations = try CatalogRows.integrations(database)
    catalog.keys = try CatalogRows.keys(database)
    catalog.tokens = try CatalogRows.tokens(database)
    catalog.actions = try CatalogRows.actions(database).map(\.1)
    catalog.agents = try CatalogRows.agents(database)
    catalog.holders = try holders()
    catalog.schedules = try ScheduleRows.all(database)
    catalog.cancelWishes = try cancelWishes()
    catalog.queuedActions = try queuedActions()
    catalog.nextDue = try database.rows("SELECT min(due) FROM logs WHERE due IS NOT NULL")
      .first?.first?.integer.map { Instant(milliseconds: $0) }
    catalog.isDeleting =
      try !database.rows("SELECT 1 FROM deletions WHERE done = 0 LIMIT 1").isEmpty
    catalog.schemaVersion = Schema.version
    return catalog
  }

  private func holders() throws -> [(IntegrationID, String)] {
    let rows = try database.statement(
      """
      SELECT integration, agent_id FROM agents
      WHERE id IN (SELECT agent FROM requests WHERE hold IN (1, 2))
        AND integration IN (SELECT id FROM integrations)
      """)
    defer { rows.reset() }
    var found: [(IntegrationID, String)] = []
    while try rows.step() { found.append((rows.integer(0), rows.text(1))) }
    return found
  }

  private func cancelWishes() throws -> [CancelWish] {
    let rows = try database.statement(
      """
      SELECT c.integration, c.id, c.reason, c.principal, l.agent
      FROM cancels c JOIN logs l ON l.integration = c.integration AND l.id = c.id
      """)
    defer { rows.reset() }
    var found: [CancelWish] = []
    while try rows.step() {
      guard let id = rows.logID(1) else { continue }
      found.append(
        CancelWish(
          integration: rows.integer(0), agentID: try names.agent(rows.optionalInteger(4)),
          logID: id, reason: rows.text(2), requestedBy: rows.text(3)))
    }
    return found
  }

  private func queuedActions() throws -> [(IntegrationID, String)] {
    let rows = try database.statement(
      """
      SELECT integration, type FROM actions
      WHERE EXISTS (SELECT 1 FROM requests WHERE action = actions.id AND hold = 0)
      """)
    defer { rows.reset() }
    var found: [(IntegrationID, String)] = []
    while try rows.step() { found.append((rows.integer(0), rows.text(1))) }
    return found
  }

  /// The numbers of all integrations.
  func integrationIDs() throws -> [IntegrationID] {
    try database.rows("SELECT id FROM integrations ORDER BY id").compactMap { $0.first?.integer }
  }

  // MARK: - One log

  func detail(_ id: LogID, errorsAfter: Int64, errorLimit: Int) throws -> LogDetail? {
    guard let row = try LogRow.find(database, inAnyOf: try integrationIDs(), id: id) else {
      return nil
    }
    let limit = min(max(errorLimit, 1), FieldRules.maximumItems)
    let (errors, next) = try recordErrors(row, after: errorsAfter, limit: limit)
    let request = try RequestRow.find(database, integration: row.integration, id: id)
    var detail = LogDetail(
      log: try names.stored(row), timeline: try timeline(row), recordErrors: errors,
      nextRecordError: next, request: try request.map { try names.stored(row, $0) },
      retriedBy: try retries(of: row))
    detail.chain = try chain(of: row)
    return detail
  }

  private func timeline(_ row: LogRow) throws -> [StoredTimelineEntry] {
    if row.entries == 0 { return [try firstEntry(row)] }
    let rows = try database.statement(
      """
      SELECT at, from_status, to_status, principal, agent, cause, message, late FROM timeline
      WHERE integration = ? AND id = ? ORDER BY n
      """)
    defer { rows.reset() }
    rows.bind(1, row.integration)
    rows.bind(2, row.id)
    var entries: [StoredTimelineEntry] = []
    while try rows.step() {
      entries.append(
        StoredTimelineEntry(
          at: Instant(milliseconds: rows.integer(0)),
          from: Status(rawValue: UInt8(clamping: rows.integer(1))),
          to: Status(rawValue: UInt8(clamping: rows.integer(2))) ?? row.status,
          principal: try names.name(rows.integer(3)),
          agentID: try names.agent(rows.optionalInteger(4)),
          cause: TransitionCause(rawValue: UInt8(clamping: rows.integer(5))) ?? .report,
          message: rows.text(6), isLate: rows.integer(7) != 0))
    }
    return entries
  }

  private func firstEntry(_ row: LogRow) throws -> StoredTimelineEntry {
    let name = try database.rows(
      "SELECT name FROM integrations WHERE id = ?", .integer(row.integration)
    ).first?.first?.text
    let integration = "integration:\(name ?? "")"
    let entry = row.firstEntry(integrationPrincipal: 0)
    return StoredTimelineEntry(
      at: entry.at, from: nil, to: entry.to,
      principal: entry.principal == 0 ? integration : try names.name(entry.principal),
      agentID: try names.agent(entry.agent), cause: entry.cause, message: entry.message,
      isLate: false)
  }

  private func recordErrors(
    _ row: LogRow, after: Int64, limit: Int
  ) throws -> ([StoredRecordError], next: Int64?) {
    let rows = try database.statement(
      """
      SELECT n, reference, message, cause, retryable FROM record_errors
      WHERE integration = ? AND id = ? AND n > ? ORDER BY n LIMIT ?
      """)
    defer { rows.reset() }
    rows.bind(1, row.integration)
    rows.bind(2, row.id)
    rows.bind(3, after)
    rows.bind(4, Int64(limit + 1))
    var errors: [StoredRecordError] = []
    var last: Int64 = 0
    while try rows.step() {
      if errors.count == limit { return (errors, last) }
      last = rows.integer(0)
      errors.append(
        StoredRecordError(
          referenceID: rows.text(1), message: rows.text(2), cause: rows.text(3),
          isRetryable: rows.integer(4) != 0))
    }
    return (errors, nil)
  }

  /// The ids of a log's retries, oldest first.
  func retries(of row: LogRow) throws -> [LogID] {
    let rows = try database.statement(
      "SELECT id FROM logs WHERE retry_of = ? AND integration = ? ORDER BY id LIMIT 1000")
    defer { rows.reset() }
    rows.bind(1, row.id)
    rows.bind(2, row.integration)
    var found: [LogID] = []
    while try rows.step() { if let id = rows.logID(0) { found.append(id) } }
    return found
  }
}
