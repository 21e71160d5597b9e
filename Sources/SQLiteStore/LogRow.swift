import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// A row of `logs`, with numbers for names as they are stored.
struct LogRow {
  /// Bits of `flags`.
  enum Flag {
    static let cancelWanted: Int64 = 1
    static let request: Int64 = 2
    static let handled: Int64 = 4
    /// It is a run of a schedule, or a retry of one.
    static let scheduled: Int64 = 256
  }

  var integration: IntegrationID
  var id: LogID
  var action: Int64
  var status: Status
  var agent: Int64?
  var entityType: Int64?
  var entityID = ""
  var entityName = ""
  var entityURL = ""
  var trigger: LogTrigger
  var attempt: UInt32 = 1
  var message = ""
  var sequence: UInt64 = 0
  var created: Instant
  var started: Instant?
  var updated: Instant
  var finished: Instant?
  var due: Instant?
  var recordsDone: UInt64 = 0
  var recordsTotal: UInt64 = 0
  var recordErrors: UInt64 = 0
  /// Rows in the timeline; 0: the first entry is read from this row.
  var entries: Int64 = 0
  /// How many of them are late.
  var late: Int64 = 0
  var flags: Int64 = 0
  var requestedBy: Int64?
  var retryOf: LogID?
  var labels: [UInt8] = []
  var result = ""

  var isCancelWanted: Bool {
    get { flags & Flag.cancelWanted != 0 }
    set { flags = newValue ? flags | Flag.cancelWanted : flags & ~Flag.cancelWanted }
  }
  var isHandled: Bool {
    get { flags & Flag.handled != 0 }
    set { flags = newValue ? flags | Flag.handled : flags & ~Flag.handled }
  }
  var isRequest: Bool { flags & Flag.request != 0 }

  init(
    integration: IntegrationID, id: LogID, action: Int64, status: Status, trigger: LogTrigger,
    created: Instant, now: Instant
  ) {
    self.integration = integration
    self.id = id
    self.action = action
    self.status = status
    self.trigger = trigger
    self.created = created
    updated = now
  }

  /// The columns in the order in which `init(_:)` reads them.
  static let columns = """
    integration, id, action, status, agent, entity_type, entity_id, entity_name, trigger, attempt,
    message, sequence, created, started, updated, finished, due, entity_url, records_done,
    records_total, record_errors, entries, late, flags, requested_by, retry_of, labels, result
    """

  /// Reads the current row of a statement that selects `columns`.
  init(_ row: SQLiteStatement) {
    integration = row.integer(0)
    id = row.logID(1) ?? .lowest
    action = row.integer(2)
    status = Status(rawValue: UInt8(clamping: row.integer(3))) ?? .failed
    agent = row.optionalInteger(4)
    entityType = row.optionalInteger(5)
    entityID = row.text(6)
    entityName = row.text(7)
    trigger = LogTrigger(rawValue: UInt8(clamping: row.integer(8))) ?? .event
    attempt = UInt32(clamping: row.integer(9))
    message = row.text(10)
    sequence = UInt64(clamping: row.integer(11))
    created = Instant(milliseconds: row.integer(12))
    started = row.instant(13)
    updated = Instant(milliseconds: row.integer(14))
    finished = row.instant(15)
    due = row.instant(16)
    entityURL = row.text(17)
    recordsDone = UInt64(clamping: row.integer(18))
    recordsTotal = UInt64(clamping: row.integer(19))
    recordErrors = UInt64(clamping: row.integer(20))
    entries = row.integer(21)
    late = row.integer(22)
    flags = row.integer(23)
    requestedBy = row.optionalInteger(24)
    retryOf = row.logID(25)
    labels = row.blob(26)
    result = row.text(27)
  }

  /// Bytes of the texts that may be long.
  var textBytes: Int { message.utf8.count + result.utf8.count + labels.count }

  /// Reads one row, wherever it is; nil: there is none.
  ///
  /// Ids are unique in their integration only, and an agent chooses those of its own work. The id
  /// of a request was made by the server and other systems see it as idempotency key: so the log
  /// of a request goes before all others, else an agent could hide another integration's request.
  static func find(
    _ database: SQLiteConnection, inAnyOf integrations: [IntegrationID], id: LogID
  ) throws -> LogRow? {
    var first: LogRow?
    for integration in integrations {
      guard let row = try find(database, integration: integration, id: id) else { continue }
      if row.flags & Flag.request != 0 { return row }
      if first == nil { first = row }
    }
    return first
  }

