import IntegrationModel

/// How long logs of one final status are kept.
public struct StoredRetentionRule: Hashable, Sendable {
  /// A final status.
  public var status: Status
  /// Milliseconds since the log's end; 0: for ever.
  public var maximumAgeMs: UInt64
  /// Bytes of all logs of this status, above which the oldest go; 0: any.
  public var maximumBytes: UInt64

  /// Makes a rule; without limits it keeps everything.
  public init(status: Status, maximumAgeMs: UInt64 = 0, maximumBytes: UInt64 = 0) {
    self.status = status
    self.maximumAgeMs = maximumAgeMs
    self.maximumBytes = maximumBytes
  }

  /// Whether nothing is ever removed under it.
  public var keepsAll: Bool { maximumAgeMs == 0 && maximumBytes == 0 }

  /// The statuses that have a rule, in the order in which they are shown.
  public static let statuses: [Status] = [.completed, .failed, .cancelled, .timedOut]
}

/// What one step of pruning may take.
public struct PruneBudget: Hashable, Sendable {
  /// Logs that go in one step.
  ///
  /// Default 256, some 4 ms.
  public var maximumLogs = 256
  /// Rows that are looked at in one step.
  ///
  /// Default 4,096, some 4 ms.
  public var maximumVisitedRows = 4_096
  /// Time after which a step goes no further, in microseconds.
  ///
  /// Default 5,000.
  public var maximumMicroseconds: Int64 = 5_000
  /// Free pages that one step gives back to the file system.
  ///
  /// Default 128.
  public var maximumPages = 128
  /// Whether to look at every log again, also at those that were passed by before.
  public var sweeps = false

  /// Makes the usual budget.
  public init() {}
}

/// What one step of pruning did.
public struct PruneOutcome: Hashable, Sendable {
  /// Logs that are gone.
  public var removedLogs: UInt64 = 0
  /// About how many bytes they took.
  public var freedBytes: UInt64 = 0
  /// Whether nothing is left to do for now.
  public var isDone = false
  /// How long the step took the writer.
  public var microseconds: Int64 = 0
  /// Whether the clock is believed; while it is not, nothing was removed by its age.
  public var doubt = ClockDoubt()

  /// Makes the outcome of a step that did nothing.
  public init() {}
}

/// How much there is of one final status.
public struct StoredStatusSize: Hashable, Sendable {
  /// The status.
  public var status: Status
  /// Its logs.
  public var logs: UInt64
  /// About how many bytes they take, with everything that belongs to them.
  public var bytes: UInt64

  /// Makes a size.
  public init(status: Status, logs: UInt64, bytes: UInt64) {
    self.status = status
    self.logs = logs
    self.bytes = bytes
  }
}

/// The rules, and what there is.
public struct RetentionState: Hashable, Sendable {
  /// One for each final status.
  public var rules: [StoredRetentionRule]
  /// One for each final status.
  public var sizes: [StoredStatusSize]
  /// The database file's size.
  public var databaseBytes: UInt64

  /// Makes a state.
  public init(rules: [StoredRetentionRule], sizes: [StoredStatusSize], databaseBytes: UInt64) {
    self.rules = rules
    self.sizes = sizes
    self.databaseBytes = databaseBytes
  }
}

/// A part of a count of what rules would remove.
public struct PrunableCount: Hashable, Sendable {
  /// By the rules' ages, in this part.
  public var sizes: [StoredStatusSize]
  /// Where the next part begins; nil: there is none.
  public var next: LogPosition?

  /// Makes a count.
  public init(sizes: [StoredStatusSize], next: LogPosition?) {
    self.sizes = sizes
    self.next = next
  }
}

/// How far a backup is.
public struct BackupProgress: Hashable, Sendable {
  /// Bytes that are copied.
  public var doneBytes: UInt64
  /// Bytes of the database now.
  public var totalBytes: UInt64

