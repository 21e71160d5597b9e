import Dispatch
import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import Synchronization

/// The embedded store: one directory, one writer, a few readers.
///
/// Commands join a batch that is filled while the writer commits the one before; so a batch is
/// whatever has arrived in the meantime, from one command to the limit, but for what integrations
/// send beyond their share (`PendingCommands`). One connection writes and
/// checkpoints, on a queue of its own. Readers have connections and queues of their own and never
/// wait for the writer.
public final class SQLiteStore: IntegrationStore {
  private struct Pending {
    var commands: PendingCommands
    /// Whether the writer's queue has been asked to come, or is at work.
    var isScheduled = false
    var isClosed = false
  }

  private let pending: Mutex<Pending>
  let loop: WriterLoop
  let readers: ReaderPool
  let keeping: KeepingDesk

  /// Opens the data directory, creates it where it is missing, and brings its schema up to date.
  ///
  /// Throws a `StoreError` when another server uses it (`inUse`), a newer program wrote it
  /// (`newerSchema`), access is refused (`permission`), or the files are damaged.
  public init(directory: String, limits: StoreLimits = StoreLimits()) throws(StoreError) {
    pending = Mutex(Pending(commands: PendingCommands(limits)))
    let directory = try DataDirectory(path: directory)
    keeping = KeepingDesk(directory, limits)
    do {
      // What a killed server left in the log may be known, but not be on disk.
      #if !PLANTED_NO_LOG_RENEWAL
        try WriteAheadLog.renew(database: directory.database)
      #endif
      let writer = try Opening.openWriter(directory, limits)
      loop = try WriterLoop(writer: writer, directory: directory, limits: limits)
      readers = try ReaderPool(directory, limits)
    } catch {
      throw Opening.storeError(error, directory.path)
    }
  }

  /// Sets who hears of commits.
  public func start(observer: any CommitObserver) { loop.start(observer: observer) }

  /// Adds commands to a batch that is committed soon.
  public func submit(_ order: CommandOrder, _ fill: (inout CommandBatch) -> Void) -> Bool {
    submit { $0.add(order, fill) }
  }

  /// Adds commands of an integration to as many batches as its shares of them want.
  public func submit(
    of integration: IntegrationID, each fill: (inout CommandBatch, _ piece: Int) -> Bool
  ) -> Bool {
    submit { $0.add(of: integration, each: fill) }
  }

  @inline(__always)
  private func submit(_ add: (inout PendingCommands) -> Bool) -> Bool {
    enum Answer { case refused, joined, first }
    let answer = pending.withLock { pending -> Answer in
      guard !pending.isClosed, add(&pending.commands) else { return .refused }
      if pending.isScheduled || pending.commands.isEmpty { return .joined }
      pending.isScheduled = true
      return .first
    }
    switch answer {
    case .refused: return false
    case .joined: return true
    case .first:
      loop.queue.async { [self] in
        loop.run(hasLanes: { pending.withLock { $0.commands.hasLanes } }) {
          nextBatch(replacing: &$0)
        }
      }
      return true
    }
  }

  /// Takes the batch whose turn it is and leaves an empty one in its place; false: nothing waits.
  private func nextBatch(replacing spare: inout CommandBatch) -> Bool {
    pending.withLock { pending in
      let hasNext = pending.commands.takeNext(replacing: &spare)
      if !hasNext { pending.isScheduled = false }
      return hasNext
    }
  }

  /// Commits what was submitted and closes the files.
  public func close() async {
    pending.withLock { $0.isClosed = true }
    // Readers close first, so that the writer's connection is the last and checkpoints.
    await readers.close()
    await keeping.close()
    await loop.close()
  }

  // MARK: - Reads

  /// A read that looks into digests; where one is damaged they are forgotten, and it goes without.
  private func search<Value: Sendable>(
    _ body: @escaping @Sendable (Reader) throws -> Value
  ) async throws(StoreError) -> Value {
    do {
      return try await readers.read(body)
    } catch  where error.code == .mendable {
      await loop.mendDigests()
      return try await readers.read(body)
    }
  }

  /// What a server needs in memory to begin.
  public func loadCatalog() async throws(StoreError) -> StoreCatalog {
    try await readers.read { try $0.catalog() }
  }

  /// A page of logs.
  public func logs(_ query: LogQuery) async throws(StoreError) -> LogPage {
    try await search { try $0.logs(query) }
  }

  /// Logs that changed behind a place of the journal.
  public func changes(_ query: ChangeQuery) async throws(StoreError) -> ChangePage? {
    try await readers.read { try $0.changes(query) }
  }

  /// One log.
  public func log(
    _ id: LogID, errorsAfter: Int64, errorLimit: Int
  ) async throws(StoreError) -> LogDetail? {
    try await readers.read { try $0.detail(id, errorsAfter: errorsAfter, errorLimit: errorLimit) }
  }

  /// A page of open requests.
  public func openRequests(_ query: LogQuery) async throws(StoreError) -> RequestPage {
    try await readers.read { try $0.openRequests(query) }
  }

  /// What an agent holds.
  public func held(
    _ integration: IntegrationID, agentID: String, limit: Int
  ) async throws(StoreError) -> [StoredRequest] {
    try await readers.read { try $0.held(integration, agentID: agentID, limit: limit) }
  }

  /// Counts of integrations.
  public func counts(
    _ integrations: [IntegrationID], now: Instant
  ) async throws(StoreError) -> [IntegrationCounts] {
    try await readers.read { try $0.counts(integrations, now: now) }
  }

  /// A step of a count.
  public func aggregate(
    _ aggregation: LogAggregation
  ) async throws(StoreError) -> LogAggregate {
    try await search { try $0.aggregate(aggregation) }
  }

  /// A step over failures.
  public func failures(
    _ aggregation: LogAggregation
  ) async throws(StoreError) -> FailureAggregate {
    try await search { try $0.failures(aggregation) }
  }

  /// What actions did hour by hour.
  public func hours(
    _ integrations: [IntegrationID], from hour: Int64
  ) async throws(StoreError) -> [ActionHours] {
    try await readers.read { try $0.hours(integrations, from: hour) }
  }

  /// Ids of logs in a range.
  public func logIDs(
    in range: ClosedRange<LogID>, limit: Int
  ) async throws(StoreError) -> [LogID] {
    try await readers.read { try $0.logIDs(in: range, limit: limit) }
  }

  /// A page of the audit.
  public func audit(_ query: AuditQuery) async throws(StoreError) -> AuditPage {
    try await readers.read { try $0.audit(query) }
  }

  /// What a schedule made last.
  public func scheduleRuns(
    _ schedule: Int64, limit: Int
  ) async throws(StoreError) -> [StoredLog] {
    try await readers.read { try $0.scheduleRuns(schedule, limit: limit) }
  }

  /// Where logs stand.
  public func statuses(
    _ logs: [LogPosition]
  ) async throws(StoreError) -> [LogPosition: Status] {
    try await readers.read { try $0.statuses(logs) }
  }

  /// One agent.
  public func agent(
    _ integration: IntegrationID, _ agentID: String
  ) async throws(StoreError) -> StoredAgent? {
    try await readers.read {
      try CatalogRows.agents($0.database, integration: integration, agentID: agentID).first
    }
  }
}
