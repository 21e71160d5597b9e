import Dispatch
import IntegrationModel
import IntegrationStore
import SQLiteStore
import Synchronization
import TestSupport
import Testing

/// Batches that are made durable beside the ones that follow them.
@Suite struct PipelineTests {
  /// How each command ended, by its number, in the order of the tellings.
  private final class Ledger: Sendable {
    struct State {
      var submitted: [LogID] = []
      var ended: [(number: Int, isStored: Bool)] = []
    }
    let state = Mutex(State())

    func add(_ ids: [LogID]) -> Int {
      state.withLock { state in
        state.submitted += ids
        return state.submitted.count - ids.count
      }
    }

    func end(_ number: Int, _ outcome: CommandOutcome) {
      state.withLock { state in
        if case .reported = outcome {
          state.ended.append((number, true))
        } else {
          state.ended.append((number, false))
        }
      }
    }
  }

  /// Submits reports on new logs; each answer to the last of them submits as many again.
  @Sendable private static func submit(
    _ count: Int, again: Int, _ harness: StoreHarness, _ store: any IntegrationStore,
    _ ledger: Ledger
  ) {
    let ids = (0..<count).map { _ in harness.newID() }
    let (integration, now) = (harness.integration, harness.now)
    _ = store.submit { batch in
      // Inside, so that only what is taken counts, in its order.
      let first = ledger.add(ids)
      for (index, id) in ids.enumerated() {
        let command = Report().command(
          id, .completed, sequence: 1, integration: integration, in: &batch)
        batch.append(
          report: command, now: now,
          origin: .completion { outcome in
            ledger.end(first + index, outcome)
            guard index == count - 1, again > 0 else { return }
            submit(count, again: again - 1, harness, store, ledger)
          })
      }
    }
  }

  @Test(
    "While batches follow each other and the store closes, each command ends once and in its turn",
    arguments: [1, 63, 64, 500], [false, true])
  func endsOnce(count: Int, closes: Bool) async throws {
    let harness = try await StoreHarness(.sqlite)
    let (ledger, store) = (Ledger(), harness.store)
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        DispatchQueue.concurrentPerform(iterations: 8) { number in
          for _ in 0..<4 { Self.submit(count + number, again: 5, harness, store, ledger) }
        }
        continuation.resume()
      }
    }
    if !closes {
      try await eventually("all have ended", within: .seconds(60)) {
        let state = ledger.state.withLock { ($0.submitted.count, $0.ended.count) }
        return state.0 == state.1 && state.0 >= 8 * 4 * 6 * count ? true : nil
      }
    }
    await store.close()
    try await eventually("nothing is left", within: .seconds(60)) {
      let state = ledger.state.withLock { ($0.submitted.count, $0.ended.count) }
      return state.0 == state.1 ? true : nil
    }
    let (submitted, ended) = ledger.state.withLock { ($0.submitted, $0.ended) }
    #expect(ended.map(\.number) == Array(submitted.indices))

    let again = try SQLiteStore(directory: harness.scratch.file("data"))
    again.start(observer: CommitRecorder())
    var stored: Set<LogID> = []
    var query = LogQuery(limit: 1_000)
    while true {
      let page = try await again.logs(query)
      stored.formUnion(page.logs.map(\.id))
      guard let next = page.next else { break }
      query.after = next
    }
    for end in ended where end.isStored { #expect(stored.contains(submitted[end.number])) }
    await again.close()
  }
}
