import IntegrationModel
import IntegrationStore
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

  private func selecting(_ text: String) -> LogSelection {
    var selection = LogSelection()
    selection.text = text
    return selection
  }
}
