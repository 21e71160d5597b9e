import Dispatch
import IntegrationModel
import IntegrationStore
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

/// Commits on their way from the writer to those who wait.
@Suite struct CommitPipelineTests {
  /// What happened, in order.
  private final class Trace: CommitObserver {
    private let lines = Mutex<[String]>([])
    let wantsLogEvents = false

    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }

    func committed(
      _ batch: borrowing CommandBatch, _ outcomes: [CommandOutcome], _ events: [StoreEvent]
    ) {
      for entry in batch.entries {
        if case .token(let number, _) = entry.origin { add("told \(number)") }
      }
    }

    func storeFailed(_ error: StoreError) { add("failed: \(error)") }
  }

  private static func fill(_ commit: Commit, _ number: UInt64, _ trace: Trace) {
    let now = Instant(milliseconds: 1)
    commit.batch.append(.expire(maximum: 1), now: now, origin: .token(number, 0))
    commit.batch.append(
      .expire(maximum: 1), now: now,
      origin: .completion { outcome in
        if case .failed(let failure) = outcome {
          return trace.add("refused \(number) \(failure.kind)")
        }
        trace.add("completed \(number)")
      })
    commit.outcomes = [.done, .done]
    commit.writtenPages = 1
  }

  @Test("Nothing is told before the sync that covers it; all that wait share one")
  func order() {
    let trace = Trace()
    let teller = CommitTeller()
    teller.start(observer: trace)
    let began = DispatchSemaphore(value: 0)
    let disk = DispatchSemaphore(value: 0)
    let syncs = SyncLoop(teller) { () throws(StoreError) in
      began.signal()
      disk.wait()
      trace.add("synced")
    }
    for number in 1...3 {
      let commit = syncs.takePlace(forGroup: false)
      Self.fill(commit, UInt64(number), trace)
      syncs.hand(commit)
      // The first sync has begun before the others come.
      if number == 1 { began.wait() }
    }
    #expect(trace.all == [])
    disk.signal()
    disk.signal()
    syncs.drain()
    #expect(
      trace.all == [
        "synced", "told 1", "completed 1", "synced", "told 2", "completed 2", "told 3",
        "completed 3",
      ])
  }

  @Test("A commit that finishes where it was done is synced first, and waits behind others")
  func finishHere() {
    let trace = Trace()
    let teller = CommitTeller()
    teller.start(observer: trace)
    let began = DispatchSemaphore(value: 0)
    let disk = DispatchSemaphore(value: 0)
    let syncs = SyncLoop(teller) { () throws(StoreError) in
      began.signal()
      disk.wait()
      trace.add("synced")
    }
    let commits = (1...3).map { number in
      let commit = syncs.takePlace(forGroup: false)
      Self.fill(commit, UInt64(number), trace)
      return commit
    }
    disk.signal()
    syncs.finishHere(commits[0])
    #expect(trace.all == ["synced", "told 1", "completed 1"])
    began.wait()
    syncs.hand(commits[1])
    began.wait()
    // Another is under way: this one is handed over rather than told first.
    syncs.finishHere(commits[2])
    disk.signal()
    disk.signal()
    syncs.drain()
    #expect(trace.all.filter { $0.hasPrefix("told") } == ["told 1", "told 2", "told 3"])
  }

  @Test("A commit that wrote nothing does not wait for the disk, but for those before it")
  func nothingWritten() {
    let trace = Trace()
    let teller = CommitTeller()
    teller.start(observer: trace)
    let began = DispatchSemaphore(value: 0)
    let disk = DispatchSemaphore(value: 0)
    let syncs = SyncLoop(teller) { () throws(StoreError) in
      began.signal()
      disk.wait()
      trace.add("synced")
    }
    let commits = (1...3).map { number in
      let commit = syncs.takePlace(forGroup: false)
      Self.fill(commit, UInt64(number), trace)
      return commit
    }
    commits[0].writtenPages = 0
    syncs.finishHere(commits[0])
    #expect(trace.all == ["told 1", "completed 1"])
    syncs.hand(commits[1])
    began.wait()
    commits[2].writtenPages = 0
    syncs.finishHere(commits[2])
    #expect(trace.all == ["told 1", "completed 1"])
    disk.signal()
    syncs.drain()
    #expect(
      trace.all == [
        "told 1", "completed 1", "synced", "told 2", "completed 2", "told 3", "completed 3",
      ])
  }

  @Test("After a failed sync nothing is acknowledged, and the failure is told once")
  func failure() {
    let trace = Trace()
    let teller = CommitTeller()
    teller.start(observer: trace)
    let syncs = SyncLoop(teller) { () throws(StoreError) in
      throw StoreError(.inputOutput, "no disk")
    }
    for number in 1...2 {
      let commit = syncs.takePlace(forGroup: false)
      Self.fill(commit, UInt64(number), trace)
      syncs.hand(commit)
      syncs.drain()
    }
    let commit = syncs.takePlace(forGroup: false)
    Self.fill(commit, 3, trace)
    syncs.finishHere(commit)
    #expect(
      trace.all == [
        "failed: no disk", "refused 1 unavailable", "refused 2 unavailable",
        "refused 3 unavailable",
      ])
    #expect(teller.hasFailed)
  }

  @Test("A store that has failed takes what comes and says of nothing what became of it")
  func afterFailure() async throws {
    let harness = try await StoreHarness(.sqlite)
    let store = try #require(harness.store as? SQLiteStore)
    store.loop.fail(StoreError(.inputOutput, "no disk"))
    for number in 0..<3 {
      // Not busy, which would be as if there were something to wait for.
      let outcome = await withCheckedContinuation { continuation in
        let isTaken = store.submit { batch in
          batch.append(.expire(maximum: 1), now: harness.now, origin: .token(UInt64(number), 0))
          batch.append(
            .expire(maximum: 1), now: harness.now,
            origin: .completion { continuation.resume(returning: $0) })
        }
        if !isTaken { continuation.resume(returning: .done) }
      }
      guard case .failed(let failure) = outcome else {
        Issue.record("\(number): \(outcome)")
        continue
      }
      #expect(failure.kind == .unavailable)
    }
    #expect(harness.recorder.answers.isEmpty)
    #expect(harness.recorder.failure?.message == "no disk")
  }

  @Test("A commit of many commands and single ones in between are all answered")
  func manyAndFew() async throws {
    let harness = try await StoreHarness(.sqlite)
    let (integration, now) = (harness.integration, harness.now)
    let counts = [1, 300, 1, 64, 63, 1, 500, 2]
    var number: UInt64 = 0
    for count in counts {
      let taken = harness.store.submit { batch in
        for _ in 0..<count {
          let command = Report().command(
            harness.newID(), .completed, sequence: 1, integration: integration, in: &batch)
          batch.append(report: command, now: now, origin: .token(number, 0))
          number += 1
        }
      }
      #expect(taken)
    }
    try await harness.expire()
    #expect(harness.recorder.answers.count == counts.reduce(0, +))
  }
}