  /// Makes a progress.
  public init(doneBytes: UInt64, totalBytes: UInt64) {
    self.doneBytes = doneBytes
    self.totalBytes = totalBytes
  }
}

/// What a look at the whole store found.
public struct StoreCheck: Hashable, Sendable {
  /// Sentences; none: the store is whole.
  public var problems: [String]
  /// The database file's size.
  public var databaseBytes: UInt64
  /// How many logs there are.
  public var logs: UInt64

  /// Makes a result.
  public init(problems: [String] = [], databaseBytes: UInt64 = 0, logs: UInt64 = 0) {
    self.problems = problems
    self.databaseBytes = databaseBytes
    self.logs = logs
  }
}

/// Where an export goes on.
public struct ExportPosition: Hashable, Sendable {
  /// The key of the last row of each kind of record.
  public var rows: [String: String]
  /// The last log.
  public var log: LogPosition?

  /// Makes the position behind some rows; without arguments it is the beginning.
  public init(rows: [String: String] = [:], log: LogPosition? = nil) {
    self.rows = rows
    self.log = log
  }
}

/// Some lines of an export.
public struct ExportPage: Sendable {
  /// One JSON object each, without the newline.
  public var lines: [String]
  /// Where to go on; nil: this was all.
  public var next: ExportPosition?

  /// Makes a page.
  public init(lines: [String], next: ExportPosition?) {
    self.lines = lines
    self.next = next
  }
}

/// What an import has taken.
public struct ImportState: Hashable, Sendable {
  /// Names the import.
  public var id: String
  /// Lines taken so far.
  public var lines: UInt64
  /// Logs stored; 0 before the end.
  public var logs: UInt64
  /// Integrations stored; 0 before the end.
  public var integrations: UInt64

  /// Makes a state.
  public init(id: String, lines: UInt64 = 0, logs: UInt64 = 0, integrations: UInt64 = 0) {
    self.id = id
    self.lines = lines
    self.logs = logs
    self.integrations = integrations
  }
}

/// Retention, backup, check, export and import.
public protocol StoreKeeping: Sendable {
  /// The rules, and what there is.
  func retention() async throws(StoreError) -> RetentionState
  /// Counts a part of what the rules' ages would remove at a time.
  func prunable(now: Instant, after: LogPosition?) async throws(StoreError) -> PrunableCount
  /// Writes a copy of the store at the moment at which it ends into a new file, while the store
  /// works. `progress` is called now and then; false ends it without a file. Nothing is left where
  /// it fails. Failures: BACKUP_RUNNING, BACKUP_FILE_EXISTS, BACKUP_NOT_POSSIBLE,
  /// BACKUP_CANCELLED, STORAGE_FULL.
  func backUp(
    to path: String, progress: @escaping @Sendable (BackupProgress) -> Bool
  ) async throws(StoreFailure)
  /// Looks whether everything fits together; never blocks writes.
  func check() async throws(StoreFailure) -> StoreCheck
  /// Some lines of everything that is stored.
  ///
  /// Each page sees one moment of its own, with every record that its lines name on that page or
  /// before. A log that is made meanwhile may be missing.
  func export(
    after: ExportPosition, withoutLogs: Bool
  ) async throws(StoreError) -> ExportPage
  /// Begins an import into an empty store. Failures: STORE_NOT_EMPTY, IMPORT_RUNNING.
  func beginImport() async throws(StoreFailure) -> ImportState
  /// Keeps some more lines; `firstLine` counts from 1. Failures: IMPORT_UNKNOWN, IMPORT_INVALID,
  /// IMPORT_TOO_LARGE, STORAGE_FULL.
  func addToImport(
    _ id: String, firstLine: UInt64, lines: [String]
  ) async throws(StoreFailure) -> ImportState
  /// Stores everything that was kept, or nothing. Failures: as before, and STORE_NOT_EMPTY.
  func finishImport(_ id: String) async throws(StoreFailure) -> ImportState
  /// Forgets an import that nobody has added to for a time.
  func dropStaleImport() async
}
