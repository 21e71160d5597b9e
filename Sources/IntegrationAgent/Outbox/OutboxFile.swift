import Glibc
import IntegrationAPI
import SQLiteDatabase

/// The outbox's SQLite file, used from one thread at a time.
///
/// Two tables: `report` holds what is not yet stored at the server, in the order it was made;
/// `open_log` holds one row for each attempt that has begun and not ended, so that the next process
/// knows what a killed one left behind.
final class OutboxFile {
  private let path: String
  private let limits: OutboxLimits
  private let instanceID: String
  private let database: SQLiteConnection
  private(set) var counts: Outbox.Counts
  private var durability = Durability.full

  /// How far a transaction goes before it counts as done.
  private enum Durability: String {
    /// On disk: what is appended.
    case full = "FULL"
    /// With the operating system: what is forgotten. A report that a power cut brings back is sent
    /// again, which changes nothing, and so deleting costs no wait for the disk.
    case normal = "NORMAL"
  }

  /// The schema that this program writes; a file with a higher number is refused.
  private static let schemaVersion: Int64 = 1

  /// Rows that one look at the queue reads at most; bounds the work where one log has very many.
  private static let maximumLookahead: Int64 = 4096

  private static let schema = """
    CREATE TABLE report (
      number INTEGER PRIMARY KEY AUTOINCREMENT, log_id TEXT NOT NULL, lease_token TEXT NOT NULL,
      place INTEGER NOT NULL, payload BLOB NOT NULL);
    CREATE INDEX report_by_log ON report (log_id);
    CREATE TABLE open_log (
      log_id TEXT PRIMARY KEY, lease_token TEXT NOT NULL, sequence INTEGER NOT NULL,
      instance_id TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 1;
    """

  /// - Parameter busyMilliseconds: How long to wait for a process that is just ending, such as the
  ///   one before this one.
  init(
    path: String, limits: OutboxLimits, instanceID: String, busyMilliseconds: Int32
  ) throws(AgentError) {
    self.path = path
    self.limits = limits
    self.instanceID = instanceID
    do throws(SQLiteError) {
      database = try SQLiteConnection(path: path)
      database.setBusyTimeout(milliseconds: busyMilliseconds)
      try database.execute("PRAGMA locking_mode = EXCLUSIVE")
      _ = try database.rows("PRAGMA user_version")
      // Reports name customers' records: only the agent's own user reads them. The file is there
      // after the first read, and SQLite gives its log the same mode when it makes that. A failure
      // leaves the directory's protection.
      _ = unsafe chmod(path, 0o600)
      try database.execute("PRAGMA journal_mode = WAL")
      try database.execute("PRAGMA synchronous = FULL")
      let version = try database.rows("PRAGMA user_version").first?.first?.integer ?? 0
      guard version <= Self.schemaVersion else {
        throw SQLiteError(
          extendedCode: 0,
          message: "a newer program wrote it (schema \(version), this one knows"
            + " \(Self.schemaVersion)); start that program")
      }
      // Takes the lock that the file keeps until it is closed, also where nothing is to be made.
      let schema = version == 0 ? Self.schema : "PRAGMA user_version = \(version)"
      try database.transaction { [database] () throws(SQLiteError) in try database.execute(schema) }
      let row = try database.rows("SELECT count(*), total(length(payload)) FROM report").first
      let open = try database.rows("SELECT count(*) FROM open_log").first?.first?.integer
      counts = Outbox.Counts(
        reports: Int(row?[0].integer ?? 0), bytes: Int(row?[1].real ?? 0), openLogs: Int(open ?? 0))
    } catch {
      throw AgentError.outboxUnusable(path: path, cause: Self.cause(error))
    }
  }

  // MARK: Writing

  /// One report on its way into the outbox.
  struct Append: Sendable {
    var logID: String
    var leaseToken: String
    var sequence: UInt64
    var place: Job.Place
    var payload: [UInt8]
  }

  /// Writes all in one transaction that is on disk when this returns; each is taken or refused by
  /// the limits alone.
  func append(_ appends: [Append]) throws(AgentError) -> [Result<Void, AgentError>] {
    let before = counts
    do throws(SQLiteError) {
      try use(.full)
      return try database.transaction { () throws(SQLiteError) in
        var results: [Result<Void, AgentError>] = []
        for append in appends {
          guard hasRoom(for: append) else {
            results.append(
              .failure(
                .outboxFull(reports: counts.reports, bytes: counts.bytes, limits: limits)))
            continue
          }
          try insert(append)
          results.append(.success(()))
        }
        return results
      }
    } catch {
      counts = before
      throw unusable(error)
    }
  }

  /// The end of every attempt that has begun has its place: others must leave those free.
  private func hasRoom(for append: Append) -> Bool {
    let reserved: Int
    switch append.place {
    case .last: return true
    case .first: reserved = counts.openLogs + 1
    case .middle: reserved = counts.openLogs
    }
    return counts.reports + reserved < limits.maximumReports
      && counts.bytes + append.payload.count <= limits.maximumBytes
  }

  private func insert(_ append: Append) throws(SQLiteError) {
    try database.run(
      "INSERT INTO report (log_id, lease_token, place, payload) VALUES (?, ?, ?, ?)",
      .text(append.logID), .text(append.leaseToken), .integer(append.place.number),
      .blob(append.payload))
    switch append.place {
    case .first:
      try database.run("DELETE FROM open_log WHERE log_id = ?", .text(append.logID))
      counts.openLogs += 1 - database.changes
      try database.run(
        "INSERT INTO open_log (log_id, lease_token, sequence, instance_id) VALUES (?, ?, ?, ?)",
        .text(append.logID), .text(append.leaseToken), .integer(Int64(clamping: append.sequence)),
        .text(instanceID))
    case .middle:
      try database.run(
        "UPDATE open_log SET sequence = ? WHERE log_id = ? AND lease_token = ?",
        .integer(Int64(clamping: append.sequence)), .text(append.logID), .text(append.leaseToken))
    case .last:
      try deleteOpenLog(append.logID, append.leaseToken)
    }
    counts.reports += 1
    counts.bytes += append.payload.count
  }