/// The order of commands within a batch.
@Suite struct BatchOrderTests {
  private static func report(
    _ batch: inout CommandBatch, _ id: UInt64, sequence: UInt64 = 1, integration: Int64 = 1,
    lease: String = ""
  ) {
    let agent = batch.text("agent")
    let action = batch.text("action")
    var report = ReportCommand(
      integration: integration, logID: LogID(high: id, low: 0), agentID: agent,
      actionType: action, sequence: sequence, status: .completed)
    report.leaseToken = batch.text(lease)
    batch.append(report: report, now: .epoch, origin: .none)
  }

  @Test("First reports beside each other are sorted; everything else keeps its place")
  func arranged() {
    var batch = CommandBatch()
    Self.report(&batch, 9)
    Self.report(&batch, 3)
    Self.report(&batch, 9)
    Self.report(&batch, 1, integration: 2)
    Self.report(&batch, 2, sequence: 2)
    Self.report(&batch, 8)
    Self.report(&batch, 7)
    batch.append(.expire(maximum: 1), now: .epoch, origin: .none)
    Self.report(&batch, 5, lease: "token")
    Self.report(&batch, 4)
    var order = BatchOrder()
    order.arrange(batch)
    #expect(order.positions == [1, 0, 2, 3, 4, 6, 5, 7, 8, 9])
    order.keep(batch)
    #expect(order.positions == Array(0..<10))
  }

  @Test("Outcomes stand where their commands stand, a repeat behind its first")
  func outcomes() async throws {
    let harness = try await StoreHarness(.sqlite)
    let (integration, now) = (harness.integration, harness.now)
    let ids = (0..<40).map { _ in harness.newID() }
    let shuffled = ids.indices.map { ids[($0 * 17) % ids.count] } + [ids[3], ids[1]]
    let taken = harness.store.submit { batch in
      for (number, id) in shuffled.enumerated() {
        // One is of an action that there is not.
        let type = number == 7 ? "unknown" : Report().action
        let command = Report(action: type).command(
          id, .completed, sequence: 1, integration: integration, in: &batch)
        batch.append(report: command, now: now, origin: .token(UInt64(number), 0))
      }
    }
    #expect(taken)
    try await harness.expire()
    for number in shuffled.indices {
      switch harness.recorder.answers[UInt64(number)] {
      case .reported(let outcome):
        #expect(number != 7)
        #expect(outcome.isDuplicate == (number >= ids.count), "\(number)")
      case .failed(let failure):
        #expect(number == 7)
        #expect(failure.reason == "ACTION_UNKNOWN")
      default: Issue.record("no outcome of a report for \(number)")
      }
    }
  }
}
