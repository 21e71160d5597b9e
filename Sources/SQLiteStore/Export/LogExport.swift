import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase

/// Logs, each with its timeline, record errors, request and wish to stop.
///
/// A log with much more than fits a message goes on in lines of kind `logPart`.
enum LogExport {
  static let kind = "log"
  static let partKind = "logPart"
  /// Bytes of a line beside the log's own texts, after which it goes on in another.
  private static let maximumLineBytes = 262_144

  static let columns = [
    ExportColumn("integration", .integration), ExportColumn("id", .logID),
    ExportColumn("action", .action, as: "actionType"), ExportColumn("status", .status),
    ExportColumn("agent", .agent, as: "agentId"), ExportColumn("entity_type", .name),
    ExportColumn("entity_id", .text), ExportColumn("entity_name", .text),
    ExportColumn("trigger", .trigger), ExportColumn("attempt", .number),
    ExportColumn("message", .text, as: "statusMessage"), ExportColumn("sequence", .wide),
    ExportColumn("created", .time, as: "createdAt"),
    ExportColumn("started", .time, as: "startedAt"),
    ExportColumn("updated", .time, as: "updatedAt"),
    ExportColumn("finished", .time, as: "finishedAt"), ExportColumn("due", .time, as: "dueAt"),
    ExportColumn("entity_url", .text), ExportColumn("records_done", .wide),
    ExportColumn("records_total", .wide),
    ExportColumn("record_errors", .wide, as: "recordErrorCount"),
    ExportColumn("entries", .number, as: "timelineCount"),
    ExportColumn("late", .number, as: "lateCount"), ExportColumn("flags", .number),
    ExportColumn("requested_by", .name), ExportColumn("retry_of", .logID),
    ExportColumn("labels", .labels), ExportColumn("result", .text),
  ]

  /// What belongs to a log, by the member that holds it.
  static let parts: [(member: String, table: String, isList: Bool, columns: [ExportColumn])] = [
    (
      "request", "requests", false,
      [
        ExportColumn("action", .action, as: "actionType"), ExportColumn("hold", .number),
        ExportColumn("available", .time, as: "availableAt"), ExportColumn("not_before", .time),
        ExportColumn("expires", .time, as: "expiresAt"),
        ExportColumn("agent", .agent, as: "agentId"), ExportColumn("delivery", .number),
        ExportColumn("nonce", .wide), ExportColumn("lost", .number),
        ExportColumn("lease_ms", .number),
        ExportColumn("lease_expires", .time, as: "leaseExpiresAt"),
        ExportColumn("accept_by", .time), ExportColumn("gone", .time, as: "goneAt"),
        ExportColumn("queue_by", .time), ExportColumn("original", .flag),
        ExportColumn("idempotency_key", .text), ExportColumn("entity_type", .name),
        ExportColumn("entity_id", .text), ExportColumn("input", .text),
      ]
    ),
    (
      "cancel", "cancels", false,
      [ExportColumn("reason", .text), ExportColumn("principal", .text)]
    ),
    (
      "schedule", "schedule_logs", false,
      [
        ExportColumn("schedule", .schedule, as: "name"), ExportColumn("state", .number),
        ExportColumn("retry", .number),
      ]
    ),
    (
      "timeline", "timeline", true,
      [
        ExportColumn("n", .number), ExportColumn("at", .time),
        ExportColumn("from_status", .status, as: "from"),
        ExportColumn("to_status", .status, as: "to"), ExportColumn("principal", .name),
        ExportColumn("agent", .agent, as: "agentId"), ExportColumn("cause", .cause),
        ExportColumn("message", .text), ExportColumn("late", .flag),
      ]
    ),
    (
      "recordErrors", "record_errors", true,
      [
        ExportColumn("n", .number), ExportColumn("reference", .text, as: "referenceId"),
        ExportColumn("message", .text), ExportColumn("cause", .text),
        ExportColumn("retryable", .flag),
      ]
    ),
  ]

  // MARK: - Out

  /// Rows of one page.
  private static let pageRows = 500
  /// Bytes of lines after which a page ends.
  private static let pageBytes = 1 << 20

  /// Lines of the next logs, and the last log; none: there are no more.
  static func lines(
    after position: LogPosition?, _ reader: ExportReader
  ) throws -> ([String], LogPosition?) {
    let names = columns.map(\.column).joined(separator: ", ")
    let rows = try reader.database.statement(
      """
      SELECT \(names) FROM logs WHERE (integration, id) > (?, ?)
        AND +integration IN (SELECT id FROM integrations) ORDER BY integration, id LIMIT ?
      """)
    defer { rows.reset() }
    rows.bind(1, position?.integration ?? 0)
    rows.bind(2, position?.logID ?? .lowest)
    rows.bind(3, Int64(pageRows))
    var (lines, last, bytes) = ([String](), LogPosition?.none, 0)
    while bytes < pageBytes, try rows.step() {
      guard let id = rows.logID(1) else { continue }
      let place = LogPosition(logID: id, integration: rows.integer(0))
      let first = lines.count
      try append(try reader.members(rows, columns), place, to: &lines, reader)
      bytes += lines[first...].reduce(0) { $0 + $1.utf8.count }
      last = place
    }
    return (lines, last)
  }