  // MARK: Reading and forgetting

  /// The oldest reports, at most one of each log, in the order they were made.
  func next(maximumReports: Int, maximumBytes: Int) throws(AgentError) -> [Outbox.Entry] {
    do throws(SQLiteError) {
      let statement = try database.statement(
        "SELECT number, log_id, place, payload FROM report ORDER BY number LIMIT ?")
      defer { statement.reset() }
      statement.bind(1, Self.maximumLookahead)
      var entries: [Outbox.Entry] = []
      var logs: Set<String> = []
      var bytes = 0
      while entries.count < maximumReports, bytes < maximumBytes, try statement.step() {
        guard logs.insert(statement.text(1)).inserted else { continue }
        let payload = statement.blob(3)
        bytes += payload.count
        if bytes > maximumBytes, !entries.isEmpty { break }
        guard let report = try? LogReport(serializedBytes: payload) else {
          throw SQLiteError(
            extendedCode: 0, message: "report \(statement.integer(0)) in it is damaged")
        }
        entries.append(
          Outbox.Entry(
            number: statement.integer(0), place: Job.Place(number: statement.integer(2)),
            report: report))
      }
      return entries
    } catch {
      throw unusable(error)
    }
  }

  /// Deletes reports that the server has decided about.
  func settle(_ numbers: [Int64]) throws(AgentError) {
    try write { () throws(SQLiteError) in
      for number in numbers {
        try delete("SELECT number, length(payload) FROM report WHERE number = ?", .integer(number))
      }
    }
  }

  /// Deletes everything of one delivery of a log.
  func forgetLog(_ logID: String, leaseToken: String) throws(AgentError) {
    try write { () throws(SQLiteError) in
      try delete(
        "SELECT number, length(payload) FROM report WHERE log_id = ? AND lease_token = ?",
        .text(logID), .text(leaseToken))
      try deleteOpenLog(logID, leaseToken)
    }
  }

  /// Forgets leases, because the server was told that they are given back.
  func forgetLeases(of owner: Outbox.LeaseOwner) throws(AgentError) {
    try write { () throws(SQLiteError) in
      let condition = owner == .everybody ? "instance_id <> ''" : "instance_id <> ?1"
      let statement = try database.statement(
        "DELETE FROM open_log WHERE lease_token <> '' AND \(condition)")
      if owner == .earlierProcesses { statement.bind(1, instanceID) }
      try statement.run()
      counts.openLogs -= database.changes
    }
  }

  /// What processes before this one left behind.
  func predecessor() throws(AgentError) -> Outbox.Predecessor {
    do throws(SQLiteError) {
      let rows = try database.rows(
        "SELECT log_id, lease_token, sequence, instance_id FROM open_log")
      let last = try database.rows("SELECT coalesce(max(number), 0) FROM report").first?.first
      return Outbox.Predecessor(
        openLogs: rows.map { row in
          Outbox.OpenLog(
            logID: row[0].text ?? "", leaseToken: row[1].text ?? "",
            sequence: UInt64(clamping: row[2].integer ?? 0), instanceID: row[3].text ?? "")
        },
        lastReport: last?.integer ?? 0)
    } catch {
      throw unusable(error)
    }
  }

  private func write(_ body: () throws(SQLiteError) -> Void) throws(AgentError) {
    let before = counts
    do throws(SQLiteError) {
      try use(.normal)
      try database.transaction(body)
    } catch {
      counts = before
      throw unusable(error)
    }
  }

  private func delete(_ query: String, _ values: SQLiteValue...) throws(SQLiteError) {
    let statement = try database.statement(query)
    defer { statement.reset() }
    try statement.bind(values)
    var found: [(number: Int64, bytes: Int64)] = []
    while try statement.step() { found.append((statement.integer(0), statement.integer(1))) }
    for row in found {
      try database.run("DELETE FROM report WHERE number = ?", .integer(row.number))
      counts.reports -= 1
      counts.bytes -= Int(row.bytes)
    }
  }

  private func deleteOpenLog(_ logID: String, _ leaseToken: String) throws(SQLiteError) {
    try database.run(
      "DELETE FROM open_log WHERE log_id = ? AND lease_token = ?", .text(logID), .text(leaseToken))
    counts.openLogs -= database.changes
  }

  private func use(_ wanted: Durability) throws(SQLiteError) {
    guard durability != wanted else { return }
    try database.execute("PRAGMA synchronous = \(wanted.rawValue)")
    durability = wanted
  }

  private func unusable(_ error: SQLiteError) -> AgentError {
    .outboxUnusable(path: path, cause: Self.cause(error))
  }

  private static func cause(_ error: SQLiteError) -> String {
    if error.isBusy {
      return "another process uses it; give each agent an outbox and an agent id of its own"
    }
    if error.isFull { return "the disk is full: \(error); free some space" }
    if error.isAccess { return "\(error); check that the directory exists and may be written" }
    return error.extendedCode == 0 ? error.message : "\(error)"
  }
}

extension Job.Place {
  fileprivate var number: Int64 {
    switch self {
    case .first: 1
    case .middle: 2
    case .last: 3
    }
  }

  fileprivate init(number: Int64) {
    switch number {
    case 1: self = .first
    case 3: self = .last
    default: self = .middle
    }
  }
}
