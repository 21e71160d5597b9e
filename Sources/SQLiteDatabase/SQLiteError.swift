import CSQLite

/// A failure of SQLite with its code and its own words.
public struct SQLiteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The extended result code: https://www.sqlite.org/rescode.html.
  public let extendedCode: Int32
  /// What SQLite says, and for which statement; never a bound value.
  public let message: String

  /// Makes an error.
  public init(extendedCode: Int32, message: String) {
    self.extendedCode = extendedCode
    self.message = message
  }

  init(_ code: Int32, of database: OpaquePointer?, in sql: String) {
    extendedCode = code
    let text = unsafe String(cString: sqlite3_errmsg(database))
    let first = sql.prefix(80).split(separator: "\n").first.map(String.init) ?? ""
    message = "\(text), in: \(first)"
  }

  /// The primary result code.
  public var code: Int32 { extendedCode & 0xff }
  /// The disk, or the file's own limit, is full.
  public var isFull: Bool { code == SQLITE_FULL }
  /// There is no room for what opening a database needs: for its pages, or for the index of its
  /// write-ahead log, which SQLite reports as SQLITE_IOERR_SHMSIZE (Swift does not see the macro).
  public var lacksSpace: Bool { isFull || extendedCode == SQLITE_IOERR | 19 << 8 }
  /// A row conflicts with a rule of its table.
  public var isConstraint: Bool { code == SQLITE_CONSTRAINT }
  /// Somebody else holds a lock.
  public var isBusy: Bool { code == SQLITE_BUSY || code == SQLITE_LOCKED }
  /// The file cannot be opened or may not be written.
  public var isAccess: Bool {
    code == SQLITE_CANTOPEN || code == SQLITE_PERM || code == SQLITE_READONLY
      || code == SQLITE_AUTH
  }
  /// The file is no database, or it is damaged.
  public var isDamage: Bool { code == SQLITE_CORRUPT || code == SQLITE_NOTADB }

  /// Message and code.
  public var description: String { "\(message) (SQLite code \(extendedCode))" }
}
