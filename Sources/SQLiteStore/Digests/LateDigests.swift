import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Stored digests that take in logs which arrive or change late.
///
/// The few that were needed last stay in memory; those that changed are written with each commit.
struct LateDigests {
  /// How many stay in memory, 25 KiB each.
  private static let maximumCount = 32

  /// Those needed last stand last.
  private var digests: [LogDigest] = []
  private var touched: [LogDigest] = []

  /// Keeps a digest that was stored just now: it is the likeliest to be needed.
  mutating func keep(_ digest: LogDigest) {
    digests.append(digest)
    if digests.count > Self.maximumCount { digests.removeFirst() }
  }

  /// Takes a log into the digest that covers it.
  mutating func add(_ log: DigestedLog, _ database: SQLiteConnection) throws {
    let digest = try digest(of: log.integration, log.id.key, database)
    digest.add(log)
    if !touched.contains(where: { $0 === digest }) { touched.append(digest) }
  }

  /// Drops the digest with a last key, of which no log is left; the next one covers its place.
  mutating func drop(
    _ last: Int64, next: Int64, of integration: IntegrationID, _ database: SQLiteConnection
  ) throws {
    digests.removeAll { $0.integration == integration && $0.last == last }
    touched.removeAll { $0.integration == integration && $0.last == last }
    let delete = try database.statement(
      "DELETE FROM log_digests WHERE integration = ? AND part = ? AND last = ?")
    for part in 0..<LogDigest.firstGramPart + LogDigest.gramParts {
      delete.bind(1, integration)
      delete.bind(2, Int64(part))
      delete.bind(3, last)
      try delete.run()
    }
    let heir = try digest(of: integration, next, database)
    heir.becomeFirst()
    if !touched.contains(where: { $0 === heir }) { touched.append(heir) }
  }

  private mutating func digest(
    of integration: IntegrationID, _ key: Int64, _ database: SQLiteConnection
  ) throws -> LogDigest {
    let known = digests.lastIndex {
      $0.integration == integration && $0.after < key && key <= $0.last
    }
    if let known {
      let digest = digests.remove(at: known)
      digests.append(digest)
      return digest
    }
    // One that leaves `digests` now may still be changed in this transaction, but not written.
    if let digest = touched.first(where: {
      $0.integration == integration && $0.after < key && key <= $0.last
    }) {
      keep(digest)
      return digest
    }
    let digest = try load(integration, key, database)
    keep(digest)
    return digest
  }

  private func load(
    _ integration: IntegrationID, _ key: Int64, _ database: SQLiteConnection
  ) throws -> LogDigest {
    let find = try database.statement(
      """
      SELECT last FROM log_digests WHERE integration = ? AND part = 0 AND last >= ?
      ORDER BY last LIMIT 1
      """)
    find.bind(1, integration)
    find.bind(2, key)
    let last = try find.step() ? find.integer(0) : nil
    find.reset()
    guard let last,
      let digest = try LogDigest(database, integration: integration, last: last)
    else { throw SQLiteError(extendedCode: 11, message: "no digest covers a log below the last") }
    return digest
  }

  /// Writes what has changed.
  mutating func flush(to database: SQLiteConnection) throws {
    for digest in touched { try digest.store(database) }
    touched.removeAll(keepingCapacity: true)
  }
}
