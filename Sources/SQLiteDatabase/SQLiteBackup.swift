import CSQLite

/// A copy of a database into another, made in steps while the source is written.
///
/// What the source's own connection writes between steps is carried along, so the copy never begins
/// anew (https://www.sqlite.org/c3ref/backup_finish.html). Steps run on the source's thread.
@safe public final class SQLiteBackup {
  private var handle: OpaquePointer?
  private let source: SQLiteConnection
  private let destination: SQLiteConnection

  /// Begins to copy; the destination is empty and used for nothing else.
  public init(
    from source: SQLiteConnection, to destination: SQLiteConnection
  ) throws(SQLiteError) {
    self.source = source
    self.destination = destination
    unsafe handle = sqlite3_backup_init(destination.handle, "main", source.handle, "main")
    if unsafe handle == nil {
      throw unsafe SQLiteError(
        sqlite3_extended_errcode(destination.handle), of: destination.handle, in: "backup")
    }
  }

  deinit { finish() }

  /// Copies some pages; true: the copy is whole, and written.
  public func step(pages: Int) throws(SQLiteError) -> Bool {
    let code = unsafe sqlite3_backup_step(handle, Int32(clamping: pages))
    switch code {
    case SQLITE_DONE: return true
    case SQLITE_OK, SQLITE_BUSY, SQLITE_LOCKED: return false
    default: throw unsafe SQLiteError(code, of: destination.handle, in: "backup")
    }
  }

  /// Pages of the source when the last step ended.
  public var totalPages: Int { Int(unsafe sqlite3_backup_pagecount(handle)) }
  /// How many of them are not copied.
  public var remainingPages: Int { Int(unsafe sqlite3_backup_remaining(handle)) }

  /// Ends the copy, whole or not.
  public func finish() {
    _ = unsafe sqlite3_backup_finish(handle)
    unsafe handle = nil
  }
}

extension SQLiteConnection {
  /// Ends what the connection does with SQLITE_INTERRUPT; from any thread, while it is open.
  public func interrupt() { unsafe sqlite3_interrupt(handle) }
}
