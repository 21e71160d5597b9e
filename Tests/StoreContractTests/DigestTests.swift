import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import TestSupport
import Testing

@testable import SQLiteStore

/// A store that lives through random writes, restarts and an old schema.
private final class RandomStore {
  var random: RandomLogs
  var harness: StoreHarness
  let integrations: [IntegrationID]
  private var open: [(LogID, IntegrationID, sequence: UInt64)] = []
  private var known: [LogID] = []

  init(seed: UInt64, _ limits: StoreLimits) async throws {
    random = RandomLogs(seed: seed)
    harness = try await StoreHarness(.sqlite, limits: limits)
    integrations = [harness.integration, try await harness.addIntegration("contoso")]
  }

  static func limits(visitedRows: Int, digestLogs: Int = 64, bufferBytes: Int = 30_000)
    -> StoreLimits
  {
    var limits = StoreLimits()
    limits.maximumVisitedRows = visitedRows
    limits.digestLogs = digestLogs
    limits.digestBufferBytes = bufferBytes
    return limits
  }

  private func id() -> LogID {
    let jitter = random.isOne(of: 12) ? -random.number(0..<400_000) : random.number(-20..<5)
    let time = harness.now.adding(milliseconds: Int64(jitter))
    return LogID(at: time, random: (random.numbers.next(), random.numbers.next()))
  }

  /// One commit of some new logs and some that go on.
  func write() async throws {
    harness.advance(milliseconds: Int64(random.number(0..<200)))
    let now = harness.now
    var commands: [(Report, LogID, Status?, UInt64, IntegrationID)] = []
    for _ in 0..<random.number(1..<30) {
      let (id, integration) = (id(), random.pick(integrations))
      let status = random.pick([Status.completed, .completed, .failed, .inProgress, .cancelled])
      if status == .inProgress { open.append((id, integration, 1)) }
      known.append(id)
      commands.append((random.report(), id, status, 1, integration))
    }
    for _ in 0..<random.number(0..<4) where !open.isEmpty {
      let index = random.number(0..<open.count)
      open[index].sequence += 1
      let (id, integration, sequence) = open[index]
      let status = random.pick([Status.inProgress, .completed, .failed, .timedOut])
      if status != .inProgress { open.remove(at: index) }
      commands.append((random.report(), id, status, sequence, integration))
    }
    let written = commands
    #expect(
      harness.store.submit { batch in
        for (report, id, status, sequence, integration) in written {
          let command = report.command(
            id, status, sequence: sequence, integration: integration, in: &batch)
          batch.append(report: command, now: now, origin: .none)
        }
      })
    try await workOnRequests()
  }

  private func workOnRequests() async throws {
    if random.isOne(of: 3) {
      let request = try await harness.request(entity: "\(random.number(0..<200))", id: id())
      if random.isOne(of: 3) {
        try await harness.perform(
          .cancelRequest(logID: request.log.id, reason: random.sentence(), principal: "operator"))
      }
    }
    if random.isOne(of: 6), let leased = try await harness.lease(maximum: 1).requests.first {
      var report = random.report()
      report.token = leased.token.description
      try await harness.report(leased.logID, .failed, sequence: 1, report)
      try await harness.perform(
        .retryLog(logID: leased.logID, newID: id(), principal: "operator"))
    }
    if random.isOne(of: 20) { harness.advance(milliseconds: 3_600_000) }
    try await harness.expire()
  }

  /// Opens the files again; `forgetting` digests, as a program wrote them that knew none.
  func restart(_ limits: StoreLimits, forgetting: Bool = false) async throws {
    await harness.store.close()
    if forgetting {
      let database = try SQLiteConnection(path: harness.scratch.file("data/integrations.db"))
      try Self.forgetMigrations(database)
    }
    let store = try SQLiteStore(directory: harness.scratch.file("data"), limits: limits)
    store.start(observer: CommitRecorder())
    harness = harness.on(store)
  }

  /// Leaves what the first migration made.
  private static func forgetMigrations(_ database: SQLiteConnection) throws {
    let first: Set = [
      "integrations", "keys", "actions", "action_counts", "agents", "names", "logs", "requests",
      "cancels", "timeline", "record_errors", "entity_tail", "entity_segments", "entity_chunks",
    ]
    let tables = try database.rows(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for table in tables.compactMap({ $0.first?.text }) where !first.contains(table) {
      try database.execute("DROP TABLE \(table)")
    }
    try database.execute("ALTER TABLE keys DROP COLUMN last_used_from")
    try database.execute("ALTER TABLE requests DROP COLUMN expires")
    try database.execute("PRAGMA user_version = 1")
  }

  /// All logs, by pages that ask no digest.
  func allLogs(_ order: LogOrder) async throws -> [StoredLog] {
    try await pages(LogQuery(LogSelection(), order: order, limit: 1_000))
  }

  func pages(
    _ query: LogQuery, between: () async throws -> Void = {}
  ) async throws -> [StoredLog] {
    var (query, found, count) = (query, [StoredLog](), 0)
    while true {
      let page = try await harness.store.logs(query)
      found += page.logs
      guard let next = page.next else { return found }
      try #require(next != query.after, "a page leads to itself")
      query.after = next
      count += 1
      try #require(count < 100_000, "pages have no end")
      if count == 1 { try await between() }
    }
  }

  /// Compares filtered pages with the meaning of the filter.
  func compare(_ queries: Int) async throws {
    for order in [LogOrder.newestFirst, .oldestFirst] {
      let all = try await allLogs(order)
      for _ in 0..<queries {
        var selection = random.selection(integrations)
        if random.isOne(of: 4) { selection.since = random.pick(all).id.time }
        if random.isOne(of: 4) { selection.until = random.pick(all).id.time }
        let query = LogQuery(selection, order: order, limit: random.pick([1, 3, 50, 1_000]))
        let found = try await pages(query).map(Place.init)
        let expected = all.filter { selection.wants($0) }.map(Place.init)
        #expect(found == expected, "\(query)")
      }
    }
  }

  /// How many digests there are.
  func digests() async throws -> Int64 {
    await harness.store.close()
    let database = try SQLiteConnection(path: harness.scratch.file("data/integrations.db"))
    return try database.rows("SELECT count(*) FROM log_digests WHERE part = 0").first?.first?
      .integer ?? 0
  }
}

