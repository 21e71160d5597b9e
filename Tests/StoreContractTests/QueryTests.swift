import IntegrationModel
import IntegrationStore
import SQLiteStore
import Testing

/// A filter and the places of the logs that it leaves.
struct FilterCase: Sendable, CustomStringConvertible {
  var description: String
  var expected: [Int]
  var selection = LogSelection()

  init(_ description: String, _ expected: [Int], _ change: (inout LogSelection) -> Void) {
    self.description = description
    self.expected = expected
    change(&selection)
  }

  static let all = [
    FilterCase("statuses failed", [1, 3, 5, 7]) { $0.statuses = [.failed] },
    FilterCase("statuses open", [8, 9]) { $0.statuses = [.queued, .inProgress] },
    FilterCase("statuses queued", [9]) { $0.statuses = [.queued] },
    FilterCase("statuses mixed", [0, 2, 4, 6, 8]) { $0.statuses = [.completed, .inProgress] },
    FilterCase("action", [3]) { $0.actionTypes = ["watch_folder"] },
    FilterCase("unknown action", []) { $0.actionTypes = ["nothing"] },
    FilterCase("agent", [0, 3, 6]) { $0.agentIDs = ["agent-0"] },
    FilterCase("entity", [3, 9]) { $0.entityIDs = ["3"] },
    FilterCase("entities", [3, 4, 9]) { $0.entityIDs = ["3", "4"] },
    FilterCase("entity and status", [3]) {
      $0.entityIDs = ["3"]
      $0.statuses = [.failed]
    },
    FilterCase("entity type", [1, 3, 5, 7]) {
      $0.entityType = "order"
      $0.statuses = [.failed]
    },
    FilterCase("unknown entity type", []) { $0.entityType = "invoice" },
    FilterCase("trigger", [9]) { $0.triggers = [.request] },
    FilterCase("text in message", [5]) { $0.text = "number 5" },
    FilterCase("text in entity name", [6]) { $0.text = "oRDER n6" },
    FilterCase("text of other letters", [2]) { $0.text = "überfällig" },
    FilterCase("a text that nothing holds", []) { $0.text = "numbers" },
    FilterCase("label", [1, 3, 5, 7]) { $0.labels = ["parity": "odd"] },
    FilterCase("label of another value", []) { $0.labels = ["parity": "none"] },
  ]
}

@Suite struct QueryTests {
  @Test("A page of logs with long texts ends before they fill the memory", arguments: StoreKind.all)
  func longTexts(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let long = String(repeating: "x", count: 200_000)
    var ids: [LogID] = []
    for _ in 0..<25 {
      let id = harness.newID()
      try await harness.report(
        id, .completed, sequence: 1,
        Report(entity: EntityReference(type: "order", id: "7", displayName: ""), result: long))
      ids.append(id)
    }
    for entities in [[], ["7"]] {
      var selection = LogSelection()
      selection.entityIDs = entities
      var query = LogQuery(selection, order: .oldestFirst, limit: 1_000)
      var seen: [LogID] = []
      repeat {
        let page = try await harness.store.logs(query)
        #expect(page.logs.count <= 11)
        seen += page.logs.map(\.id)
        query.after = page.next
      } while query.after != nil
      #expect(seen == ids)
    }
  }

  @Test("A page of long requests ends before they fill the memory", arguments: StoreKind.all)
  func longInputs(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let long = "\"\(String(repeating: "x", count: 200_000))\""
    var ids: [LogID] = []
    for number in 0..<25 {
      ids.append(try await harness.request(entity: "\(number)", input: long).log.id)
    }
    var query = LogQuery(limit: 1_000)
    var seen: [LogID] = []
    repeat {
      let page = try await harness.store.openRequests(query)
      #expect(page.requests.count <= 11)
      seen += page.requests.map(\.log.id)
      query.after = page.next
    } while query.after != nil
    #expect(seen == ids)
  }

