import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import TestSupport
import Testing

@testable import SQLiteStore

/// Retention: what goes, what stays, and what is kept beside rows.
@Suite struct RetentionTests {
  static let day: Int64 = 86_400_000

  private func prune(
    _ harness: StoreHarness, sweeps: Bool = false, maximumLogs: Int = 256
  ) async throws -> PruneOutcome {
    var budget = PruneBudget()
    budget.sweeps = sweeps
    budget.maximumLogs = maximumLogs
    budget.maximumMicroseconds = 10_000_000
    var sum = PruneOutcome()
    for _ in 0..<10_000 {
      guard case .pruned(let step) = try await harness.perform(.prune(budget)) else { break }
      budget.sweeps = false
      #expect(step.removedLogs <= UInt64(maximumLogs))
      sum.removedLogs += step.removedLogs
      sum.freedBytes += step.freedBytes
      if step.isDone { return sum }
    }
    Issue.record("pruning has no end")
    return sum
  }

  private func keep(
    _ harness: StoreHarness, _ status: Status, days: Int64 = 0, bytes: UInt64 = 0
  ) async throws {
    let rule = StoredRetentionRule(
      status: status, maximumAgeMs: UInt64(days * Self.day), maximumBytes: bytes)
    guard case .retention = try await harness.perform(.setRetention([rule])) else {
      throw NothingLeased()
    }
  }

  private func expectWhole(
    _ harness: StoreHarness, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let check = try await harness.store.check()
    #expect(check.problems == [], sourceLocation: sourceLocation)
  }

  @Test("Without a rule everything is kept", arguments: StoreKind.all)
  func keepsForEver(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    try await harness.report(harness.newID(), .completed, sequence: 1)
    harness.advance(milliseconds: 4_000 * Self.day)
    #expect(try await prune(harness).removedLogs == 0)
    let state = try await harness.store.retention()
    #expect(state.rules.allSatisfy { $0.keepsAll })
    #expect(state.sizes.first?.logs == 1)
    #expect(try await harness.store.prunable(now: harness.now, after: nil).sizes == [])
  }

  @Test("By age logs of one status go with all that belongs to them", arguments: StoreKind.all)
  func byAge(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var old: [LogID] = []
    for number in 0..<40 {
      let id = harness.newID()
      old.append(id)
      var report = Report()
      report.entity = EntityReference(type: "order", id: "O-\(number)")
      report.errors = [
        StoredRecordError(referenceID: "r", message: "m", cause: "c", isRetryable: false)
      ]
      try await harness.report(id, .inProgress, sequence: 1, report)
      try await harness.report(id, number % 4 == 0 ? .failed : .completed, sequence: 2, report)
    }
    let open = harness.newID()
    try await harness.report(open, .inProgress, sequence: 1)
    harness.advance(milliseconds: 10 * Self.day)
    let young = harness.newID()
    try await harness.report(young, .completed, sequence: 1)
    try await keep(harness, .completed, days: 5)
    let counted = try await harness.store.prunable(now: harness.now, after: nil)
    #expect(counted.sizes.map(\.logs) == [30])
    let removed = try await prune(harness, maximumLogs: 7)
    #expect(removed.removedLogs == 30)
    #expect(removed.freedBytes == counted.sizes.map(\.bytes).reduce(0, +))
    #expect(try await harness.store.log(old[1], errorsAfter: 0, errorLimit: 1) == nil)
    #expect(try await harness.status(old[0]) == .failed)
    #expect(try await harness.status(open) == .inProgress)
    #expect(try await harness.status(young) == .completed)
    var gone = LogQuery(LogSelection(), limit: 10)
    gone.selection.entityIDs = ["O-1", "O-4"]
    #expect(try await harness.store.logs(gone).logs.map(\.entity.id) == ["O-4"])
    let counts = try #require(try await harness.store.counts([], now: harness.now).first)
    #expect(counts.logs == 12)
    try await expectWhole(harness)
  }

