import IntegrationModel
import IntegrationStore
import TestSupport
import Testing

@testable import SQLiteStore

/// What leaves a store as lines comes back as it was.
@Suite struct ExportTests {
  /// A store with some of everything.
  private func filled() async throws -> StoreHarness {
    let harness = try await StoreHarness(.sqlite)
    let other = try await harness.addIntegration("southwind")
    _ = try await harness.perform(
      .createKey(
        StoredKey(
          id: "abcdefgh", integration: harness.integration,
          secretHash: [UInt8](repeating: 0xAB, count: 32), sealedSecret: [1, 2, 3],
          createdAt: harness.now, createdBy: "operator:local")))
    var report = Report()
    report.labels = ["b": "2", "a": "\u{1F600}\u{7}"]
    report.result = "{\"x\": \"\\u0001\"}"
    report.done = 3
    for number in 0..<40 {
      harness.advance(milliseconds: 977)
      report.entity = EntityReference(
        type: "order", id: "O-\(number)", displayName: "Order \"\(number)\"",
        url: "https://x/\(number)")
      let id = harness.newID()
      let integration = number % 3 == 0 ? other : harness.integration
      report.errors = [
        StoredRecordError(referenceID: "r", message: "m\n", cause: "", isRetryable: true)
      ]
      if number % 2 == 0 {
        try await harness.report(id, .inProgress, sequence: 1, report, integration: integration)
      }
      if number % 4 < 3 {
        try await harness.report(
          id, number % 5 == 0 ? .failed : .completed, sequence: number % 2 == 0 ? 2 : 1, report,
          integration: integration)
      }
    }
    try await harness.request(entity: "held", key: "k", input: "{\"a\":1}")
    _ = try await harness.leaseOne()
    let asked = try await harness.request(entity: "queued")
    _ = asked
    _ = try await harness.perform(
      .setRetention([StoredRetentionRule(status: .failed, maximumAgeMs: 5, maximumBytes: 1 << 60)]))
    return harness
  }

  private func export(_ store: any IntegrationStore) async throws -> [String] {
    var (position, lines) = (ExportPosition(), [String]())
    while true {
      let page = try await store.export(after: position, withoutLogs: false)
      lines += page.lines
      guard let next = page.next else { return lines }
      position = next
    }
  }

  private func importing(
    _ lines: [String], into store: any IntegrationStore
  ) async throws(StoreFailure) -> ImportState {
    let begun = try await store.beginImport()
    var first: UInt64 = 1
    for part in stride(from: 0, to: lines.count, by: 7) {
      let step = Array(lines[part..<min(part + 7, lines.count)])
      let state = try await store.addToImport(begun.id, firstLine: first, lines: step)
      first = state.lines + 1
    }
    return try await store.finishImport(begun.id)
  }

  private func empty(_ harness: StoreHarness, _ name: String) throws -> any IntegrationStore {
    try SQLiteStore(directory: harness.scratch.file(name))
  }

  @Test("An export that is imported is exported as it was, and the new store is whole")
  func roundTrip() async throws {
    let harness = try await filled()
    let lines = try await export(harness.store)
    #expect(lines.first?.contains("\"version\":1") == true)
    #expect(!lines.joined().contains("010203"), "a sealed secret has left")
    let other = try empty(harness, "new")
    let recorder = CommitRecorder()
    other.start(observer: recorder)
    let state = try await importing(lines, into: other)
    #expect(state.integrations == 2 && state.logs == 32)
    #expect(try await export(other) == lines)
    #expect(try await other.check().problems == [])
    let catalog = try await other.loadCatalog()
    #expect(catalog.keys.first?.secretHash == [UInt8](repeating: 0xAB, count: 32))
    let all = LogQuery(LogSelection(), limit: 1_000)
    let listed = try await harness.store.logs(all).logs
    #expect(try await other.logs(all).logs == listed)
    var entity = all
    entity.selection.entityIDs = ["O-7"]
    let found = try await harness.store.logs(entity).logs
    #expect(try await other.logs(entity).logs == found)
    let counts = try await other.counts([], now: harness.now)
    let expected = try await harness.store.counts([], now: harness.now)
    #expect("\(counts)" == "\(expected)")
    // The lease goes on, and runs out as it would have.
    let moved = harness.on(other)
    moved.advance(milliseconds: 3_600_000)
    #expect(try await moved.expire().count > 0)
    // What was imported is on disk.
    await other.close()
    let again = try empty(harness, "new")
    #expect(try await again.loadCatalog().integrations.count == 2)
    await again.close()
  }

