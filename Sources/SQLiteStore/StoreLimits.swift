import IntegrationModel

/// What bounds a store; each is a flag of `integrationd`.
public struct StoreLimits: Hashable, Sendable {
  /// What holds for logs and leases.
  public var model = ModelLimits()
  /// Commands that may wait for the next commit.
  ///
  /// Default 65,536.
  public var maximumPendingCommands = 65_536
  /// Bytes of text that may wait for the next commit.
  ///
  /// Default 64 MiB.
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
  /// Rows that one page of a list may visit.
  ///
  /// Default 100,000, less than 0.1 s.
  public var maximumVisitedRows = 100_000
  /// Agents of one integration.
  ///
  /// Default 10,000.
  public var maximumAgents = 10_000
  /// Live keys of one integration.
  ///
  /// Default 2, so that rotation interrupts nobody.
  public var maximumLiveKeys = 2
  /// Entity index entries that are collected before they are sorted into the index.
  ///
  /// Default 65,536.
  public var entityTailEntries = 65_536

  /// Makes the default limits.
  public init() {}
}