  @Test("A log that began long before it ended goes by its end", arguments: StoreKind.all)
  func byEnd(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let long = harness.newID()
    try await harness.report(long, .inProgress, sequence: 1)
    try await keep(harness, .completed, days: 5)
    harness.advance(milliseconds: 20 * Self.day)
    #expect(try await prune(harness).removedLogs == 0)
    try await harness.report(long, .completed, sequence: 2)
    harness.advance(milliseconds: 4 * Self.day)
    #expect(try await prune(harness, sweeps: true).removedLogs == 0)
    harness.advance(milliseconds: 2 * Self.day)
    // A day has passed since the last sweep: it is looked at again.
    #expect(try await prune(harness).removedLogs == 1)
    try await expectWhole(harness)
  }

  @Test("By size the oldest of all integrations go first", arguments: StoreKind.all)
  func bySize(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let other = try await harness.addIntegration("southwind")
    var ids: [LogID] = []
    for number in 0..<60 {
      harness.advance(milliseconds: 1_000)
      let id = harness.newID()
      ids.append(id)
      try await harness.report(
        id, number % 5 == 4 ? .failed : .completed, sequence: 1,
        integration: number % 2 == 0 ? harness.integration : other)
    }
    let size = try #require(try await harness.store.retention().sizes.first)
    #expect(size.logs == 48)
    try await keep(harness, .completed, bytes: size.bytes / 2)
    let removed = try await prune(harness, maximumLogs: 5)
    #expect(removed.removedLogs == 24)
    let left = try await harness.store.logs(LogQuery(LogSelection(), limit: 100)).logs.map(\.id)
    let expected = ids.enumerated().filter { $0.offset % 5 == 4 || $0.offset >= 30 }.map(\.element)
    #expect(Set(left) == Set(expected))
    try await expectWhole(harness)
  }

  @Test("A retry stays without its original, and the key of a request goes with its log")
  func requests() async throws {
    let harness = try await StoreHarness(.sqlite)
    let first = try await harness.request(key: "k-1", input: "{}").log
    let leased = try await harness.leaseOne()
    var report = Report()
    report.token = "\(leased.token)"
    try await harness.report(first.id, .failed, sequence: 1, report)
    harness.advance(milliseconds: 10 * Self.day)
    let retryID = harness.newID()
    _ = try await harness.perform(
      .retryLog(logID: first.id, newID: retryID, principal: "operator:local"))
    try await keep(harness, .failed, days: 5)
    #expect(try await prune(harness).removedLogs == 1)
    #expect(try await harness.detail(retryID).log.retryOf == first.id)
    let again = try await harness.request(entity: "43", key: "k-1")
    #expect(!again.duplicate)
    try await expectWhole(harness)
  }

  @Test("Searches stay right, digests of what is gone are dropped, and the file shrinks")
  func digestsAndFile() async throws {
    var limits = StoreLimits()
    limits.digestLogs = 64
    limits.entityTailEntries = 128
    let harness = try await StoreHarness(.sqlite, limits: limits)
    var report = Report()
    for number in 0..<3_000 {
      harness.advance(milliseconds: 1_000)
      report.entity = EntityReference(type: "order", id: "O-\(number % 100)")
      report.message = String(repeating: "word\(number) ", count: 40)
      try await harness.report(harness.newID(), .completed, sequence: 1, report)
    }
    let before = try await harness.store.retention().databaseBytes
    let digestsBefore = try count("log_digests", harness)
    harness.advance(milliseconds: 10 * Self.day)
    try await keep(harness, .completed, days: 10)
    harness.advance(milliseconds: -600_000)
    #expect(try await prune(harness).removedLogs > 2_000)
    let after = try await harness.store.retention().databaseBytes
    #expect(after < before / 2, "\(before) bytes became \(after)")
    #expect(try count("log_digests", harness) < digestsBefore / 2)
    try await expectWhole(harness)
    // One below the first digest that is left arrives late: a search finds it there.
    report.message = "late and rare"
    let late = LogID(at: Instant(milliseconds: 1_700_000_000_000), random: (1, 1))
    try await harness.report(late, .failed, sequence: 1, report)
    var query = LogQuery(LogSelection(), limit: 10)
    query.selection.text = "late and rare"
    for order in [LogOrder.newestFirst, .oldestFirst] {
      query.order = order
      #expect(try await found(query, harness) == [late])
    }
    try await expectWhole(harness)
  }

  private func found(_ query: LogQuery, _ harness: StoreHarness) async throws -> [LogID] {
    var (query, found) = (query, [LogID]())
    for _ in 0..<100 {
      let page = try await harness.store.logs(query)
      found += page.logs.map(\.id)
      guard let next = page.next else { return found }
      query.after = next
    }
    Issue.record("the pages have no end")
    return found
  }

