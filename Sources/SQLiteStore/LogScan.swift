import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Goes through the logs of one integration in the order of a page.
///
/// It stands on a row, or at a place: then nothing before that is wanted, and what follows is not
/// known yet. Its statement reads only the columns that decide whether a log is wanted.
final class LogCursor {
  let statement: SQLiteStatement
  let integration: IntegrationID
  /// The id of the row that it stands on, or the place.
  private(set) var id: LogID
  /// Whether it stands on a row.
  private(set) var isAtRow = false
  private let range: LogRange
  private var digests: DigestScan?
  /// Through which id rows are to be visited without asking digests again; nil: none.
  private var clearThrough: LogID?

  init(
    _ database: SQLiteConnection, _ range: LogRange, integration: IntegrationID,
    source: LogSource, matcher: LogMatcher
  ) throws {
    self.integration = integration
    self.range = range
    let isNewestFirst = range.order == .newestFirst
    id = isNewestFirst ? range.to : range.from
    let filter = matcher.digests(for: source)
    if !filter.isEmpty {
      digests = try DigestScan(
        database, filter, integration: integration, order: range.order,
        density: source == .all ? .dense : .sparse)
    }
    statement = try database.prepare(
      """
      SELECT \(matcher.columns) FROM logs \(source.index)
      WHERE integration = ?1 AND id >= ?2 AND id <= ?3 AND id <> ?4 \(source.condition)
      ORDER BY id \(isNewestFirst ? "DESC" : "ASC")
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

  /// Goes to the next row that may be wanted, or some way towards it; false: there is none.
  func advance(_ budget: inout PageBudget) throws -> Bool {
    if !isAtRow {
      // Where rows are few, the next one is found first.
      if digests?.density == .dense {
        guard try ask(&budget) else { return false }
        if clearThrough == nil { return true }
      }
      seek(&budget)
    }
    guard try statement.step() else { return false }
    budget.spend(1)
    id = statement.logID(1) ?? .lowest
    isAtRow = true
    guard digests != nil else { return true }
    if let clearThrough, !isBehind(clearThrough) { return true }
    return try ask(&budget)
  }

  /// Asks the digests about where it stands: it stays, leaves the row for a place further on, or
  /// there is nothing more (false).
  private func ask(_ budget: inout PageBudget) throws -> Bool {
    guard let verdict = try digests?.verdict(at: id, &budget) else { return true }
    switch verdict {
    case .visit(let through):
      clearThrough = through
    case .skip(let place):
      clearThrough = nil
      isAtRow = false
      id = place
      return range.order == .newestFirst ? place >= range.from : place <= range.to
    case .end:
      return false
    }
    return true
  }

  private func isBehind(_ other: LogID) -> Bool {
    range.order == .newestFirst ? id < other : id > other
  }

  /// Makes the statement begin at its place.
  private func seek(_ budget: inout PageBudget) {
    budget.spend(PageBudget.Cost.lookup)
    statement.reset()
    switch range.order {
    case .newestFirst: statement.bind(3, min(id, range.to))
    case .oldestFirst: statement.bind(2, max(id, range.from))
    }
  }
}

/// Which rows a cursor walks.
enum LogSource: Equatable {
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
    if statuses.isSubset(of: [.queued, .inProgress]) {
      return statuses.sorted { $0.rawValue < $1.rawValue }.map { .open($0) }
    }
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

  /// The place right before a position: a page that goes on there begins with the position.
  func place(before position: LogPosition) -> LogPosition {
    let step: IntegrationID = order == .newestFirst ? 1 : -1
    return LogPosition(logID: position.logID, integration: position.integration + step)
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