  /// Ten logs: every second failed, entities 0 to 4, one in progress, one queued.
  private func filled(_ kind: StoreKind, limits: StoreLimits = StoreLimits()) async throws -> (
    StoreHarness, [LogID]
  ) {
    let harness = try await StoreHarness(kind, limits: limits)
    var ids: [LogID] = []
    for number in 0..<8 {
      harness.advance(milliseconds: 10)
      let id = harness.newID()
      try await harness.report(
        id, number % 2 == 0 ? .completed : .failed, sequence: 1,
        Report(
          agent: "agent-\(number % 3)", action: number == 3 ? "watch_folder" : "export_order",
          entity: EntityReference(
            type: "order", id: "\(number % 5)", displayName: "Order N\(number)"),
          message: "Message Number \(number)\(number == 2 ? " ÜBERFÄLLIG" : "")",
          labels: ["parity": number % 2 == 0 ? "even" : "odd"])
      )
      ids.append(id)
    }
    harness.advance(milliseconds: 10)
    ids.append(harness.newID())
    try await harness.report(ids[8], .inProgress, sequence: 1)
    harness.advance(milliseconds: 10)
    ids.append(try await harness.request(entity: "3").log.id)
    return (harness, ids)
  }

  @Test("Logs come in the order of their ids, both ways", arguments: StoreKind.all)
  func order(kind: StoreKind) async throws {
    let (harness, ids) = try await filled(kind)
    let newest = try await harness.store.logs(LogQuery(order: .newestFirst))
    #expect(newest.logs.map(\.id) == ids.reversed())
    let oldest = try await harness.store.logs(LogQuery(order: .oldestFirst))
    #expect(oldest.logs.map(\.id) == ids)
    #expect(oldest.next == nil)
  }

  @Test(
    "Each filter narrows the list",
    arguments: FilterCase.all)
  func filters(filter: FilterCase) async throws {
    let (harness, ids) = try await filled(.sqlite)
    let page = try await harness.store.logs(LogQuery(filter.selection, order: .oldestFirst))
    #expect(page.logs.map(\.id) == filter.expected.map { ids[$0] })
  }

  @Test("Times bound the list: since is taken in, until is not", arguments: StoreKind.all)
  func times(kind: StoreKind) async throws {
    let (harness, ids) = try await filled(kind)
    var selection = LogSelection()
    selection.since = ids[2].time
    selection.until = ids[5].time
    let page = try await harness.store.logs(LogQuery(selection, order: .oldestFirst))
    #expect(page.logs.map(\.id) == Array(ids[2..<5]))
  }

  @Test(
    "Pages join without gap or repeat while new logs arrive",
    arguments: [LogOrder.newestFirst, .oldestFirst], [false, true])
  func pages(order: LogOrder, byEntity: Bool) async throws {
    let (harness, ids) = try await filled(.sqlite)
    var selection = LogSelection()
    if byEntity { selection.entityIDs = ["0", "1", "2", "3", "4", "42"] }
    var seen: [LogID] = []
    var position: LogPosition?
    repeat {
      let page = try await harness.store.logs(
        LogQuery(selection, order: order, limit: 3, after: position))
      seen += page.logs.map(\.id)
      position = page.next
      if order == .newestFirst {
        harness.advance(milliseconds: 1)
        try await harness.report(harness.newID(), .completed, sequence: 1)
      }
    } while position != nil
    #expect(seen == (order == .newestFirst ? ids.reversed() : ids))
  }

  @Test("The same id in two integrations stands twice, once on each page", arguments: StoreKind.all)
  func sameID(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let other = try await harness.addIntegration("contoso")
    let id = harness.newID()
    try await harness.report(id, .completed, sequence: 1)
    try await harness.report(id, .failed, sequence: 1, integration: other)
    for order in [LogOrder.newestFirst, .oldestFirst] {
      let first = try await harness.store.logs(LogQuery(order: order, limit: 1))
      let second = try await harness.store.logs(
        LogQuery(order: order, limit: 1, after: first.next))
      let both = Set((first.logs + second.logs).map(\.integration))
      #expect(both == [harness.integration, other])
      #expect(second.next == nil)
    }
  }

