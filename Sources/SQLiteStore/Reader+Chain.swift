import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Reader {
  /// The most attempts of a chain that are found.
  static let maximumChain = 1_000

  /// All attempts at the same work as a log's, itself included, first to last.
  ///
  /// Up to the first attempt, then everything that retries it, however often; where there are more
  /// than can be shown, those next to the log stay.
  func chain(of row: LogRow) throws -> [StoredLog] {
    var rows = [row]
    var known: Set<LogID> = [row.id]
    var first = row
    while let earlier = first.retryOf, rows.count < Self.maximumChain,
      known.insert(earlier).inserted,
      let found = try LogRow.find(database, integration: row.integration, id: earlier)
    {
      rows.append(found)
      first = found
    }
    // What was retried, by rising distance from the log.
    var next = 0
    while next < rows.count, rows.count < Self.maximumChain {
      for id in try retries(of: rows[next])
      where rows.count < Self.maximumChain && known.insert(id).inserted {
        if let found = try LogRow.find(database, integration: row.integration, id: id) {
          rows.append(found)
        }
      }
      next += 1
    }
    rows.sort { $0.id < $1.id }
    return try rows.map { row in
      var log = try names.stored(row)
      // Results are long and of the log itself.
      log.result = ""
      return log
    }
  }
}
