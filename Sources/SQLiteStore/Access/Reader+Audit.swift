import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Reader {
  /// A page of the audit, walked by number; filters that match little end a page early.
  func audit(_ query: AuditQuery) throws -> AuditPage {
    let rows = try database.statement(
      query.isOldestFirst ? Self.oldestFirst : Self.newestFirst)
    defer { rows.reset() }
    rows.bind(1, query.after ?? (query.isOldestFirst ? 0 : .max))
    let budget = limits.maximumVisitedRows
    rows.bind(2, Int64(budget + 1))
    let limit = min(max(query.limit, 1), FieldRules.maximumItems)
    var page = AuditPage()
    var visited = 0
    var last: Int64 = 0
    while try rows.step() {
      if page.entries.count == limit || visited == budget {
        page.next = last
        return page
      }
      visited += 1
      last = rows.integer(0)
      let at = Instant(milliseconds: rows.integer(1))
      if let since = query.since, at < since { continue }
      if let until = query.until, at >= until { continue }
      if !query.principal.isEmpty, rows.text(2) != query.principal { continue }
      if !query.action.isEmpty, rows.text(4) != query.action { continue }
      if !query.target.isEmpty, !Self.isTarget(rows.text(5), within: query.target) { continue }
      page.entries.append(Self.entry(rows, at))
    }
    return page
  }

  private static func isTarget(_ target: String, within wanted: String) -> Bool {
    target == wanted || target.hasPrefix(wanted.hasSuffix("/") ? wanted : wanted + "/")
  }

  private static func entry(_ row: SQLiteStatement, _ at: Instant) -> StoredAuditEntry {
    StoredAuditEntry(
      number: row.integer(0), at: at,
      context: AuditContext(principal: row.text(2), from: row.text(3), action: row.text(4)),
      target: row.text(5), before: row.text(6), after: row.text(7), reason: row.text(8))
  }

  private static let columns =
    "SELECT number, at, principal, address, action, target, before, after, reason FROM audit"
  private static let newestFirst =
    "\(columns) WHERE number < ?1 ORDER BY number DESC LIMIT ?2"
  private static let oldestFirst =
    "\(columns) WHERE number > ?1 ORDER BY number LIMIT ?2"
}
