import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Changes how long logs are kept.
  func setRetention(_ rules: [StoredRetentionRule]) throws -> CommandOutcome {
    for rule in rules { try pruner.set(rule, database) }
    // Logs that were passed by may be due under the new rules.
    try pruner.sweep(now: .epoch, database)
    return .retention(try Pruner.rules(database))
  }

  /// Removes some logs that are kept no longer, and gives some free pages back.
  func prune(_ budget: PruneBudget, now: Instant) throws -> CommandOutcome {
    // Runs of schedules that ended in this batch let others go before they are removed.
    try finishEndedRuns()
    var work = PruneWork(budget)
    if budget.sweeps
      || !pruner.rules.isEmpty && now.milliseconds(since: pruner.swept) >= Pruner.sweepMs
    {
      try pruner.sweep(now: now, database)
    }
    var isThrough = true
    for rule in StoredRetentionRule.statuses.compactMap({ pruner.rules[$0] }) where isThrough {
      isThrough = try prune(rule, now: now, &work)
    }
    try pruner.save(database)
    for integration in work.integrations { try dropDigests(of: integration) }
    if isThrough { try compactEntities() }
    let isTrimmed = try giveBackPages(budget)
    var outcome = work.outcome
    outcome.isDone = isThrough && isTrimmed && !index.isCompacting
    outcome.microseconds = work.microseconds
    outcome.doubt = shownClock.doubt
    return .pruned(outcome)
  }

  /// Removes what a rule keeps no longer; false: the budget is spent before that is all.
  ///
  /// While the clock is in doubt nobody knows how old a log is; how much there is, is known.
  private func prune(
    _ rule: StoredRetentionRule, now: Instant, _ work: inout PruneWork
  ) throws -> Bool {
    let integrations = directory.integrations.keys.sorted()
    if rule.maximumAgeMs > 0, !shownClock.doubt.isDoubtful {
      let cutoff = now.adding(milliseconds: -Int64(clamping: rule.maximumAgeMs))
      for integration in integrations {
        let walk = Pruner.Walk(integration: integration, status: rule.status)
        guard try prune(walk, endedBy: cutoff, &work) else { return false }
      }
    }
    guard rule.maximumBytes > 0 else { return true }
    return try prune(rule, integrations, &work)
  }

  // MARK: - By age

  /// Logs of one step that are looked for before they are removed: they lie side by side.
  private static let runLogs = 64

  /// Removes logs of a walk that ended by a time.
  ///
  /// None begins after its end, so the walk ends where
  /// ids are younger.
  private func prune(
    _ walk: Pruner.Walk, endedBy cutoff: Instant, _ work: inout PruneWork
  ) throws -> Bool {
    let end = LogID(lowerBoundAt: cutoff.adding(milliseconds: 1))
    while true {
      if work.isSpent { return false }
      var (run, isThrough) = ([LogID](), true)
      let rows = try database.statement(
        """
        SELECT id, status, finished FROM logs WHERE integration = ? AND id > ? AND id < ?
        ORDER BY id
        """)
      rows.bind(1, walk.integration)
      rows.bind(2, pruner.position(walk))
      rows.bind(3, end)
      while try rows.step() {
        guard let id = rows.logID(0) else { continue }
        work.visit()
        pruner.move(walk, to: id)
        if rows.integer(1) == Int64(walk.status.rawValue), let finished = rows.instant(2),
          finished <= cutoff
        {
          run.append(id)
        }
        if run.count == min(Self.runLogs, work.logsLeft) || work.isSpent {
          isThrough = false
          break
        }
      }
      rows.reset()
      for id in run { try remove(walk.integration, id, &work) }
      if isThrough { return true }
    }
  }

  // MARK: - By size

  /// Removes the oldest logs of a status until all of them take no more than they may.
  private func prune(
    _ rule: StoredRetentionRule, _ integrations: [IntegrationID], _ work: inout PruneWork
  ) throws -> Bool {
    guard try isOver(rule) else { return true }
    var oldest: [(walk: Pruner.Walk, id: LogID)] = []
    for integration in integrations {
      let walk = Pruner.Walk(integration: integration, status: rule.status)
      guard let id = try next(walk, &work) else { continue }
      oldest.append((walk, id))
    }
    while try isOver(rule) {
      if work.isSpent { return false }
      guard let place = oldest.indices.min(by: { oldest[$0].id < oldest[$1].id }) else {
        // What is left was passed by, or is open: the next sweep finds it.
        return true
      }
      let (walk, id) = oldest[place]
      try remove(walk.integration, id, &work)
      pruner.move(walk, to: id)
      if let next = try next(walk, &work) {
        oldest[place].id = next
      } else {
        oldest.remove(at: place)
      }
    }
    return true
  }

  private func isOver(_ rule: StoredRetentionRule) throws -> Bool {
    try sizes.bytes(of: rule.status, database) > Int64(clamping: rule.maximumBytes)
  }

  /// The next log of a walk; nil: there is none, or the budget is spent on the way.
  private func next(_ walk: Pruner.Walk, _ work: inout PruneWork) throws -> LogID? {
    let rows = try database.statement(
      "SELECT id, status FROM logs WHERE integration = ? AND id > ? ORDER BY id")
    defer { rows.reset() }
    rows.bind(1, walk.integration)
    rows.bind(2, pruner.position(walk))
    while try rows.step() {
      guard let id = rows.logID(0) else { continue }
      if rows.integer(1) == Int64(walk.status.rawValue) { return id }
      work.visit()
      pruner.move(walk, to: id)
      if work.isSpent { return nil }
    }
    return nil
  }

  // MARK: - One log

  /// Removes an ended log with everything that belongs to it.
  private func remove(
    _ integration: IntegrationID, _ id: LogID, _ work: inout PruneWork
  ) throws {
    guard let row = try LogRow.find(database, integration: integration, id: id),
      row.status.isFinal
    else { return }
    let bytes = try row.keptBytes(database)
    if row.entries > 0 { try delete("timeline", row) }
    if row.recordErrors > 0 { try delete("record_errors", row) }
    if row.isRequest { try delete("requests", row) }
    if row.isCancelWanted { try delete("cancels", row) }
    if row.flags & LogRow.Flag.handled != 0 { try delete("handled_failures", row) }
    if row.flags & LogRow.Flag.scheduled != 0 { try delete("schedule_logs", row) }
    try delete("logs", row)
    count(action: row.action, from: row.status, to: nil, at: row.created)
    sizes.add(-1, -bytes, to: row.status)
    if !row.entityID.isEmpty { index.remove(row.entityID, integration: integration, id: id) }
    work.removed(bytes, of: integration)
  }

  private func delete(_ table: String, _ row: LogRow) throws {
    let delete = try database.statement("DELETE FROM \(table) WHERE integration = ? AND id = ?")
    delete.bind(1, row.integration)
    delete.bind(2, row.id)
    try delete.run()
  }

  // MARK: - What is left

  /// Digests that one step drops of one integration.
  private static let stepDigests = 8

  /// Drops digests of which no log is left.
  private func dropDigests(of integration: IntegrationID) throws {
    let find = try database.statement(
      "SELECT id FROM logs WHERE integration = ? ORDER BY id LIMIT 1")
    find.bind(1, integration)
    let first = try find.step() ? find.logID(0) : nil
    find.reset()
    try digests.drop(
      before: first?.key ?? .max, of: integration, maximum: Self.stepDigests, database)
  }

  /// Entries of the index of records that one step moves where it is compacted: a millisecond.
  private static let stepEntries = 4_096

  /// Has the index of records compacted where most of it is of logs that are gone.
  private func compactEntities() throws {
    let logs = try database.rows("SELECT sum(logs) FROM action_counts").first?.first?.integer ?? 0
    try index.compact(forLogs: Int(clamping: logs)) {
      try database.rows("SELECT integration FROM deletions").compactMap { $0.first?.integer }
    }
    if index.isCompacting { index.extraEntries = Self.stepEntries }
  }

  /// Free pages that stay in the file, for what is written next: 1 MiB.
  static let keptFreePages: Int64 = 256

  /// Gives some free pages back to the file system; false: there are more.
  private func giveBackPages(_ budget: PruneBudget) throws -> Bool {
    let free = try database.rows("PRAGMA freelist_count").first?.first?.integer ?? 0
    let surplus = free - Self.keptFreePages
    guard surplus > 0 else { return true }
    let pages = min(surplus, Int64(max(budget.maximumPages, 1)))
    try database.execute("PRAGMA incremental_vacuum(\(pages))")
    return surplus <= pages
  }
}
