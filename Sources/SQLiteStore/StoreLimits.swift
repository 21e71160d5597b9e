import IntegrationModel

/// What bounds a store.
public struct StoreLimits: Hashable, Sendable {
  /// What holds for logs and leases.
  public var model = ModelLimits()
  /// Commands that may wait for the next commits.
  ///
  /// Default 65,536, a second's work. Of what one integration sends beyond its share
  /// (`PendingCommands`) no more waits than there are places left: half of them, where it is alone.
  public var maximumPendingCommands = 65_536
  /// Bytes of text that may wait for the next commits; shared out in the same way.
  ///
  /// Default 64 MiB. Up to five batches are under way at once, so a flood of the longest texts on a
  /// slow disk takes five times that.
  public var maximumPendingBytes = 67_108_864
  /// The writer's page cache in bytes.
  ///
  /// Default 8 MiB: what common batches touch, several times over. SQLite looks through all of it
  /// after most commits, so more costs time and brings nothing; see decision 7.
  public var pageCacheBytes = 8_388_608
  /// The page cache of each reader in bytes.
  ///
  /// Default 8 MiB.
  public var readerCacheBytes = 8_388_608
  /// Readers, each with a thread of its own.
  ///
  /// Default 2.
  public var readers = 2
  /// The write-ahead log is copied into the database when it has grown by so many bytes.
  ///
  /// Default 8 MiB: small steps, so that no commit waits long for one.
  public var checkpointBytes = 8_388_608
  /// The size of the database file; 0: as large as the disk.
  ///
  /// Above it writes fail with STORAGE_FULL.
  public var maximumDatabaseBytes: Int64 = 0
  /// Rows that one page of a list may visit; other work on a page counts as so many rows.
  ///
  /// Default 10,000, about 8 ms.
  public var maximumVisitedRows = 10_000
  /// Agents of one integration.
  ///
  /// Default 10,000.
  public var maximumAgents = 10_000
  /// Live keys of one integration.
  ///
  /// Default 2, so that rotation interrupts nobody.
  public var maximumLiveKeys = 2
  /// Live tokens of operators.
  ///
  /// Default 1,000; two of one name, so that one can be replaced without a break.
  public var maximumLiveTokens = 1_000

  /// Schedules.
  ///
  /// Default 10,000: all of them are kept in memory.
  public var maximumSchedules = 10_000
  /// Entity index entries that are collected before they are sorted into the index.
  ///
  /// Default 65,536.
  public var entityTailEntries = 65_536

  /// How many logs of an integration one digest covers; searches pass by digests.
  ///
  /// Default 4,096: a search visits the rows that no digest covers yet, up to some 5,000.
  public var digestLogs = 4_096
  /// Memory for logs that are collected for the next digests of their integrations, in bytes.
  ///
  /// Default 32 MiB, some 50 integrations that report without pause; those beyond are read from the
  /// database when there are enough of their logs.
  public var digestBufferBytes = 33_554_432

  /// How long changed logs are kept for a tail that was cut off to go on, in milliseconds.
  ///
  /// Default 10 minutes. So long after the last tail the journal ends.
  public var tailJournalMs: Int64 = 600_000
  /// How many changes are kept for that, 40 bytes each.
  ///
  /// Default 1,000,000.
  public var tailJournalChanges: Int64 = 1_000_000
  /// Bytes of the lines of one import, which wait in the data directory until all are there.
  ///
  /// Default 64 GiB.
  public var maximumImportBytes: Int64 = 68_719_476_736

  /// Makes the default limits.
  public init() {}
}
