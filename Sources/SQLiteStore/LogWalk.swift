import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Walks over the logs of a selection in steps that end with a budget, integration by integration.
///
/// Order does not matter to a count, so the cursors of a list stand one behind the other here: with
/// many integrations a step opens few of them.
struct LogWalk {
  /// What it costs in rows to begin with an integration.
  private static let openingCost = 20

  private let aggregation: LogAggregation
  private let matcher: LogMatcher
  private let database: SQLiteConnection
  private var budget: PageBudget

  /// A step of a walk; `columns` are what the visitor reads, as places in `LogRow.columns`.
  init(
    _ aggregation: LogAggregation, reading columns: Set<Int>, _ database: SQLiteConnection
  ) throws {
    self.aggregation = aggregation
    self.database = database
    var matcher = try LogMatcher(aggregation.selection, database)
    matcher.alsoNeeded = columns
    self.matcher = matcher
    budget = PageBudget(rows: max(1, aggregation.maximumRows))
  }

  /// Shows each log to the visitor; where the next step begins, nil: this was the last.
  mutating func run(
    _ integrations: [IntegrationID], _ visit: (SQLiteStatement, IntegrationID) throws -> Void
  ) throws -> LogPlace? {
    guard !matcher.isImpossible else { return nil }
    if !aggregation.selection.entityIDs.isEmpty { return try walkEntities(visit) }
    let sources = LogSource.sources(aggregation.selection.statuses)
    let after = aggregation.after
    for integration in Set(integrations).sorted() {
      if let after, integration < after.integration { continue }
      for (part, source) in sources.enumerated() {
        let resumed = after.flatMap { $0.integration == integration ? $0 : nil }
        if let resumed, part < resumed.part { continue }
        if budget.isSpent {
          return LogPlace(integration: integration, part: part, logID: .lowest, isTaken: false)
        }
        let place = resumed.flatMap { $0.part == part ? $0 : nil }
        if let end = try walk(integration, source, from: place, visit) {
          return LogPlace(
            integration: integration, part: part, logID: end.logID, isTaken: end.isTaken)
        }
      }
    }
    return nil
  }

  /// Where the budget ended; nil: there is no more.
  private mutating func walk(
    _ integration: IntegrationID, _ source: LogSource, from place: LogPlace?,
    _ visit: (SQLiteStatement, IntegrationID) throws -> Void
  ) throws -> (logID: LogID, isTaken: Bool)? {
    budget.spend(Self.openingCost)
    var query = LogQuery(aggregation.selection, order: .oldestFirst)
    query.after = place.map {
      // Behind an integration with a lower number: then the log itself is still wanted.
      LogPosition(logID: $0.logID, integration: $0.isTaken ? integration : integration - 1)
    }
    let cursor = try LogCursor(
      database, LogRange(query), integration: integration, source: source, matcher: matcher)
    while try cursor.advance(&budget) {
      if cursor.isAtRow, matcher.matches(cursor.statement) {
        try visit(cursor.statement, integration)
      }
      if budget.isSpent { return (cursor.id, cursor.isAtRow) }
    }
    return nil
  }

  private mutating func walkEntities(
    _ visit: (SQLiteStatement, IntegrationID) throws -> Void
  ) throws -> LogPlace? {
    var query = LogQuery(aggregation.selection, order: .oldestFirst)
    query.after = aggregation.after.map {
      LogPosition(logID: $0.logID, integration: $0.integration)
    }
    var lookup = EntityLookup(query, database)
    let find = try database.prepare(
      "SELECT \(matcher.columns) FROM logs WHERE integration = ? AND id = ?")
    var last: LogPlace?
    for position in try lookup.positions() {
      if budget.isSpent { return last }
      last = LogPlace(
        integration: position.integration, part: 0, logID: position.logID, isTaken: true)
      budget.spend(PageBudget.Cost.lookup)
      find.bind(1, position.integration)
      find.bind(2, position.logID)
      defer { find.reset() }
      if try find.step(), matcher.matches(find) { try visit(find, position.integration) }
    }
    return lookup.isCut ? last : nil
  }
}