/// Which log, in a form that is read easily where lists differ.
private struct Place: Equatable, CustomStringConvertible {
  var description: String
  init(_ log: StoredLog) { description = "\(log.id) of \(log.integration)" }
}

@Suite struct DigestTests {
  @Test(
    "Pages by digests are those of a plain walk, whatever was written, late, again or before",
    arguments: [1, 2, 3, 4])
  func sameAsPlainWalk(seed: UInt64) async throws {
    let rows = [25, 60, 400, 10_000][Int(seed % 4)]
    let limits = RandomStore.limits(visitedRows: rows)
    let store = try await RandomStore(seed: seed, limits)
    for round in 0..<4 {
      for _ in 0..<20 { try await store.write() }
      try await store.compare(20)
      // Where every buffer has room, where none has, and where there never were digests.
      let room = RandomStore.limits(visitedRows: rows, bufferBytes: [0, 10_000_000][round % 2])
      try await store.restart(room, forgetting: round == 2)
      try await store.compare(5)
    }
    #expect(try await store.digests() > 10)
  }

  @Test("Logs that arrive between pages change nothing behind them")
  func arrivals() async throws {
    let store = try await RandomStore(seed: 11, RandomStore.limits(visitedRows: 200))
    for _ in 0..<40 { try await store.write() }
    for text in ["SO-2", "kelvin", "timeout"] {
      var selection = LogSelection()
      selection.text = text
      let query = LogQuery(selection, limit: 5)
      let before = try await store.allLogs(.newestFirst)
      let expected = before.filter { selection.wants($0) }.map(Place.init)
      let found = try await store.pages(query) {
        store.harness.advance(milliseconds: 1_000)
        for _ in 0..<200 {
          try await store.harness.report(
            store.harness.newID(), .completed, sequence: 1, Report(message: text))
        }
      }
      #expect(found.map(Place.init) == expected)
    }
  }

