import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// What holds between the tables of a whole store; each look brings sentences.
struct StoreInvariants {
  let database: SQLiteConnection
  /// Sentences of one kind.
  static let maximumProblems = 5
  /// Which integrations are whole: rows of one that is being deleted go table by table.
  private static let isWhole = "NOT IN (SELECT integration FROM deletions WHERE done = 0)"

  /// Rows that must fit each other, whoever wrote them.
  func problemsOfRows() throws -> [String] {
    try requests() + timelines() + strays()
  }

  /// What is kept beside rows so that nobody need count them.
  func problemsOfCounts() throws -> [String] {
    try counts() + sizes()
  }

  // MARK: - Rows

  private func requests() throws -> [String] {
    try logs(
      """
      SELECT r.id FROM requests r LEFT JOIN logs l ON l.integration = r.integration AND l.id = r.id
      WHERE r.integration \(Self.isWhole)
        AND (l.id IS NULL OR coalesce(l.flags, 0) & \(LogRow.Flag.request) = 0)
      """
    ) { "request \($0) has no log that says that it comes from one" }
      + logs(
        """
        SELECT l.id FROM logs l
        LEFT JOIN requests r ON l.integration = r.integration AND l.id = r.id
        WHERE l.integration \(Self.isWhole)
          AND coalesce(l.flags, 0) & \(LogRow.Flag.request) <> 0
          AND (r.id IS NULL OR (r.hold = \(RequestRow.closed)) <> (l.status > 2))
        """
      ) { "log \($0) has no request, or one that is open where the log has ended" }
  }

  private func timelines() throws -> [String] {
    try logs(
      """
      SELECT l.id FROM logs l WHERE l.integration \(Self.isWhole)
        AND coalesce(l.entries, 0) > 0 AND coalesce(l.entries, 0) <>
        (SELECT count(*) FROM timeline t WHERE t.integration = l.integration AND t.id = l.id
          AND t.n BETWEEN 1 AND l.entries)
      """
    ) { "the timeline of log \($0) has not the entries 1 to its count" }
  }

  private func strays() throws -> [String] {
    var problems: [String] = []
    for table in ["timeline", "record_errors", "cancels"] {
      problems += try logs(
        """
        SELECT DISTINCT t.id FROM \(table) t
        LEFT JOIN logs l ON l.integration = t.integration AND l.id = t.id
        WHERE l.id IS NULL AND t.integration \(Self.isWhole)
        """
      ) { "table \(table) has rows of log \($0), which is not there" }
    }
    return problems
      + (try sentences("SELECT count(*) FROM logs WHERE action NOT IN (SELECT id FROM actions)") {
        $0.integer(0) == 0 ? nil : "\($0.integer(0)) logs are of actions that are not there"
      })
      + (try sentences(
        """
        SELECT count(*) FROM logs WHERE integration NOT IN (SELECT id FROM integrations)
          AND integration \(Self.isWhole)
        """
      ) {
        $0.integer(0) == 0 ? nil : "\($0.integer(0)) logs are of integrations that are not there"
      })
  }

  // MARK: - Counts

  private func counts() throws -> [String] {
    try sentences(
      """
      SELECT a.id, a.type, coalesce(c.logs, 0), coalesce(c.queued, 0), coalesce(c.in_progress, 0),
        coalesce(l.logs, 0), coalesce(l.queued, 0), coalesce(l.in_progress, 0)
      FROM actions a LEFT JOIN action_counts c ON c.action = a.id
      LEFT JOIN (SELECT action, count(*) AS logs, sum(status = 1) AS queued,
          sum(status = 2) AS in_progress FROM logs GROUP BY action) l ON l.action = a.id
      WHERE a.integration \(Self.isWhole)
      """
    ) { row in
      let (kept, counted) = (2..<5, 5..<8)
      guard kept.map(row.integer) != counted.map(row.integer) else { return nil }
      return "action \(row.text(1)) (\(row.integer(0))) counts "
        + "\(row.integer(2)) logs, \(row.integer(3)) queued, \(row.integer(4)) in progress; "
        + "there are \(row.integer(5)), \(row.integer(6)) and \(row.integer(7))"
    }
  }

  private func sizes() throws -> [String] {
    try sentences(
      """
      SELECT l.status, coalesce(s.logs, 0), coalesce(s.bytes, 0), l.logs, l.bytes
      FROM (SELECT status, count(*) AS logs, sum(\(Schema.keptBytes)) AS bytes FROM logs
        WHERE status > 2 GROUP BY status) l
      LEFT JOIN status_sizes s ON s.status = l.status
      """
    ) { row in
      let status = Status(rawValue: UInt8(clamping: row.integer(0)))?.name ?? "?"
      guard row.integer(1) != row.integer(3) || row.integer(2) != row.integer(4) else { return nil }
      return "status \(status) counts \(row.integer(1)) logs of \(row.integer(2)) bytes; "
        + "there are \(row.integer(3)) of \(row.integer(4))"
    }
  }

  // MARK: - Sentences

  private func logs(_ sql: String, _ sentence: (String) -> String) throws -> [String] {
    try sentences(sql) { sentence($0.logID(0)?.description ?? "?") }
  }

  private func sentences(
    _ sql: String, _ sentence: (SQLiteStatement) -> String?
  ) throws -> [String] {
    let rows = try database.statement(sql)
    defer { rows.reset() }
    var found: [String] = []
    while found.count < Self.maximumProblems, try rows.step() {
      if let text = sentence(rows) { found.append(text) }
    }
    return found
  }
}
