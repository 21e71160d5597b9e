import Dispatch
import Glibc
import IntegrationStore
import SQLiteDatabase
import Synchronization

/// What long work beside reads and writes has in common: a queue of its own, where it may wait for
/// the disk, and one of each kind at a time.
final class KeepingDesk: Sendable {
  let directory: String
  let database: String
  let limits: StoreLimits
  private let queue = DispatchQueue(label: "store.keeping", qos: .utility)
  private let state = Mutex(State())

  struct State: Sendable {
    var isClosed = false
    var isBackingUp = false
    var checking: CheckConnection?
    var spool: ImportSpool?
  }

  /// Also removes what an earlier server left half done; the directory is locked.
  init(_ directory: DataDirectory, _ limits: StoreLimits) {
    self.directory = directory.path
    database = directory.database
    self.limits = limits
    ImportSpool.removeLeftovers(in: directory.path)
    BackupFile.removeLeftover(in: directory.path)
  }

  var isClosed: Bool { state.withLock { $0.isClosed } }

  func withState<Value: Sendable>(_ body: (inout State) -> Value) -> Value {
    state.withLock { body(&$0) }
  }

  /// Runs something that waits for the disk.
  func run<Value: Sendable>(
    _ body: @escaping @Sendable () -> Result<Value, StoreFailure>
  ) async throws(StoreFailure) -> Value {
    let result = await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: body()) }
    }
    return try result.get()
  }

  /// Ends what is under way, and waits for it.
  func close() async {
    let spool = state.withLock { state -> ImportSpool? in
      state.isClosed = true
      state.checking?.interrupt()
      return state.spool.take()
    }
    spool?.remove()
    // A backup ends at its next step, some milliseconds from now.
    while state.withLock({ $0.isBackingUp || $0.checking != nil }) {
      try? await Task.sleep(for: .milliseconds(5))
    }
  }
}

extension StoreFailure {
  /// What the system said about a file.
  static func system(
    _ deed: String, _ path: String, _ number: Int32 = errno, reason: String
  ) -> StoreFailure {
    let text = unsafe String(cString: strerror(number))
    guard number != ENOSPC, number != EDQUOT else {
      return StoreFailure(
        .resourceExhausted, "STORAGE_FULL",
        "cannot \(deed) \(path): \(text); nothing is left of it, free space there and try again")
    }
    return StoreFailure(.failedPrecondition, reason, "cannot \(deed) \(path): \(text)")
  }
}