  @Test("A page that visits too many rows ends early and says where to go on")
  func visitedRows() async throws {
    var limits = StoreLimits()
    limits.maximumVisitedRows = 4
    let (harness, ids) = try await filled(.sqlite, limits: limits)
    var selection = LogSelection()
    selection.text = "number 5"
    var query = LogQuery(selection, order: .oldestFirst)
    let first = try await harness.store.logs(query)
    #expect(first.logs.isEmpty)
    query.after = first.next
    #expect(first.next != nil)
    let second = try await harness.store.logs(query)
    #expect(second.logs.map(\.id) == [ids[5]])
  }

  @Test("The entity filter finds logs in the tail, in segments and between", arguments: [1, 5, 40])
  func entityIndex(tailEntries: Int) async throws {
    var limits = StoreLimits()
    limits.entityTailEntries = tailEntries
    let harness = try await StoreHarness(.sqlite, limits: limits)
    var expected: [String: [LogID]] = [:]
    for number in 0..<120 {
      harness.advance(milliseconds: 1)
      let id = harness.newID()
      let entity = "\(number % 7)"
      expected[entity, default: []].append(id)
      try await harness.report(
        id, .completed, sequence: 1,
        Report(entity: EntityReference(type: "order", id: entity)))
    }
    for (entity, ids) in expected {
      var selection = LogSelection()
      selection.entityIDs = [entity]
      let page = try await harness.store.logs(LogQuery(selection, order: .oldestFirst))
      #expect(page.logs.map(\.id) == ids)
    }
  }

  @Test("Open requests come oldest first with their leases", arguments: StoreKind.all)
  func openRequests(kind: StoreKind) async throws {
    let (harness, ids) = try await filled(kind)
    harness.advance(milliseconds: 10)
    let later = try await harness.request(entity: "9")
    _ = try await harness.leaseOne()
    let page = try await harness.store.openRequests(LogQuery())
    #expect(page.requests.map(\.log.id) == [ids[9], later.log.id])
    #expect(page.requests.map(\.holder) == ["agent-1", ""])
    #expect(page.requests.map(\.delivery) == [1, 0])
    var selection = LogSelection()
    for (statuses, count) in [([Status.inProgress], 0), ([.failed], 0), ([.queued, .failed], 2)] {
      selection.statuses = Set(statuses)
      let narrowed = try await harness.store.openRequests(LogQuery(selection))
      #expect(narrowed.requests.count == count)
    }
    let first = try await harness.store.openRequests(LogQuery(limit: 1))
    let second = try await harness.store.openRequests(LogQuery(limit: 1, after: first.next))
    #expect(second.requests.map(\.log.id) == [later.log.id])
  }

  @Test("Counts follow every transition", arguments: StoreKind.all)
  func counts(kind: StoreKind) async throws {
    let (harness, ids) = try await filled(kind)
    try await harness.report(ids[8], .completed, sequence: 2)
    _ = try await harness.leaseOne()
    let counts = try #require(
      try await harness.store.counts([harness.integration], now: harness.now).first)
    #expect(counts.logs == 10)
    #expect(counts.open == 1)
    #expect(counts.failedDay == 4)
    #expect(counts.lastLogAt == harness.now)
    #expect(counts.heldLeases == ["agent-1": 1])
    let export = try #require(counts.actions.first { $0.actionType == "export_order" })
    #expect(export.queued == 1)
    #expect(export.inProgress == 0)
    #expect(export.logs == 9)
  }

  @Test("Record errors come in pages", arguments: StoreKind.all)
  func recordErrors(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let id = harness.newID()
    let errors = (0..<5).map {
      StoredRecordError(referenceID: "r\($0)", message: "m", cause: "c", isRetryable: $0 == 0)
    }
    try await harness.report(id, .inProgress, sequence: 1, Report(errors: Array(errors[..<2])))
    try await harness.report(id, .failed, sequence: 2, Report(errors: Array(errors[2...])))
    let first = try #require(try await harness.store.log(id, errorsAfter: 0, errorLimit: 3))
    #expect(first.recordErrors == Array(errors[..<3]))
    #expect(first.log.recordErrors == 5)
    let next = try #require(first.nextRecordError)
    let second = try #require(try await harness.store.log(id, errorsAfter: next, errorLimit: 3))
    #expect(second.recordErrors == Array(errors[3...]))
    #expect(second.nextRecordError == nil)
  }
}