  /// Reads one row; nil: there is none.
  static func find(
    _ database: SQLiteConnection, integration: IntegrationID, id: LogID
  ) throws -> LogRow? {
    let find = try database.statement(
      "SELECT \(columns) FROM logs WHERE integration = ? AND id = ?")
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, id)
    return try find.step() ? LogRow(find) : nil
  }

  /// Stores a new row that is no report of the hot path.
  func insert(_ database: SQLiteConnection) throws {
    let insert = try database.statement(
      """
      INSERT INTO logs(\(Self.columns)) VALUES(
        ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    insert.bind(1, integration)
    insert.bind(2, id)
    insert.bind(3, action)
    insert.bind(6, entityType)
    insert.bindText(7, entityID)
    insert.bindText(8, entityName)
    insert.bind(9, Int64(trigger.rawValue))
    insert.bind(10, Int64(attempt))
    insert.bind(13, created)
    insert.bindText(18, entityURL)
    insert.bind(25, requestedBy)
    if let retryOf { insert.bind(26, retryOf) } else { insert.bindNull(26) }
    bindChanging(
      insert,
      ChangingColumns(
        status: 4, agent: 5, message: 11, sequence: 12, started: 14, updated: 15, finished: 16,
        due: 17, done: 19, total: 20, errors: 21, entries: 22, late: 23, flags: 24, labels: 27,
        result: 28))
    try insert.run()
  }

  /// Stores what may have changed of a row.
  func update(_ database: SQLiteConnection) throws {
    let update = try database.statement(
      """
      UPDATE logs SET status = ?3, agent = ?4, message = ?5, sequence = ?6, started = ?7,
        updated = ?8, finished = ?9, due = ?10, records_done = ?11, records_total = ?12,
        record_errors = ?13, entries = ?14, late = ?15, flags = ?16, labels = ?17, result = ?18
      WHERE integration = ?1 AND id = ?2
      """)
    update.bind(1, integration)
    update.bind(2, id)
    bindChanging(
      update,
      ChangingColumns(
        status: 3, agent: 4, message: 5, sequence: 6, started: 7, updated: 8, finished: 9,
        due: 10, done: 11, total: 12, errors: 13, entries: 14, late: 15, flags: 16, labels: 17,
        result: 18))
    try update.run()
  }

  /// Where the columns that change stand among a statement's parameters.
  private struct ChangingColumns {
    var status, agent, message, sequence, started, updated, finished, due: Int
    var done, total, errors, entries, late, flags, labels, result: Int
  }

  private func bindChanging(_ statement: SQLiteStatement, _ at: ChangingColumns) {
    statement.bind(at.status, Int64(status.rawValue))
    statement.bind(at.agent, agent)
    statement.bindText(at.message, message)
    statement.bind(at.sequence, Int64(clamping: sequence))
    statement.bind(at.started, started)
    statement.bind(at.updated, updated)
    statement.bind(at.finished, finished)
    statement.bind(at.due, due)
    statement.bindCount(at.done, Int64(clamping: recordsDone))
    statement.bindCount(at.total, Int64(clamping: recordsTotal))
    statement.bindCount(at.errors, Int64(clamping: recordErrors))
    statement.bindCount(at.entries, entries)
    statement.bindCount(at.late, late)
    statement.bindCount(at.flags, flags)
    if labels.isEmpty {
      statement.bindNull(at.labels)
    } else {
      statement.bind(at.labels, blob: labels)
    }
    statement.bindText(at.result, result)
  }
}

extension SQLiteStatement {
  /// Binds a text, NULL for an empty one.
  func bindText(_ index: Int, _ text: String) {
    if text.isEmpty { bindNull(index) } else { bind(index, text) }
  }

  /// Binds a number, NULL for 0, which needs no byte.
  func bindCount(_ index: Int, _ number: Int64) {
    if number == 0 { bindNull(index) } else { bind(index, number) }
  }
}
