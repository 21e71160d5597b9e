import IntegrationStore
import SQLiteDatabase

/// The copy of a backup; its steps run on the writer's queue.
final class BackupCopy: @unchecked Sendable {
  // Safe: it is used on the writer's queue only, until it is finished.

  struct Step: Sendable {
    var progress: BackupProgress
    var isDone: Bool
    var duration: Duration
  }

  /// Pages of one step: 1 MiB, about a millisecond.
  private static let stepPages = 256
  private let path: String
  private var backup: SQLiteBackup?

  init(_ path: String) { self.path = path }

  /// Copies some pages.
  func step(_ writer: Writer?) -> Result<Step, StoreFailure> {
    guard let writer else { return .failure(.unavailable) }
    let start = ContinuousClock.now
    do {
      if backup == nil { backup = try begin(writer) }
      guard let backup else { return .failure(.unavailable) }
      let isDone = try backup.step(pages: Self.stepPages)
      let bytes = UInt64(Opening.pageBytes)
      let total = UInt64(clamping: backup.totalPages)
      let progress = BackupProgress(
        doneBytes: bytes * (total - min(total, UInt64(clamping: backup.remainingPages))),
        totalBytes: bytes * total)
      return .success(
        Step(progress: progress, isDone: isDone, duration: ContinuousClock.now - start))
    } catch let error as SQLiteError where error.lacksSpace || error.extendedCode == 778 {
      // 778: SQLITE_IOERR_WRITE, which a write to a full disk may say too.
      return .failure(
        StoreFailure(
          .resourceExhausted, "STORAGE_FULL",
          "the disk of \(path) is full: \(error); nothing is left of the backup"))
    } catch {
      return .failure(
        StoreFailure(
          .failedPrecondition, "BACKUP_NOT_POSSIBLE", "\(path) cannot be written: \(error)"))
    }
  }

  private func begin(_ writer: Writer) throws -> SQLiteBackup {
    let file = try SQLiteConnection(path: path, mode: .readWrite)
    // A copy that ends half-way is removed, and a whole one is synced at the end.
    try file.execute("PRAGMA journal_mode = OFF")
    try file.execute("PRAGMA synchronous = OFF")
    try file.execute("PRAGMA cache_size = -4096")
    return try SQLiteBackup(from: writer.database, to: file)
  }

  func finish() {
    backup?.finish()
    backup = nil
  }
}

extension SQLiteStore {
  /// How long a backup rests after a step, in lengths of the step: so it takes the writer at most a
  /// fifth of its time.
  private static let restFactor = 4

  /// Writes a copy of the store into a new file.
  public func backUp(
    to path: String, progress: @escaping @Sendable (BackupProgress) -> Bool
  ) async throws(StoreFailure) {
    let isFirst = keeping.withState { state in
      defer { state.isBackingUp = true }
      return !state.isBackingUp && !state.isClosed
    }
    guard isFirst else {
      throw StoreFailure(
        .failedPrecondition, "BACKUP_RUNNING",
        "another backup is written; wait for its end, then try again")
    }
    defer { keeping.withState { $0.isBackingUp = false } }
    let directory = keeping.directory
    let file = try await keeping.run { () -> Result<BackupFile, StoreFailure> in
      Result { () throws(StoreFailure) in try BackupFile(path, directory: directory) }
    }
    let copy = BackupCopy(file.partial)
    do throws(StoreFailure) {
      try await run(copy, progress)
      await loop.betweenBatches { _ in copy.finish() }
      try await keeping.run { () -> Result<Void, StoreFailure> in
        Result { () throws(StoreFailure) in try file.publish() }
      }
    } catch {
      await loop.betweenBatches { _ in copy.finish() }
      file.remove()
      throw error
    }
  }

  private func run(
    _ copy: BackupCopy, _ progress: @Sendable (BackupProgress) -> Bool
  ) async throws(StoreFailure) {
    while true {
      let step = try await loop.betweenBatches { copy.step($0) }.get()
      guard progress(step.progress), !keeping.isClosed else {
        throw StoreFailure(
          .aborted, "BACKUP_CANCELLED", "the backup was cancelled; nothing is left of it")
      }
      if step.isDone { return }
      try? await Task.sleep(for: step.duration * Self.restFactor)
    }
  }
}
