import IntegrationModel
import IntegrationStore

/// The embedded store: one directory, one writer, a few readers.
public final class SQLiteStore: IntegrationStore {
  /// Opens the data directory, creates it where it is missing, and brings its schema up to date.
  ///
  /// Throws a `StoreError` when another server uses it (`inUse`), a newer program wrote it
  /// (`newerSchema`), access is refused (`permission`), or the files are damaged.
  public init(directory: String, limits: StoreLimits = StoreLimits()) throws(StoreError) {
  }

  /// Sets who hears of commits.
  public func start(observer: any CommitObserver) {}

  /// Adds commands to the batch that is committed next.
  public func submit(_ fill: (inout CommandBatch) -> Void) -> Bool { false }

  /// What a server needs in memory to begin.
  public func loadCatalog() async throws(StoreError) -> StoreCatalog { StoreCatalog() }
  /// A page of logs.
  public func logs(_ query: LogQuery) async throws(StoreError) -> LogPage {
    LogPage(logs: [], next: nil)
  }
  /// One log.
  public func log(_ id: LogID, errorsAfter: Int64, errorLimit: Int) async throws(StoreError)
    -> LogDetail?
  { nil }
  /// A page of open requests.
  public func openRequests(_ query: LogQuery) async throws(StoreError) -> RequestPage {
    RequestPage(requests: [], next: nil)
  }
  /// Counts of integrations.
  public func counts(_ integrations: [IntegrationID], now: Instant) async throws(StoreError)
    -> [IntegrationCounts]
  { [] }
  /// One agent.
  public func agent(_ integration: IntegrationID, _ agentID: String) async throws(StoreError)
    -> StoredAgent?
  { nil }
  /// Commits what was submitted and closes the files.
  public func close() async {}
}
