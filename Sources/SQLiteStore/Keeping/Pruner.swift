import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// The rules of retention and how far the search for logs that go has come; lives in the writer.
///
/// A walk goes through the logs of one integration for one status in the order of their ids, which
/// is the order in which they began. It never looks at a log twice, until the next sweep: one that
/// began long before it ended is passed by and found then.
struct Pruner {
  struct Walk: Hashable {
    var integration: IntegrationID
    var status: Status
  }

  /// By status; those that keep everything are left out.
  private(set) var rules: [Status: StoredRetentionRule] = [:]
  private var positions: [Walk: LogID] = [:]
  private var moved: Set<Walk> = []
  /// When the last sweep began.
  private(set) var swept: Instant

  /// How often every log is looked at again, in milliseconds: a day.
  static let sweepMs: Int64 = 86_400_000

  init(_ database: SQLiteConnection) throws {
    swept = .epoch
    for rule in try Self.rules(database) where !rule.keepsAll { rules[rule.status] = rule }
    let rows = try database.statement("SELECT integration, status, id FROM prune_positions")
    defer { rows.reset() }
    while try rows.step() {
      guard let status = Status(rawValue: UInt8(clamping: rows.integer(1))),
        let id = rows.logID(2)
      else { continue }
      positions[Walk(integration: rows.integer(0), status: status)] = id
    }
    let began = try database.rows("SELECT began FROM prune_sweeps").first?.first?.integer
    swept = Instant(milliseconds: began ?? 0)
  }

  /// One rule for each final status.
  static func rules(_ database: SQLiteConnection) throws -> [StoredRetentionRule] {
    let rows = try database.statement("SELECT status, maximum_age_ms, maximum_bytes FROM retention")
    defer { rows.reset() }
    var found: [Int64: StoredRetentionRule] = [:]
    while try rows.step() {
      guard let status = Status(rawValue: UInt8(clamping: rows.integer(0))) else { continue }
      found[rows.integer(0)] = StoredRetentionRule(
        status: status, maximumAgeMs: UInt64(clamping: rows.integer(1)),
        maximumBytes: UInt64(clamping: rows.integer(2)))
    }
    return StoredRetentionRule.statuses.map {
      found[Int64($0.rawValue)] ?? StoredRetentionRule(status: $0)
    }
  }

  /// Changes a rule.
  mutating func set(_ rule: StoredRetentionRule, _ database: SQLiteConnection) throws {
    rules[rule.status] = rule.keepsAll ? nil : rule
    try database.run(
      "REPLACE INTO retention VALUES(?, ?, ?)", .integer(Int64(rule.status.rawValue)),
      .integer(Int64(clamping: rule.maximumAgeMs)), .integer(Int64(clamping: rule.maximumBytes)))
  }

  /// Begins every walk anew.
  mutating func sweep(now: Instant, _ database: SQLiteConnection) throws {
    positions = [:]
    moved = []
    swept = now
    try database.run("DELETE FROM prune_positions")
    try database.run("REPLACE INTO prune_sweeps VALUES(1, ?)", .integer(now.milliseconds))
  }

  /// The clock was set: the next sweep comes within a day of it.
  mutating func clockMoved(now: Instant, _ database: SQLiteConnection) throws {
    guard swept > now else { return }
    swept = now
    try database.run("REPLACE INTO prune_sweeps VALUES(1, ?)", .integer(now.milliseconds))
  }

  /// The log up to which a walk has come.
  func position(_ walk: Walk) -> LogID { positions[walk] ?? .lowest }

  /// A walk has come further.
  mutating func move(_ walk: Walk, to id: LogID) {
    positions[walk] = id
    moved.insert(walk)
  }

  /// Writes how far walks have come.
  mutating func save(_ database: SQLiteConnection) throws {
    guard !moved.isEmpty else { return }
    let save = try database.statement("REPLACE INTO prune_positions VALUES(?, ?, ?)")
    for walk in moved {
      save.bind(1, walk.integration)
      save.bind(2, Int64(walk.status.rawValue))
      save.bind(3, position(walk))
      try save.run()
    }
    moved = []
  }
}

/// What is left of a step's budget, and what it has done.
struct PruneWork {
  let budget: PruneBudget
  private let start = ContinuousClock.now
  private var visited = 0
  private(set) var outcome = PruneOutcome()
  /// Integrations that lost a log.
  private(set) var integrations: Set<IntegrationID> = []

  init(_ budget: PruneBudget) { self.budget = budget }

  mutating func visit() { visited += 1 }

  mutating func removed(_ bytes: Int64, of integration: IntegrationID) {
    outcome.removedLogs += 1
    outcome.freedBytes += UInt64(clamping: bytes)
    integrations.insert(integration)
  }

  /// Logs that may still go.
  var logsLeft: Int { budget.maximumLogs - Int(outcome.removedLogs) }

  /// Whether the step goes no further.
  var isSpent: Bool {
    outcome.removedLogs >= UInt64(budget.maximumLogs) || visited >= budget.maximumVisitedRows
      || microseconds >= budget.maximumMicroseconds
  }

  var microseconds: Int64 {
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
  }
}
