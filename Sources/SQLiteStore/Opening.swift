import IntegrationStore
import SQLiteDatabase

/// Opens the connections of a data directory.
enum Opening {
  static let pageBytes = 4_096

  static func openWriter(_ directory: DataDirectory, _ limits: StoreLimits) throws -> Writer {
    try directory.createDatabase()
    let database = try SQLiteConnection(path: directory.database, mode: .readWrite)
    // Before anything is written into what may be another program's.
    try Schema.refuseForeign(database, path: directory.database)
    try database.execute("PRAGMA page_size = \(pageBytes)")
    try database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    try database.execute("PRAGMA journal_mode = WAL")
    // Commits become durable by `WriteAheadLog.sync`, before anybody hears of them; SQLite itself
    // syncs around checkpoints only.
    try database.execute("PRAGMA synchronous = NORMAL")
    // What is deleted need not be overwritten, which would write pages that are free.
    try database.execute("PRAGMA secure_delete = OFF")
    // The writer checkpoints by itself, in steps between commits.
    try database.execute("PRAGMA wal_autocheckpoint = 0")
    try database.execute("PRAGMA journal_size_limit = \(4 * limits.checkpointBytes)")
    try database.execute("PRAGMA cache_size = -\(limits.pageCacheBytes / 1024)")
    try database.execute("PRAGMA temp_store = MEMORY")
    if limits.maximumDatabaseBytes > 0 {
      let pages = max(limits.maximumDatabaseBytes / Int64(pageBytes), 1)
      try database.execute("PRAGMA max_page_count = \(pages)")
    }
    try Schema.migrate(database, path: directory.database)
    return try Writer(database: database, limits: limits)
  }

  static func openReader(path: String, _ limits: StoreLimits) throws -> Reader {
    let database = try SQLiteConnection(path: path, mode: .readOnly)
    // A reader waits while the log begins anew, which takes microseconds.
    database.setBusyTimeout(milliseconds: 2_000)
    try database.execute("PRAGMA wal_autocheckpoint = 0")
    try database.execute("PRAGMA cache_size = -\(limits.readerCacheBytes / 1024)")
    try database.execute("PRAGMA temp_store = MEMORY")
    return Reader(database: database, limits: limits)
  }

  /// What went wrong with a directory, in one sentence.
  static func storeError(_ error: any Error, _ path: String) -> StoreError {
    switch error {
    case let error as StoreError: return error
    case let error as SQLiteError where error.lacksSpace:
      return StoreError(
        .inputOutput, "the disk below \(path) is full: \(error); free space there, then start again"
      )
    case let error as SQLiteError where error.isAccess:
      return StoreError(
        .permission,
        "cannot open the database in \(path): \(error); the server's user needs to write there")
    case let error as SQLiteError where error.isOfDigest:
      return StoreError(
        .mendable, "the database in \(path) is damaged: \(error); the digests are made again")
    case let error as SQLiteError where error.isDamage:
      return StoreError(
        .damaged,
        "the database in \(path) is damaged: \(error); move its integrations.db away, then start "
          + "with --restore BACKUP")
    default: return StoreError(.inputOutput, "cannot use the database in \(path): \(error)")
    }
  }
}