  private static func append(
    _ own: [(name: String, value: JSONTree)], _ log: LogPosition, to lines: inout [String],
    _ reader: ExportReader
  ) throws {
    let head = own.prefix(2)
    var members = [("kind", JSONTree.text(kind))] + own
    var bytes = 0
    for part in parts {
      var list: [JSONTree] = []
      let rows = try rows(of: part.table, part.columns, log, reader)
      defer { rows.reset() }
      while try rows.step() {
        let row = JSONTree.object(try reader.members(rows, part.columns))
        guard part.isList else {
          members.append((part.member, row))
          continue
        }
        list.append(row)
        bytes += row.compactText.utf8.count
        guard bytes >= maximumLineBytes else { continue }
        members.append((part.member, .array(list)))
        lines.append(JSONTree.object(members).compactText)
        (members, list, bytes) = ([("kind", .text(partKind))] + head, [], 0)
      }
      if !list.isEmpty { members.append((part.member, .array(list))) }
    }
    if members.count > 3 { lines.append(JSONTree.object(members).compactText) }
  }

  private static func rows(
    of table: String, _ columns: [ExportColumn], _ log: LogPosition, _ reader: ExportReader
  ) throws -> SQLiteStatement {
    let names = columns.map(\.column).joined(separator: ", ")
    let order = columns.first?.column == "n" ? "ORDER BY n" : ""
    let rows = try reader.database.statement(
      "SELECT \(names) FROM \(table) WHERE integration = ? AND id = ? \(order)")
    rows.bind(1, log.integration)
    rows.bind(2, log.logID)
    return rows
  }

  // MARK: - In

  /// Stores the log of a line, or what belongs to one of a line before.
  static func take(
    _ members: [String: JSONValue], isPart: Bool, _ writer: ImportWriter
  ) throws {
    let own = isPart ? Array(columns.prefix(2)) : columns
    let known = Set(own.map(\.member) + parts.filter { !isPart || $0.isList }.map(\.member))
    if let unknown = members.keys.sorted().first(where: { !known.contains($0) }) {
      throw ImportFault(
        "a line of kind \"\(isPart ? partKind : kind)\" has no member \"\(unknown)\"")
    }
    let integration = try writer.integration(members)
    guard let id = LogID(try ExportKinds.text(members, "id")), integration > 0 else {
      throw ImportFault("expected \"integration\" and a log's id as \"id\"")
    }
    if !isPart { _ = try writer.insert(members, into: "logs", columns) }
    for part in parts {
      guard let member = members[part.member] else { continue }
      for row in try rows(member, part.member, isList: part.isList) {
        try insert(row, part.table, part.columns, members, writer)
      }
    }
    if !isPart { try stored(integration, id, writer) }
  }

  private static func rows(
    _ value: JSONValue, _ member: String, isList: Bool
  ) throws(ImportFault) -> [[String: JSONValue]] {
    var rows: [[String: JSONValue]] = []
    let items: [JSONValue]
    if isList, case .array(let list) = value { items = list } else { items = [value] }
    for item in items {
      guard case .object(let row) = item else {
        throw ImportFault(
          "expected \"\(member)\" to be \(isList ? "a list of objects" : "an object")")
      }
      rows.append(row.dictionary)
    }
    return rows
  }

  private static func insert(
    _ row: [String: JSONValue], _ table: String, _ columns: [ExportColumn],
    _ log: [String: JSONValue], _ writer: ImportWriter
  ) throws {
    let known = Set(columns.map(\.member))
    if let unknown = row.keys.sorted().first(where: { !known.contains($0) }) {
      throw ImportFault("a row of \(table) has no member \"\(unknown)\"")
    }
    // Its action and agent are of the log's integration; its id is the log's.
    var row = row
    row["integration"] = log["integration"]
    row["id"] = log["id"]
    let own = [ExportColumn("integration", .integration), ExportColumn("id", .logID)]
    _ = try writer.insert(row, into: table, own + columns)
  }

  /// More than any log has of timeline entries or record errors: their sizes add up safely.
  private static let maximumParts: Int64 = 1 << 32

  /// Brings what is kept beside the rows up to date.
  private static func stored(
    _ integration: IntegrationID, _ id: LogID, _ importing: ImportWriter
  ) throws {
    let writer = importing.writer
    guard let row = try LogRow.find(writer.database, integration: integration, id: id) else {
      throw ImportFault("the log cannot be read again")
    }
    guard (0...maximumParts).contains(row.entries), row.recordErrors <= maximumParts else {
      throw ImportFault("expected \"timelineCount\" and \"recordErrorCount\" to be counts")
    }
    guard row.status.isFinal == (row.finished != nil) else {
      throw ImportFault("expected \"finishedAt\" for a final status and for no other")
    }
    let isStored = try RequestRow.find(writer.database, integration: integration, id: id) != nil
    guard row.isRequest == isStored else {
      throw ImportFault("expected \"request\" exactly where \"flags\" says that it is one")
    }
    try writer.digest(row, isNew: true)
    if !row.entityID.isEmpty { writer.index.add(row.entityID, integration: integration, id: id) }
    writer.count(
      action: row.action, from: nil, to: row.status, at: row.updated, created: row.created,
      ended: row.finished)
    if row.status.isFinal {
      writer.sizes.add(1, try row.keptBytes(writer.database), to: row.status)
    }
    if row.flags & LogRow.Flag.handled != 0, row.status == .failed || row.status == .timedOut {
      let mark = try writer.database.statement("INSERT INTO handled_failures VALUES(?, ?)")
      mark.bind(1, integration)
      mark.bind(2, id)
      try mark.run()
    }
    importing.logs += 1
  }
}
