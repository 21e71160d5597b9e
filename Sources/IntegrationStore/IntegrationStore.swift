import IntegrationModel

/// Hears of commits.
///
/// All calls come on queues of the store, one at a time, in the order of the commits, and must not
/// block.
public protocol CommitObserver: Sendable {
  /// Whether `logChanged` events are wanted; asked once a batch.
  var wantsLogEvents: Bool { get }

  /// A batch is on disk: outcome i belongs to the batch's entry i.
  ///
  /// Completions of origins are called afterwards, so that whoever waits for a command finds
  /// everything that its events changed. `batch` is used again when both are done. Events of a
  /// batch come in the order of their commands. A batch that could not be stored for want of space
  /// comes here too, every outcome STORAGE_FULL.
  func committed(
    _ batch: borrowing CommandBatch, _ outcomes: [CommandOutcome], _ events: [StoreEvent])

  /// A write or commit failed for another reason than want of space. It is not known whether the
  /// last batch is on disk; nothing is acknowledged from here on. The process should end.
  func storeFailed(_ error: StoreError)

  /// Something was damaged that the store makes again from other rows; what, in a few words.
  func storeMended(_ what: String)
}

extension CommitObserver {
  /// Takes no note of it.
  public func storeMended(_ what: String) {}
}

/// Where integrations, logs and requests live.
///
/// See the module's page for the whole contract.
public protocol IntegrationStore: StoreKeeping, Sendable {
  /// Sets who hears of commits. Called once, before the first `submit`.
  func start(observer: any CommitObserver)

  /// Adds commands to a batch that is committed soon.
  ///
  /// `fill` runs at once, on the calling thread, with what waits locked: it only appends, and
  /// commands of no other integration than `order` names. False: too much waits (`StoreLimits`), or
  /// the store is closed, and `fill` did not run; answer RESOURCE_EXHAUSTED with reason STORE_BUSY.
  /// A store that has failed takes commands and says of none what became of it: completions get
  /// `unavailable`. From any thread.
  func submit(_ order: CommandOrder, _ fill: (inout CommandBatch) -> Void) -> Bool

  /// The same for many commands of one integration, all of them or none, of which a store may do
  /// some with an earlier commit than others, so that nobody waits for all of them.
  ///
  /// `fill` appends one command and answers whether there is another. `piece` counts from 0 the
  /// batches that they go to; what goes to one batch stands there side by side.
  func submit(of integration: IntegrationID, each fill: (inout CommandBatch, _ piece: Int) -> Bool)
    -> Bool

  /// What a server needs in memory to begin.
  func loadCatalog() async throws(StoreError) -> StoreCatalog
  /// A page of logs.
  func logs(_ query: LogQuery) async throws(StoreError) -> LogPage
  /// Logs that changed behind a place of the journal, as they stand now; nil: the journal does not
  /// reach back so far.
  func changes(_ query: ChangeQuery) async throws(StoreError) -> ChangePage?
  /// One log; nil: there is none. `errorsAfter` 0: from the first error.
  func log(_ id: LogID, errorsAfter: Int64, errorLimit: Int) async throws(StoreError) -> LogDetail?
  /// A page of open requests, oldest first. The query's statuses narrow it; its order is not used.
  func openRequests(_ query: LogQuery) async throws(StoreError) -> RequestPage
  /// What an agent holds, by log id, at most `limit`.
  func held(_ integration: IntegrationID, agentID: String, limit: Int) async throws(StoreError)
    -> [StoredRequest]
  /// Counts of integrations; empty: all.
  func counts(_ integrations: [IntegrationID], now: Instant) async throws(StoreError)
    -> [IntegrationCounts]
  /// A step of a count; the caller goes on at `next` until there is none.
  func aggregate(_ aggregation: LogAggregation) async throws(StoreError) -> LogAggregate
  /// A step over the failures of a selection, by what their messages have in common; the
  /// dimensions are not used. A selection without statuses means FAILED and TIMED_OUT.
  func failures(_ aggregation: LogAggregation) async throws(StoreError) -> FailureAggregate
  /// What the actions of integrations did hour by hour, from an hour on, and at most the two weeks
  /// before each action's last activity; those that did nothing are left out.
  func hours(_ integrations: [IntegrationID], from hour: Int64) async throws(StoreError)
    -> [ActionHours]
  /// The ids of logs that begin with these bytes of text, at most `limit`; see `LogID.range`.
  func logIDs(in range: ClosedRange<LogID>, limit: Int) async throws(StoreError) -> [LogID]
  /// One agent; nil: there is none.
  func agent(_ integration: IntegrationID, _ agentID: String) async throws(StoreError)
    -> StoredAgent?
  /// What a schedule made last, newest first, without retries; it remembers the last 20.
  func scheduleRuns(_ schedule: Int64, limit: Int) async throws(StoreError) -> [StoredLog]
  /// Where logs stand; those that are gone are left out. At most 1,000.
  func statuses(_ logs: [LogPosition]) async throws(StoreError) -> [LogPosition: Status]

  /// A page of the audit. One that is cut short, even empty, says where to go on.
  func audit(_ query: AuditQuery) async throws(StoreError) -> AuditPage

  /// Commits what was submitted, ends reads, and closes the files. Later calls fail with `closed`.
  func close() async
}

extension IntegrationStore {
  /// Adds commands to the batch that is committed next, behind all others that are `common`.
  public func submit(_ fill: (inout CommandBatch) -> Void) -> Bool { submit(.common, fill) }

  /// Does one command and waits for its commit; for everything that is not hot.
  public func perform(_ command: StoreCommand, now: Instant) async throws(StoreFailure)
    -> CommandOutcome
  {
    let outcome = await withCheckedContinuation { continuation in
      let taken = submit { batch in
        batch.append(command, now: now, origin: .completion { continuation.resume(returning: $0) })
      }
      if !taken { continuation.resume(returning: .failed(.busy)) }
    }
    if case .failed(let failure) = outcome { throw failure }
    return outcome
  }
}

extension StoreFailure {
  /// The store takes nothing at the moment.
  public static let busy = StoreFailure(
    .resourceExhausted, "STORE_BUSY", "the store takes no more commands now; try again in a moment")
}
