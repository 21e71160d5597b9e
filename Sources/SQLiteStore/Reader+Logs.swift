import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Reader {
  func logs(_ query: LogQuery) throws -> LogPage {
    let (rows, next) = try page(query)
    return LogPage(
      logs: try rows.map { try names.stored($0) }, next: next,
      commit: try JournalState(database).last)
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
    var bytes = 0
    for row in rows {
      if bytes >= Self.maximumPageBytes, let last = requests.last?.log {
        let place = LogPosition(logID: last.id, integration: last.integration)
        return RequestPage(requests: requests, next: place)
      }
      let found = try RequestRow.find(database, integration: row.integration, id: row.id)
      guard let found else { continue }
      let request = try names.stored(row, found)
      bytes += request.input.utf8.count
      requests.append(request)
    }
    return RequestPage(requests: requests, next: next)
  }

  /// What an agent holds, by log id; it never holds more than a page.
  func held(
    _ integration: IntegrationID, agentID: String, limit: Int
  ) throws -> [StoredRequest] {
    let find = try database.statement(
      """
      SELECT id FROM requests
      WHERE agent = (SELECT id FROM agents WHERE integration = ?1 AND agent_id = ?2)
        AND hold IN (1, 2) ORDER BY id LIMIT ?3
      """)
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, agentID)
    find.bind(3, Int64(min(max(limit, 1), FieldRules.maximumItems)))
    var requests: [StoredRequest] = []
    while try find.step() {
      guard let id = find.logID(0),
        let row = try LogRow.find(database, integration: integration, id: id),
        let request = try RequestRow.find(database, integration: integration, id: id)
      else { continue }
      requests.append(try names.stored(row, request))
    }
    return requests
  }

  /// Bytes of rows' texts behind which a page ends: a thousand logs with the longest results would
  /// take 250 MiB, for an answer that holds no more than these.
  static let maximumPageBytes = 2 << 20

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
    var merge = try LogMerge(query, Array(Set(integrations)), database, matcher)
    var budget = PageBudget(rows: limits.maximumVisitedRows)
    var rows: [LogRow] = []
    var bytes = 0
    while let cursor = merge.first {
      if rows.count == limit || bytes >= Self.maximumPageBytes { return (rows, merge.last) }
      if budget.isSpent { return (rows, merge.resumption) }
      if cursor.isAtRow, matcher.matches(cursor.statement), filter(cursor.statement),
        let row = try LogRow.find(database, integration: cursor.integration, id: cursor.id)
      {
        rows.append(row)
        bytes += row.textBytes
        budget.spend(PageBudget.Cost.found)
      }
      try merge.advance(&budget)
    }
    return (rows, nil)
  }

  /// A page of the logs of some records, through the entity index.
  private func entityPage(
    _ query: LogQuery, _ matcher: LogMatcher, limit: Int, where filter: (SQLiteStatement) -> Bool
  ) throws -> ([LogRow], LogPosition?) {
    var query = query
    // Positions of a deleted integration are passed by.
    if query.selection.integrations.isEmpty { query.selection.integrations = try integrationIDs() }
    guard !query.selection.integrations.isEmpty else { return ([], nil) }
    var lookup = EntityLookup(query, database)
    let positions = try lookup.positions()
    let find = try database.statement(
      "SELECT \(LogRow.columns) FROM logs WHERE integration = ? AND id = ?")
    var rows: [LogRow] = []
    var bytes = 0
    var last = query.after
    for position in positions {
      if rows.count == limit || bytes >= Self.maximumPageBytes { return (rows, last) }
      last = position
      find.bind(1, position.integration)
      find.bind(2, position.logID)
      defer { find.reset() }
      guard try find.step(), matcher.matches(find), filter(find) else { continue }
      let row = LogRow(find)
      rows.append(row)
      bytes += row.textBytes
    }
    return (rows, lookup.isCut ? last : nil)
  }
}

/// Merges the cursors of several integrations into one order: a heap by where they stand.
struct LogMerge {
  private let range: LogRange
  private var heap: [LogCursor] = []
  /// The log that was left last.
  private(set) var last: LogPosition?

  init(
    _ query: LogQuery, _ integrations: [IntegrationID], _ database: SQLiteConnection,
    _ matcher: LogMatcher
  ) throws {
    range = LogRange(query)
    last = query.after
    var opening = PageBudget(rows: 0)
    for integration in integrations {
      for source in LogSource.sources(query.selection.statuses) {
        let cursor = try LogCursor(
          database, range, integration: integration, source: source, matcher: matcher)
        // Each moves once, whatever the budget, so that every page comes nearer to the end.
        if try cursor.advance(&opening) { heap.append(cursor) }
      }
    }
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  /// The cursor that stands first; nil: there is none.
  var first: LogCursor? { heap.first }

  /// Where a page goes on that ends here: all that is wanted before the first cursor was found.
  var resumption: LogPosition? { heap.first.map { range.place(before: position($0)) } }

  /// Moves the first cursor on.
  mutating func advance(_ budget: inout PageBudget) throws {
    guard let cursor = heap.first else { return }
    if cursor.isAtRow { last = position(cursor) }
    if try !cursor.advance(&budget) {
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
