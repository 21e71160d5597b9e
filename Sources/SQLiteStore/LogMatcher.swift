import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// A selection with its names as numbers, asked of each visited row.
///
/// Cheap questions come first, and only the columns that a question needs are read.
struct LogMatcher {
  private var actions: Set<Int64>?
  private var agents: Set<Int64>?
  private var statuses: Set<Int64>?
  private var triggers: Set<Int64>?
  private var entityType: Int64?
  private var entityIDs: Set<String>
  private let text: TextSearch?
  private let labels: [String: String]
  private let isHandled: Bool?
  /// Whether a name is unknown, so that nothing matches.
  private(set) var isImpossible = false

  init(_ selection: LogSelection, _ database: SQLiteConnection) throws {
    entityIDs = Set(selection.entityIDs)
    text = selection.text.isEmpty ? nil : TextSearch(selection.text)
    labels = selection.labels
    isHandled = selection.isHandled
    if !selection.statuses.isEmpty { statuses = Set(selection.statuses.map { Int64($0.rawValue) }) }
    if !selection.triggers.isEmpty { triggers = Set(selection.triggers.map { Int64($0.rawValue) }) }
    if !selection.actionTypes.isEmpty {
      actions = try Self.numbers(
        selection.actionTypes, database, "SELECT id FROM actions WHERE type = ?")
    }
    if !selection.agentIDs.isEmpty {
      agents = try Self.numbers(
        selection.agentIDs, database, "SELECT id FROM agents WHERE agent_id = ?")
    }
    if !selection.entityType.isEmpty {
      entityType = try Self.numbers(
        [selection.entityType], database, "SELECT id FROM names WHERE name = ?"
      ).first
      if entityType == nil { isImpossible = true }
    }
    if actions?.isEmpty == true || agents?.isEmpty == true { isImpossible = true }
  }

  private static func numbers(
    _ names: [String], _ database: SQLiteConnection, _ sql: String
  ) throws -> Set<Int64> {
    var found: Set<Int64> = []
    for name in names {
      for row in try database.rows(sql, .text(name)) {
        if let number = row.first?.integer { found.insert(number) }
      }
    }
    return found
  }

  /// `LogRow.columns`, each that is not asked for replaced by NULL, which costs nothing.
  var columns: String {
    var needed: Set<Int> = [1, 23]
    if statuses != nil { needed.insert(3) }
    if actions != nil { needed.insert(2) }
    if agents != nil { needed.insert(4) }
    if entityType != nil { needed.insert(5) }
    if triggers != nil { needed.insert(8) }
    if !entityIDs.isEmpty { needed.insert(6) }
    if !labels.isEmpty { needed.insert(26) }
    if text != nil { needed.formUnion([7, 10]) }
    let names = LogRow.columns.split { $0 == "," || $0.isWhitespace }
    return names.enumerated().map { needed.contains($0) ? String($1) : "NULL" }
      .joined(separator: ", ")
  }

  /// What digests can say about the logs of a source.
  func digests(for source: LogSource) -> DigestFilter {
    var filter = DigestFilter()
    if let statuses, source == .all { filter.require(.status, statuses) }
    if let actions { filter.require(.action, actions) }
    if let agents { filter.require(.agent, agents) }
    if let entityType { filter.require(.entityType, [entityType]) }
    if let triggers { filter.require(.trigger, triggers) }
    for (key, value) in labels { filter.require(label: key, value) }
    if let text { filter.require(text) }
    return filter
  }

  /// Whether the current row of a statement that selects `LogRow.columns` is wanted.
  func matches(_ row: SQLiteStatement) -> Bool {
    if let statuses, !statuses.contains(row.integer(3)) { return false }
    if let actions, !actions.contains(row.integer(2)) { return false }
    if let agents, !agents.contains(row.integer(4)) { return false }
    if let entityType, row.integer(5) != entityType { return false }
    if let isHandled, (row.integer(23) & LogRow.Flag.handled != 0) != isHandled { return false }
    if let triggers, !triggers.contains(row.integer(8)) { return false }
    if !entityIDs.isEmpty, !entityIDs.contains(row.text(6)) { return false }
    if !labels.isEmpty {
      let stored = Labels.decode(row.blob(26))
      for (key, value) in labels where stored[key] != value { return false }
    }
    guard let text else { return true }
    return text.matches(row, 10) || text.matches(row, 7)
  }
}
