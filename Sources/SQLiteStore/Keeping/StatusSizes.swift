import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// How a batch changes what there is of each final status; written once a commit.
///
/// Bytes are an estimate by what a log's row says, so that the same number that was added when it
/// ended is taken away when it goes, and a report costs a few additions.
struct StatusSizes {
  private var logs = [Int64](repeating: 0, count: Self.count)
  private var bytes = [Int64](repeating: 0, count: Self.count)
  private var isTouched = false
  private static let count = Int(Status.timedOut.rawValue) + 1

  /// Adds logs and bytes of a final status; negative: takes them away.
  mutating func add(_ logs: Int64, _ bytes: Int64, to status: Status) {
    self.logs[Int(status.rawValue)] += logs
    self.bytes[Int(status.rawValue)] += bytes
    isTouched = true
  }

  /// How many bytes there are with what is not written yet.
  func bytes(of status: Status, _ database: SQLiteConnection) throws -> Int64 {
    let find = try database.statement("SELECT bytes FROM status_sizes WHERE status = ?")
    defer { find.reset() }
    find.bind(1, Int64(status.rawValue))
    return (try find.step() ? find.integer(0) : 0) + bytes[Int(status.rawValue)]
  }

  /// Writes what has changed.
  mutating func flush(to database: SQLiteConnection) throws {
    guard isTouched else { return }
    let update = try database.statement(
      """
      INSERT INTO status_sizes VALUES(?1, ?2, ?3)
      ON CONFLICT(status) DO UPDATE SET logs = logs + ?2, bytes = bytes + ?3
      """)
    for status in 0..<Self.count where logs[status] != 0 || bytes[status] != 0 {
      update.bind(1, Int64(status))
      update.bind(2, logs[status])
      update.bind(3, bytes[status])
      try update.run()
      (logs[status], bytes[status]) = (0, 0)
    }
    isTouched = false
  }
}

extension LogRow {
  /// Beside its texts, in all tables, indexes and digests.
  static let baseBytes: Int64 = 160
  /// Each entry of its timeline.
  static let entryBytes: Int64 = 64
  /// Each record error.
  static let recordErrorBytes: Int64 = 96
  /// Its request beside the input.
  static let requestBytes: Int64 = 160

  /// About how many bytes it takes with its timeline and errors, without its request.
  var ownBytes: Int64 {
    let texts =
      entityID.utf8.count + entityName.utf8.count + entityURL.utf8.count + message.utf8.count
      + labels.count + result.utf8.count
    return Self.baseBytes + Int64(texts) + Self.entryBytes * entries
      + Self.recordErrorBytes * Int64(clamping: recordErrors)
  }

  /// About how many bytes it takes with everything that belongs to it.
  func keptBytes(_ database: SQLiteConnection) throws -> Int64 {
    guard isRequest else { return ownBytes }
    let find = try database.statement(
      """
      SELECT coalesce(length(CAST(input AS BLOB)), 0) FROM requests
      WHERE integration = ? AND id = ?
      """)
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, id)
    return ownBytes + Self.requestBytes + (try find.step() ? find.integer(0) : 0)
  }
}

extension ReportCommand {
  /// About how many bytes the log takes that it makes.
  var keptBytes: Int64 {
    let texts =
      entityID.count + entityName.count + entityURL.count + message.count + labels.count
      + result.count
    return LogRow.baseBytes + Int64(texts)
      + LogRow.recordErrorBytes * Int64(recordErrorCount)
  }
}
