import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// The tables that hold rows of an integration, each with the columns behind `integration` in its
  /// primary key.
  ///
  /// A new table with rows of an integration is named here, and is emptied with the others.
  private static let ownedTables: [(name: String, key: [String])] = [
    ("record_errors", ["id", "n"]), ("timeline", ["id", "n"]), ("cancels", ["id"]),
    // Logs go before their requests, whose inputs count among what a log takes.
    ("handled_failures", ["id"]), ("schedule_logs", ["id"]), ("logs", ["id"]),
    ("requests", ["id"]), ("log_digests", ["part", "last"]), ("prune_positions", ["status"]),
  ]

  /// The tables that hold rows of an action.
  private static let actionTables = [
    "action_counts", "action_hours", "action_overrides", "action_pauses", "delivery_windows",
  ]

  /// Ends an integration: from here on nothing finds it, and its rows go step by step.
  ///
  /// Its row and its keys go at once; `deletions` keeps its number, which is never used again, and
  /// its name until nothing else is left. What follows its number finds no integration: lists,
  /// leases and reports pass its logs by.
  func deleteIntegration(
    _ id: IntegrationID, logs: DeletedLogs, principal: String, now: Instant
  ) throws -> CommandOutcome {
    guard let record = directory.integrations[id]?.record else {
      throw StoreFailure.integrationUnknown("\(id)")
    }
    try flushCounts()
    let count = try deletionCount(id)
    guard logs == .included || count.logs == 0 else {
      throw StoreFailure(
        .failedPrecondition, "INTEGRATION_HAS_LOGS",
        "\(record.name) has \(count.logs) logs, which would be lost; ask for the deletion with its "
          + "logs, or pause it and revoke its keys to keep them")
    }
    try database.run(
      "INSERT INTO deletions VALUES(?, ?, ?, ?, 0)", .integer(id), .text(record.name),
      .integer(now.milliseconds), .text(principal))
    try removeSchedules(of: id, now: now)
    try database.run("DELETE FROM keys WHERE integration = ?", .integer(id))
    try database.run("DELETE FROM integrations WHERE id = ?", .integer(id))
    // What other logs of this batch have changed is written before memory is made anew.
    try digests.flush(to: database)
    directory = try Directory(database)
    digests = LogDigests(directory.integrations.keys, limits)
    emit(.integrationRemoved(id))
    return .deleted(logs: count.logs, requests: count.requests)
  }

  /// Whether there is no integration, nor one of which rows are still to go.
  func isEmpty() throws -> Bool {
    guard directory.integrations.isEmpty else { return false }
    return try database.rows("SELECT 1 FROM deletions WHERE done = 0 LIMIT 1").isEmpty
  }

  private func deletionCount(_ id: IntegrationID) throws -> (logs: UInt64, requests: UInt64) {
    let counts = try database.rows(
      """
      SELECT sum(logs) FROM action_counts JOIN actions ON actions.id = action
      WHERE integration = ?
      """, .integer(id))
    let open = try database.rows(
      """
      SELECT count(*) FROM requests JOIN actions ON actions.id = requests.action
      WHERE actions.integration = ? AND requests.hold IN (0, 1, 2)
      """, .integer(id))
    return (
      UInt64(clamping: counts.first?.first?.integer ?? 0),
      UInt64(clamping: open.first?.first?.integer ?? 0)
    )
  }

  /// Removes at most about `maximum` rows of integrations that are being deleted.
  func continueDeletion(maximum: Int) throws -> CommandOutcome {
    let open = try database.rows(
      "SELECT integration FROM deletions WHERE done = 0 ORDER BY integration LIMIT 1")
    guard let id = open.first?.first?.integer else { return .deletionContinued(isDone: true) }
    var left = max(1, maximum)
    for table in Self.ownedTables {
      left -= try removeRows(of: id, table.name, table.key, maximum: left)
      if left <= 0 { return .deletionContinued(isDone: false) }
    }
    for table in Self.actionTables {
      try database.run(
        """
        DELETE FROM \(table) WHERE action NOT IN (
          SELECT id FROM actions WHERE integration IN (SELECT id FROM integrations))
        """)
    }
    // Numbers of actions and agents stand in memory of readers: they are not used again, so a row
    // with the number stays where it is the highest, and says nothing.
    for (table, blank) in [("agents", Self.blankAgent), ("actions", Self.blankAction)] {
      try database.run(
        """
        DELETE FROM \(table) WHERE integration NOT IN (SELECT id FROM integrations)
          AND integration NOT IN (SELECT integration FROM deletions WHERE done = 0
            AND integration <> ?)
          AND id < (SELECT max(id) FROM \(table))
        """, .integer(id))
      try database.run("UPDATE \(table) SET \(blank) WHERE integration = ?", .integer(id))
    }
    try database.run(
      "UPDATE deletions SET name = '', done = 1 WHERE integration = ?", .integer(id))
    return .deletionContinued(isDone: false)
  }

  private static let blankAgent = """
    agent_id = '', instance_id = NULL, version = NULL, host = NULL, platform = NULL,
    target_system = NULL, target_version = NULL, condition_message = NULL, drain_reason = NULL
    """
  private static let blankAction = """
    type = '', name = '', description = '', entity_type = '', input_schema = '', retired = 1
    """

  /// Removes the first rows of an integration in a table; how many they are.
  private func removeRows(
    of integration: IntegrationID, _ table: String, _ key: [String], maximum: Int
  ) throws -> Int {
    let columns = key.joined(separator: ", ")
    let bounds = try database.rows(
      """
      SELECT \(columns) FROM \(table) WHERE integration = ? ORDER BY \(columns)
      LIMIT 1 OFFSET ?
      """, .integer(integration), .integer(Int64(maximum)))
    guard let bound = bounds.first else {
      if table == "logs" { try takeSizes(of: integration, where: "", []) }
      try database.run("DELETE FROM \(table) WHERE integration = ?", .integer(integration))
      return Int(try database.rows("SELECT changes()").first?.first?.integer ?? 0)
    }
    let marks = key.map { _ in "?" }.joined(separator: ", ")
    if table == "logs" { try takeSizes(of: integration, where: "AND id < ?", bound) }
    let remove = try database.statement(
      "DELETE FROM \(table) WHERE integration = ? AND (\(columns)) < (\(marks))")
    try remove.bind([.integer(integration)] + bound)
    try remove.run()
    return maximum
  }

  /// Takes away what some logs of an integration, which go now, count among those of their status.
  private func takeSizes(
    of integration: IntegrationID, where condition: String, _ bound: [SQLiteValue]
  ) throws {
    let sizes = try database.statement(
      """
      SELECT status, count(*), sum(\(Schema.keptBytes)) FROM logs
      WHERE integration = ? AND status > 2 \(condition) GROUP BY status
      """)
    defer { sizes.reset() }
    try sizes.bind([.integer(integration)] + bound)
    while try sizes.step() {
      guard let status = Status(rawValue: UInt8(clamping: sizes.integer(0))) else { continue }
      self.sizes.add(-sizes.integer(1), -sizes.integer(2), to: status)
    }
  }
}