  private func count(_ table: String, _ harness: StoreHarness) throws -> Int64 {
    let database = try SQLiteConnection(
      path: harness.scratch.file("data/integrations.db"), mode: .readOnly)
    return try database.rows("SELECT count(*) FROM \(table)").first?.first?.integer ?? -1
  }

  @Test("A log's entry and what says that it is gone leave the index together")
  func entityEntries() throws {
    let database = try SQLiteConnection(path: ":memory:")
    try database.execute(Schema.migrations[0])
    var index = try EntityIndex(database, tailEntries: 200)
    let ids = (0..<4_000).map { LogID(high: UInt64($0) << 16 | 0x7000, low: UInt64($0)) }
    for id in ids { index.add("E-\(id.low % 7)", integration: 1, id: id) }
    try index.flush(to: database)
    for id in ids.dropLast(10) { index.remove("E-\(id.low % 7)", integration: 1, id: id) }
    try index.flush(to: database)
    for _ in 0..<400 {
      try index.compact(forLogs: 10)
      index.extraEntries = 100
      try index.flush(to: database)
    }
    let entries = try database.rows(
      "SELECT (SELECT coalesce(sum(entries), 0) FROM entity_segments)"
    ).first?.first?.integer
    #expect(entries == 10)
    let chunks = try database.rows("SELECT count(*) FROM entity_chunks").first?.first?.integer
    #expect(chunks == 1)
  }

  @Test("Entries of a deleted integration leave the index, and pruning has an end")
  func entriesOfDeleted() async throws {
    var limits = StoreLimits()
    limits.entityTailEntries = 64
    let harness = try await StoreHarness(.sqlite, limits: limits)
    let other = try await harness.addIntegration("contoso")
    let kept = harness.newID()
    var report = Report()
    report.entity = EntityReference(type: "order", id: "kept")
    try await harness.report(kept, .completed, sequence: 1, report)
    for number in 0..<400 {
      report.entity = EntityReference(type: "order", id: "O-\(number)")
      try await harness.report(harness.newID(), .completed, sequence: 1, report, integration: other)
    }
    _ = try await harness.perform(
      .deleteIntegration(other, logs: .included, principal: "operator:alice"))
    for _ in 0..<100 {
      let next = try await harness.perform(.continueDeletion(maximum: 500))
      if case .deletionContinued(isDone: true) = next { break }
    }
    _ = try await prune(harness)
    let database = try SQLiteConnection(
      path: harness.scratch.file("data/integrations.db"), mode: .readOnly)
    let left = try database.rows("SELECT sum(entries) FROM entity_segments").first?.first?.integer
    #expect(try #require(left) < 130)
    var query = LogQuery(LogSelection(), limit: 10)
    query.selection.entityIDs = ["kept"]
    #expect(try await found(query, harness) == [kept])
    try await expectWhole(harness)
  }

  @Test("Databases of before know how much there is of each status")
  func migration() async throws {
    let harness = try await StoreHarness(.sqlite)
    for number in 0..<20 {
      var report = Report()
      report.message = "é\(number)"
      report.labels = ["a": "b"]
      try await harness.report(harness.newID(), .completed, sequence: 1, report)
    }
    let request = try await harness.request(input: "{\"ü\": 1}").log
    _ = try await harness.perform(
      .cancelRequest(logID: request.id, reason: "", principal: "operator:local"))
    let kept = try await harness.store.retention().sizes
    await harness.store.close()
    let path = harness.scratch.file("data/integrations.db")
    let database = try SQLiteConnection(path: path, mode: .readWrite)
    let tables = ["retention", "prune_positions", "prune_sweeps", "status_sizes"]
    for table in tables { try database.execute("DROP TABLE \(table)") }
    try database.execute(Schema.keepingTables)
    let rows = try database.rows("SELECT status, logs, bytes FROM status_sizes ORDER BY status")
    let found = rows.map { $0.map { $0.integer ?? -1 } }
    #expect(
      found
        == kept.filter { $0.logs > 0 }.map {
          [Int64($0.status.rawValue), Int64($0.logs), Int64($0.bytes)]
        })
  }
}
