import CSQLite

/// One connection to one database file, with its prepared statements.
///
/// It is used from one thread at a time; its owner sees to that, for example with a queue of its
/// own. Every failure is thrown as `SQLiteError`.
@safe public final class SQLiteConnection {
  /// What a connection may do.
  public enum Mode: Sendable {
    /// Reads only; the file exists.
    case readOnly
    /// Reads and writes; the file exists.
    case readWrite
    /// Reads and writes; the file is created where it is missing.
    case create
  }

  let handle: OpaquePointer
  private var statements: [String: SQLiteStatement] = [:]

  /// Switches off SQLite's own account of its memory, which nothing here reads: every allocation of
  /// every connection would take one lock for it.
  ///
  /// Refused where SQLite is in use already; then it counts on.
  private static let configured: Void = {
    _ = csqlite_config_flag(SQLITE_CONFIG_MEMSTATUS, 0)
  }()

  /// Opens a file, or a database in memory for `:memory:`.
  public init(path: String, mode: Mode = .create) throws(SQLiteError) {
    Self.configured
    var opened: OpaquePointer?
    let access =
      switch mode {
      case .readOnly: SQLITE_OPEN_READONLY
      case .readWrite: SQLITE_OPEN_READWRITE
      case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
      }
    let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let code = unsafe sqlite3_open_v2(path, &opened, flags, nil)
    guard code == SQLITE_OK, let opened = unsafe opened else {
      let text = unsafe opened.map { unsafe String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
      unsafe sqlite3_close_v2(opened)
      throw SQLiteError(extendedCode: code, message: "cannot open \(path): \(text)")
    }
    unsafe handle = opened
  }

  deinit {
    for statement in statements.values { statement.finalize() }
    // close_v2 waits for statements that others still hold.
    unsafe sqlite3_close_v2(handle)
  }

  /// Runs one or more statements that bring no rows.
  public func execute(_ sql: String) throws(SQLiteError) {
    let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code, sql) }
  }

  /// A statement that is prepared once and kept; the caller resets it after use.
  public func statement(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
    if let kept = statements[sql] { return kept }
    let made = try prepare(sql)
    statements[sql] = made
    return made
  }

  /// A statement that belongs to the caller.
  public func prepare(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
    try SQLiteStatement(connection: self, sql: sql)
  }

  /// Runs one kept statement with values and ignores its rows.
  public func run(_ sql: String, _ values: SQLiteValue...) throws(SQLiteError) {
    let statement = try statement(sql)
    defer { statement.reset() }
    try statement.bind(values)
    while try statement.step() {}
  }

  /// All rows of one kept statement with values; for small results.
  public func rows(_ sql: String, _ values: SQLiteValue...) throws(SQLiteError) -> [[SQLiteValue]] {
    let statement = try statement(sql)
    defer { statement.reset() }
    try statement.bind(values)
    var rows: [[SQLiteValue]] = []
    while try statement.step() { rows.append(statement.values) }
    return rows
  }

  /// Runs `body` in one transaction that takes the write lock at once; an error rolls it back.
  public func transaction<Value>(
    _ body: () throws(SQLiteError) -> Value
  ) throws(SQLiteError) -> Value {
    try execute("BEGIN IMMEDIATE")
    do {
      let value = try body()
      try execute("COMMIT")
      return value
    } catch {
      rollBack()
      throw error
    }
  }

  /// Ends an open transaction without its changes; nothing happens when none is open.
  public func rollBack() {
    // Some failures end the transaction by themselves; a rollback that fails leaves none open.
    if isInTransaction { _ = unsafe sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
  }

  /// Whether a transaction is open.
  public var isInTransaction: Bool { unsafe sqlite3_get_autocommit(handle) == 0 }
  /// How many rows the last statement changed.
  public var changes: Int { Int(unsafe sqlite3_changes(handle)) }
  /// The row id of the last insert.
  public var lastInsertRowID: Int64 { unsafe sqlite3_last_insert_rowid(handle) }

  /// How long a statement waits for another process's lock, in milliseconds; 0 at first.
  public func setBusyTimeout(milliseconds: Int32) {
    _ = unsafe sqlite3_busy_timeout(handle, milliseconds)
  }

  /// How many pages this connection wrote since the last call; in WAL mode, into the log.
  public func takeWrittenPages() -> Int {
    var current: Int32 = 0
    var highest: Int32 = 0
    unsafe sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_WRITE, &current, &highest, 1)
    return Int(current)
  }

  /// What a step of checkpointing found.
  public struct Checkpoint: Sendable {
    /// Pages in the write-ahead log.
    public let logPages: Int
    /// How many of them are in the database file.
    public let copiedPages: Int
  }

  /// Copies what it can of the write-ahead log into the database file; waits for no reader.
  public func checkpoint() throws(SQLiteError) -> Checkpoint {
    var pages: Int32 = 0
    var copied: Int32 = 0
    let code = unsafe sqlite3_wal_checkpoint_v2(
      handle, nil, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied)
    guard code == SQLITE_OK || code == SQLITE_BUSY else { throw error(code, "checkpoint") }
    return Checkpoint(logPages: Int(pages), copiedPages: Int(copied))
  }

  private func error(_ code: Int32, _ sql: String) -> SQLiteError {
    unsafe SQLiteError(code, of: handle, in: sql)
  }
}
