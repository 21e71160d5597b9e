import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// What holds between the tables of a whole store; each look brings sentences.
struct StoreInvariants {
  let database: SQLiteConnection
  /// Sentences of one kind.
  static let maximumProblems = 5

  /// Rows that must fit each other, whoever wrote them.
  func problemsOfRows() throws -> [String] {
    try requests() + timelines() + strays()
  }

  /// What is kept beside rows so that nobody need count them.
  func problemsOfCounts() throws -> [String] {
    try counts() + sizes()
  }

  /// Says that a row is not of an integration whose rows go step by step: what is left of it fits
  /// together no more.
  private func stays(_ table: String) -> String {
    "\(table).integration NOT IN (SELECT integration FROM deletions WHERE done = 0)"
  }

  // MARK: - Rows

  private func requests() throws -> [String] {
    try logs(
      """
      SELECT r.id FROM requests r LEFT JOIN logs l ON l.integration = r.integration AND l.id = r.id
      WHERE (l.id IS NULL OR coalesce(l.flags, 0) & \(LogRow.Flag.request) = 0)
        AND \(stays("r"))
      """
    ) { "request \($0) has no log that says that it comes from one" }
      + logs(
        """
        SELECT l.id FROM logs l
        LEFT JOIN requests r ON l.integration = r.integration AND l.id = r.id
        WHERE coalesce(l.flags, 0) & \(LogRow.Flag.request) <> 0
          AND (r.id IS NULL OR (r.hold = \(RequestRow.closed)) <> (l.status > 2))
          AND \(stays("l"))
        """
      ) { "log \($0) has no request, or one that is open where the log has ended" }
  }

  private func timelines() throws -> [String] {
    try logs(
      """
      SELECT l.id FROM logs l WHERE coalesce(l.entries, 0) > 0 AND coalesce(l.entries, 0) <>
        (SELECT count(*) FROM timeline t WHERE t.integration = l.integration AND t.id = l.id
          AND t.n BETWEEN 1 AND l.entries) AND \(stays("l"))
      """
    ) { "the timeline of log \($0) has not the entries 1 to its count" }
  }

  private func strays() throws -> [String] {
    var problems: [String] = []
    for table in ["timeline", "record_errors", "cancels", "handled_failures", "schedule_logs"] {
      problems += try logs(
        """
        SELECT DISTINCT t.id FROM \(table) t
        LEFT JOIN logs l ON l.integration = t.integration AND l.id = t.id
        WHERE l.id IS NULL AND \(stays("t"))
        """
      ) { "table \(table) has rows of log \($0), which is not there" }
    }
    return problems
      + (try sentences("SELECT count(*) FROM logs WHERE action NOT IN (SELECT id FROM actions)") {
        $0.integer(0) == 0 ? nil : "\($0.integer(0)) logs are of actions that are not there"
      })
      + (try sentences(
        """
        SELECT count(*) FROM logs l
        WHERE integration NOT IN (SELECT id FROM integrations) AND \(stays("l"))
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
        coalesce(c.completed, 0), coalesce(c.failed, 0), coalesce(c.cancelled, 0),
        coalesce(c.timed_out, 0), coalesce(l.logs, 0), coalesce(l.s1, 0), coalesce(l.s2, 0),
        coalesce(l.s3, 0), coalesce(l.s4, 0), coalesce(l.s5, 0), coalesce(l.s6, 0)
      FROM actions a LEFT JOIN action_counts c ON c.action = a.id
      LEFT JOIN (SELECT action, count(*) AS logs, sum(status = 1) AS s1, sum(status = 2) AS s2,
          sum(status = 3) AS s3, sum(status = 4) AS s4, sum(status = 5) AS s5,
          sum(status = 6) AS s6 FROM logs GROUP BY action) l ON l.action = a.id
      WHERE \(stays("a"))
      """
    ) { row in
      let (kept, counted) = ((2..<9).map(row.integer), (9..<16).map(row.integer))
      guard kept != counted else { return nil }
      return "action \(row.text(1)) (\(row.integer(0))) counts \(Self.sentence(kept)); "
        + "there are \(Self.sentence(counted))"
    }
  }

  private static func sentence(_ counts: [Int64]) -> String {
    let names = [
      "logs", "queued", "in progress", "completed", "failed", "cancelled", "timed out",
    ]
    return zip(counts, names).map { "\($0) \($1)" }.joined(separator: ", ")
  }

  private func sizes() throws -> [String] {
    try sentences(
      """
      SELECT status, coalesce(s.logs, 0), coalesce(s.bytes, 0), coalesce(l.logs, 0),
        coalesce(l.bytes, 0)
      FROM (SELECT status, count(*) AS logs, sum(\(Schema.keptBytes)) AS bytes FROM logs
        WHERE status > 2 GROUP BY status) l
      FULL JOIN status_sizes s USING (status)
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
