import Dispatch
import IntegrationAPI
import Synchronization

/// Where reports wait until the server has them: on disk, in order, bounded.
///
/// A report is on disk when `append` returns. What several tasks append at the same time joins one
/// transaction: whatever has come while the one before ran. All file work runs on a queue of its
/// own.
final class Outbox: Sendable {
  /// A report that waits.
  struct Entry: Sendable {
    /// Grows with each report; never used again.
    var number: Int64
    var place: Job.Place
    var report: LogReport
  }

  /// How much waits.
  struct Counts: Sendable, Equatable {
    var reports = 0
    var bytes = 0
    /// Attempts that have begun and not ended.
    var openLogs = 0
  }

  /// An attempt that a process left without an end.
  struct OpenLog: Sendable, Equatable {
    var logID: String
    /// Empty: nobody requested it.
    var leaseToken: String
    var sequence: UInt64
    var instanceID: String
  }

  /// What earlier processes left behind.
  struct Predecessor: Sendable, Equatable {
    var openLogs: [OpenLog] = []
    /// The number of the newest report that was there at the start.
    var lastReport: Int64 = 0

    /// The processes that held leases when they ended.
    var leaseHolders: Set<String> {
      Set(openLogs.filter { !$0.leaseToken.isEmpty }.map(\.instanceID))
    }
  }

  /// Whose leases were given back.
  enum LeaseOwner: Sendable {
    case earlierProcesses
    case everybody
  }

  private struct Pending {
    var append: OutboxFile.Append
    var continuation: CheckedContinuation<Result<Void, AgentError>, Never>
  }

  private let path: String
  private let queue = DispatchQueue(label: "integration-agent.outbox")
  /// Locked only on the queue, so never contended; nil after `close()`.
  private let file: Mutex<OutboxFile?>
  private let pending = Mutex<[Pending]>([])
  private let publishedCounts: Mutex<Counts>

  /// Opens the file, or makes it, and holds it against other processes until `close()`.
  ///
  /// A process that was killed a moment ago may still hold it, so that this waits up to
  /// `busyMilliseconds`.
  ///
  /// - Throws: `AgentError.outboxUnusable`.
  init(
    path: String, limits: OutboxLimits, instanceID: String, busyMilliseconds: Int32 = 3000
  ) throws(AgentError) {
    self.path = path
    let opened = try OutboxFile(
      path: path, limits: limits, instanceID: instanceID, busyMilliseconds: busyMilliseconds)
    publishedCounts = Mutex(opened.counts)
    file = Mutex(opened)
  }

  /// Opens as `init` does, away from the threads that tasks share.
  static func open(
    path: String, limits: OutboxLimits, instanceID: String
  ) async throws(AgentError) -> Outbox {
    let result: Result<Outbox, AgentError> = await withCheckedContinuation { continuation in
      DispatchQueue(label: "integration-agent.open").async {
        let result = Result { () throws(AgentError) in
          try Outbox(path: path, limits: limits, instanceID: instanceID)
        }
        continuation.resume(returning: result)
      }
    }
    return try result.get()
  }

  /// How much waits now.
  var counts: Counts { publishedCounts.withLock { $0 } }

  /// Writes a report behind all that were written before; it is on disk when this returns.
  ///
  /// - Throws: `AgentError.outboxFull` where the limits leave no room; never for a last report.
  ///   `AgentError.outboxUnusable` where the disk refuses.
  nonisolated(nonsending) func append(
    _ report: LogReport, place: Job.Place
  ) async throws(AgentError) {
    let append = OutboxFile.Append(
      logID: report.logID, leaseToken: report.leaseToken, sequence: report.sequence, place: place,
      payload: report.serializedBytes())
    // On the caller's actor, and the closure before anything suspends: so reports of one job keep
    // the order in which they were made. From another executor a later one could come first.
    let result = await withCheckedContinuation { continuation in
      let isFirst = pending.withLock { pending in
        pending.append(Pending(append: append, continuation: continuation))
        return pending.count == 1
      }
      if isFirst { queue.async { self.writePending() } }
    }
    try result.get()
  }

  /// The oldest reports, at most one of each log, in the order they were made.
  func next(maximumReports: Int, maximumBytes: Int) async throws(AgentError) -> [Entry] {
    try await onQueue { file throws(AgentError) in
      try file.next(maximumReports: maximumReports, maximumBytes: maximumBytes)
    }
  }

  /// Forgets reports that the server has decided about.
  func settle(_ numbers: [Int64]) async throws(AgentError) {
    try await onQueue { file throws(AgentError) in try file.settle(numbers) }
  }

  /// Forgets everything of one delivery of a log: it belongs to somebody else.
  func forgetLog(_ logID: String, leaseToken: String) async throws(AgentError) {
    try await onQueue { file throws(AgentError) in
      try file.forgetLog(logID, leaseToken: leaseToken)
    }
  }

  /// Forgets leases that were given back to the server.
  func forgetLeases(of owner: LeaseOwner) async throws(AgentError) {
    try await onQueue { file throws(AgentError) in try file.forgetLeases(of: owner) }
  }

  /// What processes before this one left behind.
  func predecessor() async throws(AgentError) -> Predecessor {
    try await onQueue { file throws(AgentError) in try file.predecessor() }
  }

  /// Closes the file; other processes may open it, and every later call fails.
  func close() {
    queue.sync { file.withLock { $0 = nil } }
  }

  // MARK: On the queue

  private func writePending() {
    let batch = pending.withLock { pending in
      defer { pending = [] }
      return pending
    }
    let results: [Result<Void, AgentError>]
    do throws(AgentError) {
      results = try withFile { file throws(AgentError) in
        try file.append(batch.map(\.append))
      }
    } catch {
      results = batch.map { _ in .failure(error) }
    }
    for (waiting, result) in zip(batch, results) { waiting.continuation.resume(returning: result) }
  }

  private func onQueue<Value: Sendable>(
    _ body: @escaping @Sendable (OutboxFile) throws(AgentError) -> Value
  ) async throws(AgentError) -> Value {
    let result: Result<Value, AgentError> = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(
          returning: Result { () throws(AgentError) in try self.withFile(body) })
      }
    }
    return try result.get()
  }

  private func withFile<Value: Sendable>(
    _ body: @Sendable (OutboxFile) throws(AgentError) -> Value
  ) throws(AgentError) -> Value {
    let result: Result<Value, AgentError> = file.withLock { file in
      guard let file else {
        return .failure(.outboxUnusable(path: path, cause: "it is closed"))
      }
      let result = Result { () throws(AgentError) in try body(file) }
      publishedCounts.withLock { $0 = file.counts }
      return result
    }
    return try result.get()
  }
}
