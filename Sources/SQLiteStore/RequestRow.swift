import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// A row of `requests`: what a log that comes from a request needs beyond the log.
struct RequestRow {
  /// The values of the column `hold`: those of `LogState.Hold`, and this one when the log ended.
  static let closed: Int64 = 3
  /// The time from which a request can be delivered that waits for another one's end.
  static let held = Instant(milliseconds: 1 << 61)

  var hold: LogState.Hold = .none
  var isClosed = false
  var available: Instant
  var notBefore: Instant?
  var agent: Int64?
  var delivery: UInt32 = 0
  var nonce: UInt64 = 0
  var lost: UInt32 = 0
  var leaseMs: UInt32 = 0
  var leaseExpires: Instant?
  var acceptBy: Instant?
  /// Since when the holder's connection is gone.
  var gone: Instant?
  /// When it times out unless somebody holds it.
  var queueBy: Instant
  /// When it times out whatever its action's queue timeout; nil: never.
  var expires: Instant?
  /// Whether it is no retry, so that its idempotency key is its own.
  var isOriginal = true
  var idempotencyKey = ""

  init(available: Instant, queueBy: Instant) {
    self.available = available
    self.queueBy = queueBy
  }

  var token: LeaseToken? { delivery == 0 ? nil : LeaseToken(delivery: delivery, nonce: nonce) }

  static let columns = """
    hold, available, not_before, agent, delivery, nonce, lost, lease_ms, lease_expires, accept_by,
    gone, original, idempotency_key, queue_by, expires
    """

  /// Reads the current row of a statement that selects `columns` from column `first` on.
  init(_ row: SQLiteStatement, from first: Int = 0) {
    let stored = row.integer(first)
    isClosed = stored == Self.closed
    hold = LogState.Hold(rawValue: UInt8(clamping: stored)) ?? .none
    available = Instant(milliseconds: row.integer(first + 1))
    notBefore = row.instant(first + 2)
    agent = row.optionalInteger(first + 3)
    delivery = UInt32(clamping: row.integer(first + 4))
    nonce = UInt64(bitPattern: row.integer(first + 5))
    lost = UInt32(clamping: row.integer(first + 6))
    leaseMs = UInt32(clamping: row.integer(first + 7))
    leaseExpires = row.instant(first + 8)
    acceptBy = row.instant(first + 9)
    gone = row.instant(first + 10)
    isOriginal = row.integer(first + 11) != 0
    idempotencyKey = row.text(first + 12)
    queueBy = Instant(milliseconds: row.integer(first + 13))
    expires = row.instant(first + 14)
  }

  /// Reads one row; nil: the log does not come from a request.
  static func find(
    _ database: SQLiteConnection, integration: IntegrationID, id: LogID
  ) throws -> RequestRow? {
    let find = try database.statement(
      "SELECT \(columns) FROM requests WHERE integration = ? AND id = ?")
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, id)
    return try find.step() ? RequestRow(find) : nil
  }

  /// Reads a request's input, which is large and rarely needed; empty: there is none.
  static func input(
    _ database: SQLiteConnection, integration: IntegrationID, id: LogID
  ) throws -> String {
    let find = try database.statement(
      "SELECT input FROM requests WHERE integration = ? AND id = ?")
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, id)
    return try find.step() ? find.text(0) : ""
  }

  /// Stores the row of a new request for a log.
  func insert(_ database: SQLiteConnection, for log: LogRow, input: String) throws {
    let insert = try database.statement(
      """
      INSERT INTO requests(integration, id, action, hold, available, not_before, delivery, nonce,
        lost, lease_ms, original, idempotency_key, entity_type, entity_id, input, queue_by,
        expires)
      VALUES(?, ?, ?, 0, ?, ?, 0, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?)
      """)
    insert.bind(1, log.integration)
    insert.bind(2, log.id)
    insert.bind(3, log.action)
    insert.bind(4, available)
    insert.bind(5, notBefore)
    insert.bind(6, flag: isOriginal)
    insert.bindText(7, idempotencyKey)
    insert.bind(8, log.entityType)
    insert.bindText(9, log.entityID)
    insert.bindText(10, input)
    insert.bind(11, queueBy)
    insert.bind(12, expires)
    try insert.run()
  }

  /// Stores what may have changed.
  func update(_ database: SQLiteConnection, for log: LogRow) throws {
    let update = try database.statement(
      """
      UPDATE requests SET hold = ?3, agent = ?4, delivery = ?5, nonce = ?6, lost = ?7,
        lease_ms = ?8, lease_expires = ?9, accept_by = ?10, gone = ?11,
        queue_by = ?12
      WHERE integration = ?1 AND id = ?2
      """)
    update.bind(1, log.integration)
    update.bind(2, log.id)
    update.bind(3, isClosed ? Self.closed : Int64(hold.rawValue))
    update.bind(4, agent)
    update.bind(5, Int64(delivery))
    update.bind(6, Int64(bitPattern: nonce))
    update.bind(7, Int64(lost))
    update.bind(8, Int64(leaseMs))
    update.bind(9, leaseExpires)
    update.bind(10, acceptBy)
    update.bind(11, gone)
    update.bind(12, queueBy)
    try update.run()
  }
}
