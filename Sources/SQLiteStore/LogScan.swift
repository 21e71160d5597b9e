import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// One statement that walks the logs of one integration in the order of their ids.
///
/// It reads only the columns that decide whether a log is wanted.
final class LogCursor {
  let statement: SQLiteStatement
  let integration: IntegrationID
  /// The id of the row that it stands on.
  private(set) var id = LogID.lowest

  init(
    _ database: SQLiteConnection, _ range: LogRange, integration: IntegrationID,
    source: LogSource, columns: String
  ) throws {
    self.integration = integration
    let order = range.order == .newestFirst ? "DESC" : "ASC"
    statement = try database.prepare(
      """
      SELECT \(columns) FROM logs \(source.index)
      WHERE integration = ?1 AND id >= ?2 AND id <= ?3 AND id <> ?4 \(source.condition)
      ORDER BY id \(order)
      """)
    statement.bind(1, integration)
    statement.bind(2, range.from)
    statement.bind(3, range.to)
    if let without = range.without(integration) {
      statement.bind(4, without)
    } else {
      statement.bind(4, blob: [])
    }
  }

  /// Goes to the next row; false: there is none.
  func advance() throws -> Bool {
    guard try statement.step() else { return false }
    id = statement.logID(1) ?? .lowest
    return true
  }
}

/// Which rows a cursor walks.
enum LogSource {
  /// All of the integration.
  case all
  /// Those in one open status.
  case open(Status)
  /// Those that failed or timed out.
  case failed

  var index: String {
    switch self {
    case .all: "NOT INDEXED"
    case .open: "INDEXED BY logs_open"
    case .failed: "INDEXED BY logs_failed"
    }
  }

  var condition: String {
    switch self {
    case .all: ""
    // Both: SQLite takes a partial index only where its condition stands in the query.
    case .open(let status): "AND status IN (1, 2) AND status = \(status.rawValue)"
    case .failed: "AND status IN (4, 6)"
    }
  }

  /// The smallest sources that hold every log of a selection.
  static func sources(_ statuses: Set<Status>) -> [LogSource] {
    if statuses.isEmpty { return [.all] }
    if statuses.isSubset(of: [.queued, .inProgress]) { return statuses.map { .open($0) } }
    if statuses.isSubset(of: [.failed, .timedOut]) { return [.failed] }
    return [.all]
  }
}

/// The ids that a page may hold.
struct LogRange {
  var order: LogOrder
  /// The lowest id.
  var from: LogID
  /// The highest id.
  var to: LogID
  private let after: LogPosition?

  init(_ query: LogQuery) {
    order = query.order
    after = query.after
    from = query.selection.since.map { LogID(lowerBoundAt: $0) } ?? .lowest
    to = .highest
    if let until = query.selection.until {
      // Ids below the bound's time; its own lowest value is no UUIDv7 and matches nothing.
      to = LogID(lowerBoundAt: until)
    }
    guard let after else { return }
    switch query.order {
    case .newestFirst: to = min(to, after.logID)
    case .oldestFirst: from = max(from, after.logID)
    }
  }

  /// The id that an integration's cursor leaves out: the last one of the page before.
  ///
  /// Logs of several integrations with the same id stand in the order of their integrations.
  func without(_ integration: IntegrationID) -> LogID? {
    guard let after else { return nil }
    switch order {
    case .newestFirst: return integration >= after.integration ? after.logID : nil
    case .oldestFirst: return integration <= after.integration ? after.logID : nil
    }
  }

  /// Whether a log comes before another.
  func precedes(_ left: LogPosition, _ right: LogPosition) -> Bool {
    let pair = ((left.logID, left.integration), (right.logID, right.integration))
    switch order {
    case .newestFirst: return pair.0 > pair.1
    case .oldestFirst: return pair.0 < pair.1
    }
  }

  /// Whether a log lies in the range, behind the last page.
  func contains(_ position: LogPosition) -> Bool {
    guard position.logID >= from, position.logID <= to else { return false }
    return after.map { precedes($0, position) } ?? true
  }
}