  @Test("What is left of a deleted integration does not leave, and no check complains of it")
  func afterDeletion() async throws {
    let harness = try await filled()
    let gone = try await harness.addIntegration("contoso")
    for status in [Status.inProgress, .failed, .completed, .failed, .cancelled] {
      var report = Report()
      report.errors = [
        StoredRecordError(referenceID: "r", message: "m", cause: "", isRetryable: true)
      ]
      let id = harness.newID()
      try await harness.report(id, .inProgress, sequence: 1, report, integration: gone)
      try await harness.report(id, status, sequence: 2, report, integration: gone)
    }
    _ = try await harness.perform(
      .deleteIntegration(gone, logs: .included, principal: "operator:alice"))
    for step in 0..<100 {
      #expect(try await harness.store.check().problems == [], "step \(step)")
      let lines = try await export(harness.store)
      #expect(!lines.contains { $0.contains("\"integration\":\"\"") }, "step \(step)")
      let other = try empty(harness, "new-\(step)")
      other.start(observer: CommitRecorder())
      #expect(try await importing(lines, into: other).integrations == 2)
      #expect(try await export(other) == lines)
      await other.close()
      let next = try await harness.perform(.continueDeletion(maximum: 3))
      if case .deletionContinued(isDone: true) = next { return }
    }
    Issue.record("a deletion has no end")
  }

  @Test("A count that no log has is refused", arguments: ["recordErrorCount", "timelineCount"])
  func impossibleCounts(member: String) async throws {
    let harness = try await filled()
    var lines = try await export(harness.store)
    let place = try #require(lines.firstIndex { $0.contains("\"\(member)\":") })
    let pattern = try Regex("\"\(member)\":(\"[0-9]+\"|[0-9]+)")
    let number = member == "timelineCount" ? "5000000000" : "\"9223372036854775807\""
    lines[place].replace(pattern, with: "\"\(member)\":\(number)")
    let (other, broken) = (try empty(harness, "new"), lines)
    await harness.expectFailure(.invalidArgument, "IMPORT_INVALID") {
      try await importing(broken, into: other)
    }
    await other.close()
  }

  @Test("A log with much goes on in further lines")
  func parts() async throws {
    let harness = try await StoreHarness(.sqlite)
    let id = harness.newID()
    var report = Report()
    report.errors = (0..<400).map {
      StoredRecordError(
        referenceID: "\($0)", message: String(repeating: "m", count: 2_000), cause: "",
        isRetryable: false)
    }
    try await harness.report(id, .inProgress, sequence: 1, report)
    try await harness.report(id, .completed, sequence: 2, report)
    let lines = try await export(harness.store)
    #expect(lines.count { $0.contains("\"kind\":\"logPart\"") } > 3)
    #expect(lines.allSatisfy { $0.utf8.count < 600_000 })
    let other = try empty(harness, "new")
    _ = try await importing(lines, into: other)
    #expect(try await export(other) == lines)
    await other.close()
  }

  @Test("A broken line is named, and nothing is imported")
  func broken() async throws {
    let harness = try await filled()
    let good = try await export(harness.store)
    let log = try #require(good.firstIndex { $0.contains("\"kind\":\"log\"") })
    let faults: [(line: Int, text: String, word: String)] = [
      (0, "{\"kind\":\"header\",\"version\":2}", "version"),
      (0, good[1], "header"),
      (2, "{\"kind\":\"integration\"", "no valid JSON"),
      (2, "{\"kind\":\"unheard\"}", "unheard"),
      (log, good[log].replacing("\"status\":\"", with: "\"status\":\"X"), "QUEUED"),
      (log, good[log].replacing("\"createdAt\":\"20", with: "\"createdAt\":\"x"), "RFC 3339"),
      (log, good[log].replacing("\"actionType\":\"", with: "\"actionType\":\"x"), "action"),
      (log, good[log].replacing("\"trigger\"", with: "\"hidden\""), "hidden"),
      (log + 1, good[log], "already"),
      (2, good[1], "an import takes an empty one"),
      (log, good[log].replacing("\"recordErrorCount\"", with: "\"n\""), "\"n\""),
    ]
    let other = try empty(harness, "new")
    for fault in faults {
      var lines = good
      lines[fault.line] = fault.text
      do {
        _ = try await importing(lines, into: other)
        Issue.record("taken: \(fault.text)")
      } catch {
        #expect(error.reason == "IMPORT_INVALID")
        #expect(error.message.hasPrefix("line \(fault.line + 1): "), "\(error)")
        #expect(error.message.contains(fault.word), "\(error)")
      }
      #expect(try await other.loadCatalog().integrations.isEmpty)
    }
    #expect(try await importing(good, into: other).logs == 32)
    await other.close()
  }

  @Test("An import needs an empty store, its own id and lines in their order")
  func steps() async throws {
    let harness = try await filled()
    await harness.expectFailure(.failedPrecondition, "STORE_NOT_EMPTY") {
      try await harness.store.beginImport()
    }
    let other = try empty(harness, "new")
    let begun = try await other.beginImport()
    await harness.expectFailure(.failedPrecondition, "IMPORT_RUNNING") {
      try await other.beginImport()
    }
    await harness.expectFailure(.notFound, "IMPORT_UNKNOWN") {
      try await other.addToImport("another", firstLine: 1, lines: [])
    }
    await harness.expectFailure(.invalidArgument, "IMPORT_INVALID") {
      try await other.addToImport(begun.id, firstLine: 2, lines: ["{}"])
    }
    await harness.expectFailure(.notFound, "IMPORT_UNKNOWN") {
      try await other.finishImport(begun.id)
    }
    await other.close()
  }
}
