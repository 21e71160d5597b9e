import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase

extension Reader {
  /// The database file's size, as this reader sees it.
  func databaseBytes() throws -> UInt64 {
    let pages = try database.rows("PRAGMA page_count").first?.first?.integer ?? 0
    return UInt64(clamping: pages * Int64(Opening.pageBytes))
  }

  func retention() throws -> RetentionState {
    let rows = try database.statement("SELECT status, logs, bytes FROM status_sizes")
    defer { rows.reset() }
    var found: [Int64: StoredStatusSize] = [:]
    while try rows.step() {
      guard let status = Status(rawValue: UInt8(clamping: rows.integer(0))) else { continue }
      found[rows.integer(0)] = StoredStatusSize(
        status: status, logs: UInt64(clamping: rows.integer(1)),
        bytes: UInt64(clamping: rows.integer(2)))
    }
    return RetentionState(
      rules: try Pruner.rules(database),
      sizes: StoredRetentionRule.statuses.map {
        found[Int64($0.rawValue)] ?? StoredStatusSize(status: $0, logs: 0, bytes: 0)
      }, databaseBytes: try databaseBytes())
  }

  /// Rows of one part of a count.
  private static let countedRows = 20_000

  func prunable(now: Instant, after: LogPosition?) throws -> PrunableCount {
    var cutoffs: [Int64: Instant] = [:]
    for rule in try Pruner.rules(database) where rule.maximumAgeMs > 0 {
      cutoffs[Int64(rule.status.rawValue)] =
        now.adding(milliseconds: -Int64(clamping: rule.maximumAgeMs))
    }
    guard let latest = cutoffs.values.max() else { return PrunableCount(sizes: [], next: nil) }
    let end = LogID(lowerBoundAt: latest.adding(milliseconds: 1))
    let rows = try database.statement(
      """
      SELECT id, status, finished, \(Schema.keptBytes) FROM logs
      WHERE integration = ? AND id > ? AND id < ? ORDER BY id
      """)
    defer { rows.reset() }
    var (found, visited) = ([Int64: (logs: UInt64, bytes: UInt64)](), 0)
    for integration in try integrationIDs() where integration >= after?.integration ?? 0 {
      rows.reset()
      rows.bind(1, integration)
      rows.bind(2, integration == after?.integration ? after?.logID ?? .lowest : .lowest)
      rows.bind(3, end)
      while try rows.step() {
        guard let id = rows.logID(0) else { continue }
        if let cutoff = cutoffs[rows.integer(1)], let finished = rows.instant(2),
          finished <= cutoff
        {
          let before = found[rows.integer(1)] ?? (0, 0)
          found[rows.integer(1)] = (
            before.logs + 1, before.bytes + UInt64(clamping: rows.integer(3))
          )
        }
        visited += 1
        if visited == Self.countedRows {
          let place = LogPosition(logID: id, integration: integration)
          return PrunableCount(sizes: Self.sizes(found), next: place)
        }
      }
    }
    return PrunableCount(sizes: Self.sizes(found), next: nil)
  }

  private static func sizes(_ found: [Int64: (logs: UInt64, bytes: UInt64)]) -> [StoredStatusSize] {
    StoredRetentionRule.statuses.compactMap { status in
      found[Int64(status.rawValue)].map {
        StoredStatusSize(status: status, logs: $0.logs, bytes: $0.bytes)
      }
    }
  }

  // MARK: - Export

  /// Rows of each kind on one page.
  private static let exportedRows = 500

  func export(after position: ExportPosition, withoutLogs: Bool) throws -> ExportPage {
    let reader = try ExportReader(self)
    var (lines, next, isFull) = ([String](), position, false)
    // Kinds that logs refer to come first on each page, so that what is new among them is there.
    for kind in ExportKinds.all {
      let (found, last) = try kind.lines(
        after: next.rows[kind.kind], limit: Self.exportedRows, reader)
      lines += found
      if let last { next.rows[kind.kind] = last }
      // What comes behind may refer to rows that do not fit this page.
      isFull = found.count == Self.exportedRows
      if isFull { break }
    }
    if isFull { return ExportPage(lines: lines, next: next) }
    if withoutLogs { return ExportPage(lines: lines, next: nil) }
    let (found, last) = try LogExport.lines(after: next.log, reader)
    next.log = last ?? next.log
    return ExportPage(lines: lines + found, next: found.isEmpty ? nil : next)
  }
}

extension SQLiteStore {
  /// The rules, and what there is.
  public func retention() async throws(StoreError) -> RetentionState {
    try await readers.read { try $0.retention() }
  }

  /// Counts a part of what the rules' ages would remove.
  public func prunable(
    now: Instant, after: LogPosition?
  ) async throws(StoreError) -> PrunableCount {
    try await readers.read { try $0.prunable(now: now, after: after) }
  }

  /// Some lines of everything that is stored.
  public func export(
    after: ExportPosition, withoutLogs: Bool
  ) async throws(StoreError) -> ExportPage {
    var page = try await readers.read { try $0.export(after: after, withoutLogs: withoutLogs) }
    if after == ExportPosition() {
      let header = JSONTree.object([
        ("kind", .text("header")), ("version", .number("\(Self.exportVersion)")),
        ("program", .text("integrationd")), ("schemaVersion", .number("\(Schema.version)")),
      ])
      page.lines.insert(header.compactText, at: 0)
    }
    return page
  }
}
