import Dispatch
import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import Synchronization

/// Runs batches through the writer, one after the other, and tells the observer.
final class WriterLoop: @unchecked Sendable {
  // Safe: everything but the constants and the atomic is used on `queue` only.

  let queue = DispatchQueue(label: "store.writer", qos: .userInitiated)
  private let path: String
  /// Keeps the lock until the files are closed.
  private var directory: DataDirectory?
  private let limits: StoreLimits
  private var writer: Writer?
  private var observer: (any CommitObserver)?
  private var spare = CommandBatch()
  private var outcomes: [CommandOutcome] = []
  private var walPages = 0
  private let failed = Atomic<Bool>(false)

  init(writer: Writer, directory: DataDirectory, limits: StoreLimits) {
    self.writer = writer
    self.directory = directory
    path = directory.path
    self.limits = limits
  }

  /// Whether nothing is acknowledged any more.
  var hasFailed: Bool { failed.load(ordering: .acquiring) }

  func start(observer: any CommitObserver) {
    queue.async { self.observer = observer }
  }

  /// Does batch after batch until `next` has none.
  func run(_ next: (inout CommandBatch) -> Bool) {
    while next(&spare) {
      perform()
      spare.removeAll()
    }
  }

  private func perform() {
    guard let writer, !hasFailed else { return refuseAll(.unavailable) }
    do {
      try commit(writer)
    } catch let error as SQLiteError where error.isFull {
      refuse(writer)
    } catch {
      return fail(error)
    }
    guard !hasFailed else { return }
    report(writer.events)
    checkpoint(writer)
  }

  private func commit(_ writer: Writer) throws {
    let wantsLogEvents = observer?.wantsLogEvents ?? false
    outcomes.removeAll(keepingCapacity: true)
    do {
      try writer.perform(
        spare, mode: .together, wantsLogEvents: wantsLogEvents, into: &outcomes)
    } catch let error as SQLiteError where !error.endsStore && !error.isFull {
      // One command hit a rule of the database; the others shall not suffer from it.
      outcomes.removeAll(keepingCapacity: true)
      try writer.reload()
      try writer.perform(
        spare, mode: .oneByOne, wantsLogEvents: wantsLogEvents, into: &outcomes)
      try writer.reload()
    }
  }

  /// Answers every command that there is no space, and goes on.
  private func refuse(_ writer: Writer) {
    do {
      try writer.reload()
    } catch {
      return fail(error)
    }
    writer.forgetEvents()
    outcomes.removeAll(keepingCapacity: true)
    for _ in 0..<spare.count { outcomes.append(.failed(.storageFull)) }
  }

  private func fail(_ error: any Error) {
    failed.store(true, ordering: .releasing)
    refuseAll(.unavailable)
    observer?.storeFailed(Opening.storeError(error, path))
  }

  /// Ends the wait of completions; calls by token get nothing, because nothing is known.
  private func refuseAll(_ failure: StoreFailure) {
    for entry in spare.entries {
      if case .completion(let completion) = entry.origin { completion(.failed(failure)) }
    }
  }

  private func report(_ events: [StoreEvent]) {
    observer?.committed(spare, outcomes, events)
    for (position, entry) in spare.entries.enumerated() {
      if case .completion(let completion) = entry.origin { completion(outcomes[position]) }
    }
  }

  /// Copies the write-ahead log into the database when it has grown enough.
  private func checkpoint(_ writer: Writer) {
    walPages += writer.takeWrittenPages()
    guard walPages * Opening.pageBytes >= limits.checkpointBytes else { return }
    do {
      let step = try writer.database.checkpoint()
      // A reader may hold back the rest; then the next step takes it.
      walPages = max(0, step.logPages - step.copiedPages)
    } catch let error where error.isFull {
      walPages = 0
    } catch {
      fail(error)
    }
  }

  /// Closes the writer's connection after the batches that were submitted before.
  func close() async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      queue.async {
        self.writer = nil
        self.observer = nil
        self.directory = nil
        continuation.resume()
      }
    }
  }
}
