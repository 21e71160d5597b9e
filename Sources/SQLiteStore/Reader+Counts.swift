import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Reader {
  /// Failures are counted up to this many.
  static let maximumCounted = 100_000
  private static let dayMs: Int64 = 86_400_000

  func counts(_ integrations: [IntegrationID], now: Instant) throws -> [IntegrationCounts] {
    let wanted = integrations.isEmpty ? try integrationIDs() : integrations
    return try wanted.map { try counts($0, now: now) }
  }

  private func counts(_ integration: IntegrationID, now: Instant) throws -> IntegrationCounts {
    var counts = IntegrationCounts(integration: integration)
    counts.actions = try actionCounts(integration, now: now)
    for action in counts.actions {
      counts.open += action.queued + action.inProgress
      counts.logs += action.logs
      if let last = action.lastLogAt { counts.lastLogAt = max(counts.lastLogAt ?? last, last) }
    }
    counts.failedDay = try failed(integration, since: now.adding(milliseconds: -Self.dayMs))
    counts.heldLeases = try heldLeases(integration)
    return counts
  }

  private func actionCounts(_ integration: IntegrationID, now: Instant) throws -> [ActionCounts] {
    let rows = try database.statement(
      """
      SELECT type, logs, queued, in_progress, last_log,
        (SELECT min(available) FROM requests
          WHERE action = actions.id AND hold = 0 AND available <= ?2)
      FROM actions LEFT JOIN action_counts ON action = actions.id
      WHERE integration = ?1 ORDER BY type
      """)
    defer { rows.reset() }
    rows.bind(1, integration)
    rows.bind(2, now)
    var found: [ActionCounts] = []
    while try rows.step() {
      var counts = ActionCounts(integration: integration, actionType: rows.text(0))
      counts.logs = UInt64(clamping: rows.integer(1))
      counts.queued = UInt64(clamping: rows.integer(2))
      counts.inProgress = UInt64(clamping: rows.integer(3))
      counts.lastLogAt = rows.instant(4)
      counts.oldestQueuedAt = rows.instant(5)
      found.append(counts)
    }
    return found
  }

  /// Failures that nobody has marked as handled: all, without those in the table of marks.
  private func failed(_ integration: IntegrationID, since: Instant) throws -> UInt64 {
    let handled = try count(
      "SELECT 1 FROM handled_failures WHERE integration = ?1 AND id >= ?2 LIMIT ?3", integration,
      since: since, maximum: Self.maximumCounted)
    let failed = try count(
      """
      SELECT 1 FROM logs INDEXED BY logs_failed
      WHERE integration = ?1 AND id >= ?2 AND status IN (4, 6) LIMIT ?3
      """, integration, since: since, maximum: Self.maximumCounted + handled)
    return UInt64(max(0, failed - handled))
  }

  private func count(
    _ rows: String, _ integration: IntegrationID, since: Instant, maximum: Int
  ) throws -> Int {
    let count = try database.statement("SELECT count(*) FROM (\(rows))")
    defer { count.reset() }
    count.bind(1, integration)
    count.bind(2, LogID(lowerBoundAt: since))
    count.bind(3, Int64(maximum))
    return try count.step() ? Int(count.integer(0)) : 0
  }

  private func heldLeases(_ integration: IntegrationID) throws -> [String: UInt32] {
    let rows = try database.statement(
      """
      SELECT agent, count(*) FROM requests
      WHERE action IN (SELECT id FROM actions WHERE integration = ?) AND hold IN (1, 2)
      GROUP BY agent
      """)
    defer { rows.reset() }
    rows.bind(1, integration)
    var found: [String: UInt32] = [:]
    while try rows.step() {
      found[try names.agent(rows.optionalInteger(0))] = UInt32(clamping: rows.integer(1))
    }
    return found
  }
}
