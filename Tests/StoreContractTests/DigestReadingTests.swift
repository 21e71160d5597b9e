import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct DigestReadingTests {
  @Test("Logs that change while the ones behind them are still being read end in a digest")
  func changesWhileReading() async throws {
    let harness = try await StoreHarness(.sqlite)
    var ids: [LogID] = []
    for _ in 0..<20 {
      let some = (0..<50).map { _ in harness.newID() }
      ids += some
      let (integration, now) = (harness.integration, harness.now)
      _ = harness.store.submit { batch in
        for id in some {
          let command = Report().command(
            id, .inProgress, sequence: 1, integration: integration, in: &batch)
          batch.append(report: command, now: now, origin: .none)
        }
      }
      harness.advance(milliseconds: 5)
    }
    try await harness.report(ids[999], .inProgress, sequence: 2)
    await harness.store.close()

    // Digests of so few logs that reading goes on over several commits.
    var limits = StoreLimits()
    limits.digestLogs = 32
    let store = try SQLiteStore(directory: harness.scratch.file("data"), limits: limits)
    store.start(observer: CommitRecorder())
    let again = harness.on(store)
    // Counts, then reads a first part.
    for sequence in UInt64(3)..<5 {
      try await again.report(ids[999], .inProgress, sequence: sequence)
    }
    // What was read and has no digest yet changes so often that it would do for one.
    let (integration, now) = (again.integration, again.now)
    _ = store.submit { batch in
      for sequence in UInt64(2)..<12 {
        for id in ids[245..<262] {
          let report = Report(message: "late \(sequence)")
          let command = report.command(
            id, .inProgress, sequence: sequence, integration: integration, in: &batch)
          batch.append(report: command, now: now, origin: .none)
        }
      }
    }
    for sequence in UInt64(5)..<12 {
      try await again.report(ids[999], .inProgress, sequence: sequence)
    }
    let page = try await store.logs(LogQuery(selecting("late 11"), limit: 1_000))
    #expect(page.logs.count == 17)
    await store.close()
  }

  /// What a disk may do to the rows of a digest.
  enum Damage: CaseIterable {
    case headCut, bitsCut, runsCut, keysFall, keyNegative, lastNegative, lastHighest
  }

  @Test(
    "A digest that the disk has damaged is an error, not the server's end",
    arguments: Damage.allCases)
  func damage(_ damage: Damage) throws {
    let database = try SQLiteConnection(path: ":memory:")
    try Schema.migrate(database, path: ":memory:")
    let last: Int64 = damage == .lastNegative ? -5 : damage == .lastHighest ? .max : 1_000
    var keys: [Int64] = [-1] + (0..<31).map { $0 * 10 }
    if damage == .keysFall { keys[7] = 500 }
    if damage == .keyNegative { keys = keys.map { _ in -7 } }
    let head = keys.flatMap { key in withUnsafeBytes(of: key.littleEndian) { Array($0) } }
    for part in 0..<LogDigest.firstGramPart + LogDigest.gramParts {
      var bytes = [UInt8](
        repeating: 0xff,
        count: part == LogDigest.bitsPart ? DigestGrams.bits / 8 : 4 * LogDigest.partPositions)
      if part == 0 { bytes = damage == .headCut ? Array(head.dropLast()) : head }
      if part == LogDigest.bitsPart, damage == .bitsCut { bytes = [] }
      if part > LogDigest.bitsPart, damage == .runsCut { bytes.removeLast(4) }
      try database.run(
        "INSERT INTO log_digests VALUES(1, ?, ?, ?)", .integer(Int64(part)), .integer(last),
        .blob(bytes))
    }
    #expect(throws: SQLiteError.self) {
      _ = try LogDigest(database, integration: 1, last: last)
    }
    var filter = DigestFilter()
    filter.require(.status, [4])
    filter.require(TextSearch("a text"))
    for order in [LogOrder.newestFirst, .oldestFirst] {
      do {
        var budget = PageBudget(rows: 1_000)
        var scan = try DigestScan(
          database, filter, integration: 1, order: order, density: .dense)
        _ = try scan.verdict(at: LogID(firstOfKey: 5), &budget)
      } catch is SQLiteError {
        // A search that does not come to the damaged part does without it.
      }
    }
  }

  @Test("A damaged digest is found by the check, and forgotten by searches and reports")
  func mended() async throws {
    var limits = StoreLimits()
    limits.digestLogs = 32
    let harness = try await StoreHarness(.sqlite, limits: limits)
    var ids: [LogID] = []
    for number in 0..<200 {
      ids.append(harness.newID())
      try await harness.report(
        ids[number], .inProgress, sequence: 1, Report(message: "step \(number)"))
      harness.advance(milliseconds: 5)
    }
    let path = harness.scratch.file("data") + "/integrations.db"
    func damage() throws {
      let database = try SQLiteConnection(path: path)
      try database.execute("UPDATE log_digests SET bits = x'00' WHERE part = 1")
      #expect(try database.rows("SELECT changes()").first?.first?.integer ?? 0 > 0)
    }
    #expect(try await harness.store.check().problems == [])
    try damage()
    let problem = try #require(try await harness.store.check().problems.first)
    #expect(problem.contains("is damaged in part 1"))
    let page = try await harness.store.logs(LogQuery(selecting("step 7"), limit: 1_000))
    #expect(page.logs.count == 11)
    #expect(try await harness.store.check().problems == [])

    for number in 0..<200 {
      try await harness.report(ids[number], .inProgress, sequence: 2)
    }
    await harness.store.close()
    try damage()
    let store = try SQLiteStore(directory: harness.scratch.file("data"), limits: limits)
    store.start(observer: CommitRecorder())
    let again = harness.on(store)
    try await again.report(ids[0], .completed, sequence: 3, Report(message: "at last"))
    #expect(try await store.check().problems == [])
    let found = try await store.logs(LogQuery(selecting("at last"), limit: 10))
    #expect(found.logs.map(\.id) == [ids[0]])
    await store.close()
  }

  /// What a disk may do to the row of a segment of the index of records.
  @Test(
    "A segment of the index whose row is damaged is an error, whatever it says",
    arguments: [
      "chunks = chunks + 1", "chunks = 9223372036854775807", "chunks = 4294967295", "chunks = -5",
      "chunks = -9223372036854775808", "entries = 9223372036854775807", "segment = 1099511627776",
      "segment = -1", "level = 9223372036854775807",
    ])
  func damagedSegment(_ change: String) async throws {
    var limits = StoreLimits()
    limits.entityTailEntries = 32
    let harness = try await StoreHarness(.sqlite, limits: limits)
    for number in 0..<100 {
      let entity = EntityReference(type: "order", id: "\(number)", displayName: "")
      try await harness.report(
        harness.newID(), .completed, sequence: 1, Report(entity: entity))
    }
    let path = harness.scratch.file("data") + "/integrations.db"
    let database = try SQLiteConnection(path: path)
    try database.execute(
      """
      UPDATE entity_segments SET \(change)
      WHERE segment = (SELECT min(segment) FROM entity_segments)
      """)
    for entity in ["no such order", "7", "93"] {
      var selection = LogSelection()
      selection.entityIDs = [entity]
      let query = LogQuery(selection, limit: 10)
      let error = await #expect(throws: StoreError.self) {
        _ = try await harness.store.logs(query)
      }
      #expect(error?.code == .damaged)
    }
    #expect(try await harness.store.check().problems.count == 1)
    await harness.store.close()
    // What the writer would make of such numbers is no index; of too many chunks it hears later.
    guard change != "chunks = chunks + 1", change != "chunks = 4294967295" else { return }
    let error = #expect(throws: StoreError.self) {
      _ = try SQLiteStore(directory: harness.scratch.file("data"), limits: limits)
    }
    #expect(error?.code == .damaged)
  }

  private func selecting(_ text: String) -> LogSelection {
    var selection = LogSelection()
    selection.text = text
    return selection
  }
}
