import Dispatch
import IntegrationStore
import SQLiteDatabase
import Synchronization

/// Runs batches through the writer, one after the other, and hands them on to be made durable.
final class WriterLoop: @unchecked Sendable {
  // Safe: everything but the constants is used on `queue` only.

  let queue = DispatchQueue(label: "store.writer", qos: .userInitiated)
  private let path: String
  /// Keeps the lock until the files are closed.
  private var directory: DataDirectory?
  private let limits: StoreLimits
  private var writer: Writer?
  private let teller = CommitTeller()
  private let syncs: SyncLoop
  private let log: WriteAheadLog
  private var walPages = 0
  /// What is done on the queue when no batch is under way.
  private let errands = Mutex<[@Sendable (Writer?) -> Void]>([])

  /// From how many commands on a batch is made durable beside the next one.
  ///
  /// 64 take the writer about as long as the disk; of fewer, one commit after the other makes
  /// larger batches and costs less.
  private static let handedCommands = 64

  init(writer: Writer, directory: DataDirectory, limits: StoreLimits) throws {
    self.writer = writer
    self.directory = directory
    path = directory.path
    self.limits = limits
    let log = try WriteAheadLog(database: directory.database)
    self.log = log
    // What the start has written, before anything is told of it.
    try log.sync()
    syncs = SyncLoop(teller) { () throws(StoreError) in try log.sync() }
    #if PLANTED_ACKNOWLEDGE_BEFORE_COMMIT
      let teller = teller
      writer.acknowledge = { teller.tell($0) }
    #endif
  }

  /// Whether nothing is acknowledged any more.
  var hasFailed: Bool { teller.hasFailed }

  func start(observer: any CommitObserver) { teller.start(observer: observer) }

  /// Does batch after batch until `next` has none; `hasLanes` says whether lanes wait.
  func run(hasLanes: () -> Bool, _ next: (inout CommandBatch) -> Bool) {
    while true {
      let commit = syncs.takePlace(forGroup: hasLanes())
      guard next(&commit.batch) else { return syncs.leavePlace(commit) }
      perform(commit, isMoreToCome: hasLanes())
      runErrands()
    }
  }

  // MARK: - Errands

  /// Does something with the writer between two batches; nil: the store is closed or has failed.
  ///
  /// It takes a few milliseconds at most, or nobody else writes.
  func betweenBatches<Value: Sendable>(
    _ errand: @escaping @Sendable (Writer?) -> Value
  ) async -> Value {
    await withCheckedContinuation { continuation in
      errands.withLock { $0.append { continuation.resume(returning: errand($0)) } }
      queue.async { self.runErrands() }
    }
  }

  private func runErrands() {
    let due = errands.withLock { errands in
      defer { errands = [] }
      return errands
    }
    for errand in due { errand(hasFailed ? nil : writer) }
  }

  /// Forgets all digests, because a reader has met a damaged one.
  func mendDigests() async {
    let isMended = await betweenBatches { [self] writer in
      guard let writer else { return false }
      do {
        try writer.dropDigests()
        try makeErrandDurable(writer)
        return true
      } catch let error as SQLiteError where error.isFull {
        return false
      } catch {
        fail(error)
        return false
      }
    }
    if isMended { teller.mended("a digest of logs") }
  }

  /// Makes what an errand has written durable; called on the queue.
  func makeErrandDurable(_ writer: Writer) throws(StoreError) {
    walPages += writer.takeWrittenPages()
    do throws(StoreError) {
      try log.sync()
    } catch {
      teller.fail(error)
      throw error
    }
    checkpoint(writer)
  }

  /// Nothing is acknowledged any more, because an errand met a failure; called on the queue.
  func fail(_ error: any Error) { teller.fail(Opening.storeError(error, path)) }

  private func perform(_ commit: Commit, isMoreToCome: Bool) {
    guard let writer, !hasFailed else { return refuse(commit) }
    do {
      try self.commit(commit, writer)
    } catch let error as SQLiteError where error.isFull {
      refuse(commit, forWantOfSpaceIn: writer)
    } catch {
      return fail(error, commit)
    }
    guard !hasFailed else { return refuse(commit) }
    commit.writtenPages = writer.takeWrittenPages()
    walPages += commit.writtenPages
    handOn(commit, isMoreToCome: isMoreToCome)
    checkpoint(writer)
  }

  private func commit(_ commit: Commit, _ writer: Writer) throws {
    let wantsLogEvents = teller.wantsLogEvents
    do {
      do {
        try writer.perform(commit, mode: .together, wantsLogEvents: wantsLogEvents)
      } catch let error as SQLiteError where error.isOfDigest {
        try writer.reload()
        try writer.dropDigests()
        teller.mended(error.message)
        try writer.perform(commit, mode: .together, wantsLogEvents: wantsLogEvents)
      }
    } catch let error as SQLiteError where !error.endsStore && !error.isFull {
      // One command hit a rule of the database; the others shall not suffer from it.
      try writer.reload()
      try writer.perform(commit, mode: .oneByOne, wantsLogEvents: wantsLogEvents)
      try writer.reload()
    }
  }

  /// The disk's turn: here, or beside the next batch where that is worth a change of threads, or
  /// where the next one cannot grow by waiting.
  private func handOn(_ commit: Commit, isMoreToCome: Bool) {
    if commit.batch.count < Self.handedCommands, !isMoreToCome {
      syncs.finishHere(commit)
    } else {
      syncs.hand(commit)
    }
  }

  /// Answers every command that there is no space, and goes on.
  private func refuse(_ commit: Commit, forWantOfSpaceIn writer: Writer) {
    do {
      try writer.reload()
    } catch {
      return teller.fail(Opening.storeError(error, path))
    }
    writer.keepClockSteps(of: commit.batch)
    commit.events.removeAll(keepingCapacity: true)
    commit.outcomes.removeAll(keepingCapacity: true)
    for _ in 0..<commit.batch.count { commit.outcomes.append(.failed(.storageFull)) }
  }

  private func fail(_ error: any Error, _ commit: Commit) {
    teller.fail(Opening.storeError(error, path))
    refuse(commit)
  }

  private func refuse(_ commit: Commit) {
    commit.refuse()
    syncs.leavePlace(commit)
  }

  /// Copies the write-ahead log into the database when it has grown enough.
  private func checkpoint(_ writer: Writer) {
    guard walPages * Opening.pageBytes >= limits.checkpointBytes else { return }
    do {
      let step = try writer.database.checkpoint()
      // A reader may hold back the rest; then the next step takes it.
      walPages = max(0, step.logPages - step.copiedPages)
    } catch let error where error.isFull {
      walPages = 0
    } catch {
      teller.fail(Opening.storeError(error, path))
    }
  }

  /// Closes the writer's connection after the batches that were submitted before.
  func close() async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      queue.async {
        self.syncs.drain()
        self.writer = nil
        self.teller.stop()
        self.directory = nil
        continuation.resume()
      }
    }
  }
}
