import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import Synchronization

/// The connection of a check, so that it can be ended from elsewhere.
final class CheckConnection: @unchecked Sendable {
  // Safe: the checker's queue uses the reader; SQLite lets any thread interrupt.

  let reader: Reader
  init(_ reader: Reader) { self.reader = reader }
  func interrupt() { reader.database.interrupt() }
}

/// Looks whether a store is whole: first SQLite's own pages, then what this store keeps.
struct StoreChecker {
  let reader: Reader
  private var database: SQLiteConnection { reader.database }

  init(_ reader: Reader) { self.reader = reader }

  func run() throws -> StoreCheck {
    try database.execute("BEGIN")
    defer { database.rollBack() }
    var check = StoreCheck()
    check.databaseBytes = try reader.databaseBytes()
    check.problems = try pages()
    // Where pages are damaged, what stands in them proves nothing.
    guard check.problems.isEmpty else { return check }
    check.logs = UInt64(
      clamping: try database.rows("SELECT count(*) FROM logs").first?.first?.integer ?? 0)
    let invariants = StoreInvariants(database: database)
    check.problems += try invariants.problemsOfRows()
    check.problems += try invariants.problemsOfCounts()
    check.problems += try digests()
    check.problems += try entities()
    return check
  }

  private func pages() throws -> [String] {
    for look in ["quick_check", "integrity_check"] {
      let rows = try database.rows("PRAGMA \(look)(\(StoreInvariants.maximumProblems))")
      let problems = rows.compactMap { $0.first?.text }.filter { $0 != "ok" }
      if !problems.isEmpty { return problems.map { "the database file is damaged: \($0)" } }
    }
    return []
  }

  // MARK: - Digests

  /// Digests follow each other from the first log on, have all parts, and know each log's status
  /// and action.
  private func digests() throws -> [String] {
    var problems: [String] = []
    for integration in try reader.integrationIDs() {
      let lasts = try database.rows(
        "SELECT last FROM log_digests WHERE integration = ? AND part = 0 ORDER BY last",
        .integer(integration)
      ).compactMap { $0.first?.integer }
      let parts = DigestParts(database: database, integration: integration)
      var before: Int64 = -1
      for last in lasts {
        let last = try LogDigest.checked(last: last)
        if let problem = try problem(ofDigest: last, after: before, parts) {
          problems.append(problem)
        }
        if problems.count >= StoreInvariants.maximumProblems { return problems }
        before = last
      }
    }
    return problems
  }

  private func problem(
    ofDigest last: Int64, after before: Int64, _ parts: DigestParts
  ) throws -> String? {
    let name = "the digest of integration \(parts.integration) up to \(LogID(lastOfKey: last))"
    let found = try database.rows(
      "SELECT part, length(bits) FROM log_digests WHERE integration = ? AND last = ? ORDER BY part",
      .integer(parts.integration), .integer(last))
    guard found.compactMap({ $0[0].integer }) == LogDigest.partNumbers.map(Int64.init) else {
      return "\(name) misses a part"
    }
    for (part, row) in zip(LogDigest.partNumbers, found) {
      guard LogDigest.isWhole(part: part, bytes: Int(clamping: row[1].integer ?? -1)) else {
        return "\(name) is damaged in part \(part); a search makes it again"
      }
    }
    let keys = try unsafe parts.look(0, last) { head throws(SQLiteError) in
      unsafe try LogDigest.keys(head, last: last)
    }
    guard keys[0] == before else { return "\(name) does not follow the one before" }
    let rows = try database.statement(
      """
      SELECT id, status, action FROM logs WHERE integration = ? AND id > ? AND id <= ? ORDER BY id
      """)
    defer { rows.reset() }
    rows.bind(1, parts.integration)
    rows.bind(2, before < 0 ? .lowest : LogID(lastOfKey: before))
    rows.bind(3, LogID(lastOfKey: last))
    let head = try unsafe parts.look(0, last) { head throws(SQLiteError) in unsafe Array(head) }
    while try rows.step() {
      guard let id = rows.logID(0) else { continue }
      let cell = UInt32(1) << UInt32(LogDigest.cell(of: id.key, Array(keys[1...])))
      let tokens = [
        DigestFact.token(.status, rows.integer(1)), DigestFact.token(.action, rows.integer(2)),
      ]
      let knows = unsafe head.withUnsafeBytes { head in
        tokens.allSatisfy { token in
          let found = unsafe DigestFilter.find(token, head)
          return (found.mask | found.overflow) & cell != 0
        }
      }
      if !knows { return "\(name) does not know log \(id): searches would miss it" }
    }
    return nil
  }

  // MARK: - The entity index

  /// Logs of each integration that are looked for by their record, from either end.
  private static let sampledLogs = 50

  private func entities() throws -> [String] {
    var problems: [String] = []
    for integration in try reader.integrationIDs() {
      for order in ["ASC", "DESC"] {
        let rows = try database.rows(
          """
          SELECT id, entity_id FROM logs WHERE integration = ? AND entity_id IS NOT NULL
          ORDER BY id \(order) LIMIT \(Self.sampledLogs)
          """, .integer(integration))
        for row in rows {
          guard let bytes = row[0].blob, let entity = row[1].text,
            let id = Self.logID(bytes), problems.count < StoreInvariants.maximumProblems
          else { continue }
          if try !finds(entity, LogPosition(logID: id, integration: integration)) {
            problems.append(
              "the index of records does not find log \(id) of integration \(integration)")
          }
        }
      }
    }
    return problems
  }

  private static func logID(_ bytes: [UInt8]) -> LogID? {
    guard bytes.count == 16 else { return nil }
    let halves = [bytes[..<8], bytes[8...]].map { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
    return LogID(high: halves[0], low: halves[1])
  }

  private func finds(_ entity: String, _ position: LogPosition) throws -> Bool {
    var query = LogQuery(LogSelection(), limit: 1)
    query.selection.entityIDs = [entity]
    query.selection.integrations = [position.integration]
    query.selection.since = position.logID.time
    query.order = .oldestFirst
    var lookup = EntityLookup(query, database)
    return try lookup.positions().contains(position)
  }
}

extension SQLiteStore {
  /// Looks whether everything fits together, on a connection of its own.
  public func check() async throws(StoreFailure) -> StoreCheck {
    let keeping = keeping
    return try await keeping.run { () -> Result<StoreCheck, StoreFailure> in
      do {
        let reader = try Opening.openReader(path: keeping.database, keeping.limits)
        let connection = CheckConnection(reader)
        let isOpen = keeping.withState { state in
          guard !state.isClosed else { return false }
          state.checking = connection
          return true
        }
        guard isOpen else { return .failure(.unavailable) }
        defer { keeping.withState { $0.checking = nil } }
        return .success(try StoreChecker(reader).run())
      } catch {
        if keeping.isClosed { return .failure(.unavailable) }
        if let error = error as? SQLiteError, error.isDamage {
          return .success(StoreCheck(problems: ["the database file is damaged: \(error)"]))
        }
        return .failure(
          StoreFailure(.internalError, "INTERNAL", "the store cannot be read: \(error)"))
      }
    }
  }
}
