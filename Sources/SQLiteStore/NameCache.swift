import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Texts by number, read from the database when they are met first.
///
/// Numbers never change their text, so nothing goes stale; the caches are emptied when they have
/// grown too far.
final class NameCache {
  private static let maximumCount = 50_000
  private let database: SQLiteConnection
  private var names: [Int64: String] = [:]
  private var agents: [Int64: String] = [:]
  private var actions: [Int64: String] = [:]

  init(_ database: SQLiteConnection) { self.database = database }

  /// A principal or entity type; empty for nil.
  func name(_ number: Int64?) throws -> String {
    try text(number, in: &names, "SELECT name FROM names WHERE id = ?")
  }

  /// An agent's id; empty for nil.
  func agent(_ number: Int64?) throws -> String {
    try text(number, in: &agents, "SELECT agent_id FROM agents WHERE id = ?")
  }

  /// An action's type.
  func action(_ number: Int64?) throws -> String {
    try text(number, in: &actions, "SELECT type FROM actions WHERE id = ?")
  }

  /// Forgets everything, after a rollback that may have taken numbers back.
  func removeAll() {
    names.removeAll()
    agents.removeAll()
    actions.removeAll()
  }

  private func text(
    _ number: Int64?, in cache: inout [Int64: String], _ sql: String
  ) throws -> String {
    guard let number else { return "" }
    if let known = cache[number] { return known }
    let find = try database.statement(sql)
    defer { find.reset() }
    find.bind(1, number)
    let found = try find.step() ? find.text(0) : ""
    if cache.count >= Self.maximumCount { cache.removeAll() }
    cache[number] = found
    return found
  }

  /// A row with its names.
  func stored(_ row: LogRow) throws -> StoredLog {
    var log = StoredLog(
      id: row.id, integration: row.integration, actionType: try action(row.action),
      status: row.status, trigger: row.trigger, createdAt: row.created)
    log.entity = EntityReference(
      type: try name(row.entityType), id: row.entityID, displayName: row.entityName,
      url: row.entityURL)
    log.message = row.message
    log.requestedBy = try name(row.requestedBy)
    log.agentID = try agent(row.agent)
    log.attempt = row.attempt
    log.retryOf = row.retryOf
    log.recordsDone = row.recordsDone
    log.recordsTotal = row.recordsTotal
    log.recordErrors = row.recordErrors
    log.labels = row.labels.isEmpty ? [:] : Labels.decode(row.labels)
    log.result = row.result
    log.sequence = row.sequence
    log.startedAt = row.started
    log.updatedAt = row.updated
    log.finishedAt = row.finished
    log.isCancelWanted = row.isCancelWanted
    log.isHandled = row.isHandled
    return log
  }

  /// A row and its request with their names.
  func stored(_ row: LogRow, _ request: RequestRow) throws -> StoredRequest {
    StoredRequest(
      log: try stored(row),
      input: try RequestRow.input(database, integration: row.integration, id: row.id),
      idempotencyKey: request.idempotencyKey.isEmpty ? "\(row.id)" : request.idempotencyKey,
      delivery: request.delivery, holder: try agent(request.agent),
      isAccepted: !request.isClosed && request.hold == .accepted,
      leaseExpiresAt: request.leaseExpires, notBefore: request.notBefore,
      expiresAt: request.expires)
  }
}
