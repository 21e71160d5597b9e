import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Reader {
  func logs(_ query: LogQuery) throws -> LogPage {
    let (rows, next) = try page(query)
    return LogPage(logs: try rows.map { try names.stored($0) }, next: next)
  }

  func openRequests(_ query: LogQuery) throws -> RequestPage {
    var query = query
    query.order = .oldestFirst
    let open: Set<Status> = [.queued, .inProgress]
    let wanted = query.selection.statuses
    query.selection.statuses = wanted.isEmpty ? open : open.intersection(wanted)
    guard !query.selection.statuses.isEmpty else { return RequestPage(requests: [], next: nil) }
    var requests: [StoredRequest] = []
    let (rows, next) = try page(query) { $0.integer(23) & LogRow.Flag.request != 0 }
    for row in rows {
      let found = try RequestRow.find(database, integration: row.integration, id: row.id)
      if let found { requests.append(try names.stored(row, found)) }
    }
    return RequestPage(requests: requests, next: next)
  }

  /// Rows of a page, and where the next begins.
  private func page(
    _ query: LogQuery, where filter: (SQLiteStatement) -> Bool = { _ in true }
  ) throws -> ([LogRow], LogPosition?) {
    let matcher = try LogMatcher(query.selection, database)
    guard !matcher.isImpossible else { return ([], nil) }
    let limit = min(max(query.limit, 1), FieldRules.maximumItems)
    if !query.selection.entityIDs.isEmpty {
      return try entityPage(query, matcher, limit: limit, where: filter)
    }
    var integrations = query.selection.integrations
    if integrations.isEmpty { integrations = try integrationIDs() }
    var merge = try LogMerge(query, Array(Set(integrations)), database, columns: matcher.columns)
    var rows: [LogRow] = []
    var visited = 0
    while let cursor = merge.first {
      if rows.count == limit || visited == limits.maximumVisitedRows {
        return (rows, merge.last)
      }
      visited += 1
      if matcher.matches(cursor.statement), filter(cursor.statement),
        let row = try LogRow.find(database, integration: cursor.integration, id: cursor.id)
      {
        rows.append(row)
      }
      try merge.advance()
    }
    return (rows, nil)
  }

  /// A page of the logs of some records, through the entity index.
  private func entityPage(
    _ query: LogQuery, _ matcher: LogMatcher, limit: Int, where filter: (SQLiteStatement) -> Bool
  ) throws -> ([LogRow], LogPosition?) {
    var lookup = EntityLookup(query, database)
    let positions = try lookup.positions()
    let find = try database.statement(
      "SELECT \(LogRow.columns) FROM logs WHERE integration = ? AND id = ?")
    var rows: [LogRow] = []
    var last = query.after
    for position in positions {
      if rows.count == limit { return (rows, last) }
      last = position
      find.bind(1, position.integration)
      find.bind(2, position.logID)
      defer { find.reset() }
      guard try find.step(), matcher.matches(find), filter(find) else { continue }
      rows.append(LogRow(find))
    }
    return (rows, lookup.isCut ? last : nil)
  }
}

/// Merges the cursors of several integrations into one order; a heap of those with a row.
struct LogMerge {
  private let range: LogRange
  private var heap: [LogCursor] = []
  /// The log that was left last.
  private(set) var last: LogPosition?

  init(
    _ query: LogQuery, _ integrations: [IntegrationID], _ database: SQLiteConnection,
    columns: String
  ) throws {
    range = LogRange(query)
    last = query.after
    for integration in integrations {
      for source in LogSource.sources(query.selection.statuses) {
        let cursor = try LogCursor(
          database, range, integration: integration, source: source, columns: columns)
        if try cursor.advance() { heap.append(cursor) }
      }
    }
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  /// The cursor whose log comes next; nil: there is none.
  var first: LogCursor? { heap.first }

  /// Leaves the log that comes next.
  mutating func advance() throws {
    guard let cursor = heap.first else { return }
    last = position(cursor)
    if try !cursor.advance() {
      heap[0] = heap[heap.count - 1]
      heap.removeLast()
    }
    if !heap.isEmpty { sink(0) }
  }

  private func position(_ cursor: LogCursor) -> LogPosition {
    LogPosition(logID: cursor.id, integration: cursor.integration)
  }

  private mutating func sink(_ start: Int) {
    var index = start
    while true {
      var best = index
      for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
        if range.precedes(position(heap[child]), position(heap[best])) { best = child }
      }
      if best == index { return }
      heap.swapAt(index, best)
      index = best
    }
  }
}
