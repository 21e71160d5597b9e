import Dispatch
import IntegrationModel
import IntegrationStore
import SQLiteStore
import Synchronization

/// The real store, which counts what it commits: each commit is a wait for the disk.
final class CountingStore: IntegrationStore {
  private let store: SQLiteStore
  private let total = Atomic<Int>(0)
  private let gate = Mutex<DispatchSemaphore?>(nil)
  private let door = Mutex<DispatchSemaphore?>(nil)
  private let atDoor = Atomic<Int>(0)

  /// Commits so far.
  var commits: Int { total.load(ordering: .acquiring) }

  init(directory: String) throws { store = try SQLiteStore(directory: directory) }

  /// Keeps what is committed from being told until `release`.
  func hold() { gate.withLock { $0 = DispatchSemaphore(value: 0) } }

  /// Lets commits be told again.
  func release() {
    gate.withLock { gate in
      gate?.signal()
      gate = nil
    }
  }

  /// How many submits wait for `admit`.
  var waitingSubmits: Int { atDoor.load(ordering: .acquiring) }

  /// Keeps what is submitted outside until `admit`, but for `submitAtOnce`.
  func keepOut() { door.withLock { $0 = DispatchSemaphore(value: 0) } }

  /// Lets in what is submitted.
  func admit() {
    door.withLock { door in
      door?.signal()
      door = nil
    }
  }

  func submitAtOnce(_ fill: (inout CommandBatch) -> Void) -> Bool { store.submit(fill) }

  private func passDoor() {
    guard let door = door.withLock({ $0 }) else { return }
    atDoor.add(1, ordering: .acquiringAndReleasing)
    door.wait()
    door.signal()
    atDoor.subtract(1, ordering: .acquiringAndReleasing)
  }

  private func passGate() {
    guard let gate = gate.withLock({ $0 }) else { return }
    gate.wait()
    gate.signal()
  }

  private final class Observer: CommitObserver {
    let counting: CountingStore
    let observer: any CommitObserver

    init(_ counting: CountingStore, _ observer: any CommitObserver) {
      self.counting = counting
      self.observer = observer
    }

    var wantsLogEvents: Bool { observer.wantsLogEvents }

    func committed(
      _ batch: borrowing CommandBatch, _ outcomes: [CommandOutcome], _ events: [StoreEvent]
    ) {
      counting.total.add(1, ordering: .acquiringAndReleasing)
      counting.passGate()
      observer.committed(batch, outcomes, events)
    }

    func storeFailed(_ error: StoreError) { observer.storeFailed(error) }
  }

  func start(observer: any CommitObserver) { store.start(observer: Observer(self, observer)) }
  func submit(_ order: CommandOrder, _ fill: (inout CommandBatch) -> Void) -> Bool {
    passDoor()
    return store.submit(order, fill)
  }
  func submit(
    of integration: IntegrationID, each fill: (inout CommandBatch, Int) -> Bool
  ) -> Bool {
    passDoor()
    return store.submit(of: integration, each: fill)
  }
  func loadCatalog() async throws(StoreError) -> StoreCatalog { try await store.loadCatalog() }
  func logs(_ query: LogQuery) async throws(StoreError) -> LogPage { try await store.logs(query) }
  func changes(_ query: ChangeQuery) async throws(StoreError) -> ChangePage? {
    try await store.changes(query)
  }
  func aggregate(_ aggregation: LogAggregation) async throws(StoreError) -> LogAggregate {
    try await store.aggregate(aggregation)
  }
  func failures(_ aggregation: LogAggregation) async throws(StoreError) -> FailureAggregate {
    try await store.failures(aggregation)
  }
  func hours(
    _ integrations: [IntegrationID], from hour: Int64
  ) async throws(StoreError) -> [ActionHours] {
    try await store.hours(integrations, from: hour)
  }
  func logIDs(
    in range: ClosedRange<LogID>, limit: Int
  ) async throws(StoreError) -> [LogID] {
    try await store.logIDs(in: range, limit: limit)
  }
  func log(
    _ id: LogID, errorsAfter: Int64, errorLimit: Int
  ) async throws(StoreError) -> LogDetail? {
    try await store.log(id, errorsAfter: errorsAfter, errorLimit: errorLimit)
  }
  func openRequests(_ query: LogQuery) async throws(StoreError) -> RequestPage {
    try await store.openRequests(query)
  }
  func held(
    _ integration: IntegrationID, agentID: String, limit: Int
  ) async throws(StoreError) -> [StoredRequest] {
    try await store.held(integration, agentID: agentID, limit: limit)
  }
  func counts(
    _ integrations: [IntegrationID], now: Instant
  ) async throws(StoreError) -> [IntegrationCounts] {
    try await store.counts(integrations, now: now)
  }
  func agent(
    _ integration: IntegrationID, _ agentID: String
  ) async throws(StoreError) -> StoredAgent? {
    try await store.agent(integration, agentID)
  }
  func retention() async throws(StoreError) -> RetentionState { try await store.retention() }
  func prunable(
    now: Instant, after: LogPosition?
  ) async throws(StoreError) -> PrunableCount { try await store.prunable(now: now, after: after) }
  func backUp(
    to path: String, progress: @escaping @Sendable (BackupProgress) -> Bool
  ) async throws(StoreFailure) { try await store.backUp(to: path, progress: progress) }
  func check() async throws(StoreFailure) -> StoreCheck { try await store.check() }
  func export(
    after: ExportPosition, withoutLogs: Bool
  ) async throws(StoreError) -> ExportPage {
    try await store.export(after: after, withoutLogs: withoutLogs)
  }
  func beginImport() async throws(StoreFailure) -> ImportState { try await store.beginImport() }
  func addToImport(
    _ id: String, firstLine: UInt64, lines: [String]
  ) async throws(StoreFailure) -> ImportState {
    try await store.addToImport(id, firstLine: firstLine, lines: lines)
  }
  func finishImport(_ id: String) async throws(StoreFailure) -> ImportState {
    try await store.finishImport(id)
  }
  func dropStaleImport() async { await store.dropStaleImport() }
  func audit(_ query: AuditQuery) async throws(StoreError) -> AuditPage {
    try await store.audit(query)
  }
  func scheduleRuns(_ schedule: Int64, limit: Int) async throws(StoreError) -> [StoredLog] {
    try await store.scheduleRuns(schedule, limit: limit)
  }
  func statuses(_ logs: [LogPosition]) async throws(StoreError) -> [LogPosition: Status] {
    try await store.statuses(logs)
  }
  func close() async { await store.close() }
}