  @Test("More facts than a digest keeps are found all the same")
  func manyFacts() async throws {
    let harness = try await StoreHarness(
      .sqlite, limits: RandomStore.limits(visitedRows: 10_000, digestLogs: 2_048))
    let (integration, now) = (harness.integration, harness.now)
    for batch in 0..<6 {
      let ids = (0..<500).map { _ in harness.newID() }
      #expect(
        harness.store.submit { commands in
          for (number, id) in ids.enumerated() {
            let place = 500 * batch + number
            let report = Report(agent: "agent-\(place)", labels: ["place": "\(place)"])
            let command = report.command(
              id, .completed, sequence: 1, integration: integration, in: &commands)
            commands.append(report: command, now: now, origin: .none)
          }
        })
      try await harness.expire()
    }
    for place in [0, 1, 700, 1_023, 1_024, 1_500, 2_047, 2_048, 2_999] {
      var selection = LogSelection()
      selection.agentIDs = ["agent-\(place)"]
      #expect(try await harness.store.logs(LogQuery(selection)).logs.count == 1)
      selection.labels = ["place": "\(place)"]
      #expect(try await harness.store.logs(LogQuery(selection)).logs.count == 1)
      selection.labels = ["place": "\(place + 1)"]
      #expect(try await harness.store.logs(LogQuery(selection)).logs.isEmpty)
    }
  }

  @Test(
    "A rare text is found within the work of one page",
    arguments: [LogOrder.newestFirst, .oldestFirst])
  func rareText(order: LogOrder) async throws {
    let harness = try await StoreHarness(
      .sqlite, limits: RandomStore.limits(visitedRows: 600, bufferBytes: 1_000_000))
    let (integration, now) = (harness.integration, harness.now)
    for batch in 0..<10 {
      let ids = (0..<200).map { _ in harness.newID() }
      #expect(
        harness.store.submit { commands in
          for (number, id) in ids.enumerated() {
            let isRare = batch == 4 && number == 17
            let report = Report(message: isRare ? "Needle 4711" : "Exported order \(number)")
            let command = report.command(
              id, .completed, sequence: 1, integration: integration, in: &commands)
            commands.append(report: command, now: now, origin: .none)
          }
        })
      try await harness.expire()
    }
    var selection = LogSelection()
    selection.text = "needle"
    let page = try await harness.store.logs(LogQuery(selection, order: order))
    #expect(page.logs.map(\.message) == ["Needle 4711"])
    #expect(page.next == nil)
  }

  @Test("Logs that arrive or change while older ones are read into digests are found")
  func duringCatchUp() async throws {
    let limits = RandomStore.limits(visitedRows: 100_000, digestLogs: 1_024)
    let store = try await RandomStore(seed: 21, limits)
    let begin = store.harness.now
    for _ in 0..<250 { try await store.write() }
    let end = store.harness.now
    try await store.restart(limits, forgetting: true)
    var needles: [String: LogID] = [:]
    for number in 0..<40 {
      let place = Int64(store.random.number(0..<Int(end.milliseconds - begin.milliseconds)))
      let id = LogID(
        at: begin.adding(milliseconds: place), random: (store.random.numbers.next(), 0))
      try await store.harness.report(id, .inProgress, sequence: 1)
      try await store.harness.report(
        id, .inProgress, sequence: 2, Report(message: "needle-\(number)-end"))
      needles["needle-\(number)-end"] = id
    }
    for _ in 0..<60 {
      try await store.harness.report(store.harness.newID(), .completed, sequence: 1)
    }
    for (text, id) in needles {
      var selection = LogSelection()
      selection.text = text
      #expect(try await store.pages(LogQuery(selection)).map(\.id) == [id])
    }
    #expect(try await store.digests() >= 1)
  }

  @Test(
    "Texts that can be written in several ways are found in digests", arguments: RandomLogs.words)
  func spellings(word: String) async throws {
    let store = try await RandomStore(seed: 31, RandomStore.limits(visitedRows: 100_000))
    let harness = store.harness
    for word in RandomLogs.words + ["plain"] {
      let now = harness.now
      let ids = (0..<40).map { _ in harness.newID() }
      #expect(
        harness.store.submit { batch in
          for (number, id) in ids.enumerated() {
            let report = Report(message: number == 20 ? "<\(word)>" : "-")
            let command = report.command(
              id, .completed, sequence: 1, integration: harness.integration, in: &batch)
            batch.append(report: command, now: now, origin: .none)
          }
        })
      harness.advance(milliseconds: 10)
    }
    try await harness.expire()
    let all = try await store.allLogs(.newestFirst)
    for text in [word, word.uppercased(), word.lowercased(), String(word.dropFirst())] {
      var selection = LogSelection()
      selection.text = text
      let expected = all.filter { selection.wants($0) }.map(Place.init)
      #expect(try await store.pages(LogQuery(selection)).map(Place.init) == expected, "\(text)")
    }
  }
}
