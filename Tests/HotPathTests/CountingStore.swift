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
  func submit(_ fill: (inout CommandBatch) -> Void) -> Bool { store.submit(fill) }
  func loadCatalog() async throws(StoreError) -> StoreCatalog { try await store.loadCatalog() }
  func logs(_ query: LogQuery) async throws(StoreError) -> LogPage { try await store.logs(query) }
  func changes(_ query: ChangeQuery) async throws(StoreError) -> ChangePage? {
    try await store.changes(query)
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
