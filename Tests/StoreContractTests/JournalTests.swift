import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

@Suite("The journal of changes") struct JournalTests {
  static func keep(_ harness: StoreHarness) async throws -> ChangePlace {
    let outcome = try await harness.perform(.keepJournal)
    guard case .journal(let place) = outcome else { throw Unexpected(outcome) }
    return place
  }

  static func changes(_ harness: StoreHarness, _ place: ChangePlace) async throws -> ChangePage? {
    try await harness.store.changes(ChangeQuery(after: place))
  }

  /// The place behind the last change that the observer heard of.
  static func lastPlace(_ harness: StoreHarness) -> ChangePlace? {
    harness.recorder.takeEvents().compactMap { event -> ChangePlace? in
      if case .logChanged(_, let place) = event { place } else { nil }
    }.last
  }

  @Test("Each changed log comes once, where it changed last", arguments: StoreKind.all)
  func pages(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind, wantsLogEvents: true)
    let start = try await Self.keep(harness)
    let ids = (0..<3).map { _ in harness.newID() }
    for id in ids { try await harness.report(id, .inProgress, sequence: 1) }
    let middle = try #require(Self.lastPlace(harness))
    harness.advance(milliseconds: 5)
    try await harness.report(ids[0], .completed, sequence: 2)
    let all = try #require(try await Self.changes(harness, start))
    #expect(all.logs.map(\.log.id) == [ids[1], ids[2], ids[0]])
    #expect(all.logs.last?.log.status == .completed)
    #expect(all.isEnd)
    let rest = try #require(try await Self.changes(harness, middle))
    #expect(rest.logs.map(\.log.id) == [ids[0]])
    #expect(try await Self.changes(harness, all.next)?.logs.isEmpty == true)
    let first = try #require(
      try await harness.store.changes(ChangeQuery(after: start, limit: 1)))
    #expect(!first.isEnd)
    let second = try #require(
      try await harness.store.changes(ChangeQuery(after: first.next)))
    #expect(second.logs.map(\.log.id) == [ids[2], ids[0]])
  }

  @Test("A page of long logs ends before they fill the memory", arguments: StoreKind.all)
  func longLogs(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind, wantsLogEvents: true)
    let start = try await Self.keep(harness)
    let long = String(repeating: "x", count: 200_000)
    let ids = (0..<25).map { _ in harness.newID() }
    for id in ids {
      try await harness.report(
        id, .completed, sequence: 1,
        Report(entity: EntityReference(type: "order", id: "7", displayName: ""), result: long))
    }
    var seen: [LogID] = []
    var place = start
    while true {
      let page = try #require(try await Self.changes(harness, place))
      #expect(page.logs.count <= 11)
      seen += page.logs.map(\.log.id)
      place = page.next
      if page.isEnd { break }
    }
    #expect(seen == ids)
  }

  @Test("It goes on over a restart, and its numbers do not come again", arguments: StoreKind.all)
  func restart(kind: StoreKind) async throws {
    var harness = try await StoreHarness(kind, wantsLogEvents: true)
    let start = try await Self.keep(harness)
    let before = harness.newID()
    try await harness.report(before, .completed, sequence: 1)
    let told = try #require(Self.lastPlace(harness))
    await harness.store.close()
    let store = try kind.open(harness.scratch.file("data"), StoreLimits())
    harness = harness.on(store)
    // Nobody tails any more, and the journal goes on all the same.
    let after = harness.newID()
    try await harness.report(after, .completed, sequence: 1)
    #expect(try await Self.changes(harness, told)?.logs.map(\.log.id) == [after])
    #expect(try await Self.changes(harness, start)?.logs.map(\.log.id) == [before, after])
    #expect(try await Self.keep(harness).journal == start.journal)
    await store.close()
  }

  @Test("It ends when nobody asks, and an old place is refused then", arguments: StoreKind.all)
  func ends(kind: StoreKind) async throws {
    var limits = StoreLimits()
    limits.tailJournalMs = 1_000
    let harness = try await StoreHarness(kind, limits: limits)
    let start = try await Self.keep(harness)
    try await harness.report(harness.newID(), .completed, sequence: 1)
    #expect(try await Self.changes(harness, start)?.logs.count == 1)
    harness.advance(milliseconds: 1_000)
    try await harness.report(harness.newID(), .completed, sequence: 1)
    try await harness.report(harness.newID(), .completed, sequence: 1)
    let again = try await Self.keep(harness)
    #expect(again.journal > start.journal)
    #expect(try await Self.changes(harness, start) == nil)
    let id = harness.newID()
    try await harness.report(id, .completed, sequence: 1)
    #expect(try await Self.changes(harness, again)?.logs.map(\.log.id) == [id])
  }

  @Test("More changes than the limit leave it, the oldest first", arguments: StoreKind.all)
  func limit(kind: StoreKind) async throws {
    var limits = StoreLimits()
    limits.tailJournalChanges = 5
    let harness = try await StoreHarness(kind, limits: limits, wantsLogEvents: true)
    let start = try await Self.keep(harness)
    var places: [ChangePlace] = []
    for _ in 0..<8 {
      try await harness.report(harness.newID(), .completed, sequence: 1)
      places.append(try #require(Self.lastPlace(harness)))
    }
    #expect(try await Self.changes(harness, start) == nil)
    #expect(try await Self.changes(harness, places[3])?.logs.count == 4)
  }
}
