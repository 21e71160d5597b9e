import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Finds logs by entity id without an index on a random key, which would halve the write rate.
///
/// A log-structured merge tree in three small tables. Each commit appends its entries, sorted, as
/// one row of `entity_tail`. When the tail is long enough, its runs are merged into a segment:
/// sorted chunks of `entity_chunks`, one page each. Eight segments of one level are merged into one
/// of the next. Every merge advances a little with each commit, in proportion to what the commit
/// brought, so that no commit waits for one. A query looks into the tail and into every segment and
/// is never behind; an entry that stands in two places during a merge is found once.
///
/// What is kept in memory is the tail, which is read again at the start; a merge that was under way
/// begins anew, and its chunks are garbage.
struct EntityIndex {
  /// How many segments of one level are merged into one of the next.
  static let fanOut = 8

  private let tailEntries: Int
  /// Entries of the batch that is being done.
  private var batch: [EntityEntry] = []
  /// Sorted runs that no merge has taken yet.
  private var tail: [[EntityEntry]] = []
  private var tailCount = 0
  /// The number of the last row of `entity_tail`.
  private var lastTailRow: Int64 = 0
  private var segments: [EntitySegment] = []
  private var nextSegment: Int64 = 1
  /// Merges under way by the level of what they make; 0 is the tail's.
  private var merges: [Int: EntityMerge] = [:]
  /// The key of the merge of all segments among `merges`.
  private static let compaction = -1
  /// Whether a merge of all segments goes on, or what it replaced is still there.
  private(set) var isCompacting = false
  /// Whether that merge was begun.
  private var isCompacted = false
  /// Integrations that were deleted: the merge of all segments drops their entries.
  private var gone: Set<Int32> = []
  /// How many entries the merge of all segments takes with the next commit beside its share.
  var extraEntries = 0
  private var garbage: EntityGarbage
  private var blob: [UInt8] = []

  /// Loads the tail and the list of segments.
  init(_ database: SQLiteConnection, tailEntries: Int) throws {
    self.tailEntries = max(tailEntries, 1)
    segments = try EntitySegment.load(database)
    garbage = try EntityGarbage(database, segments: segments)
    nextSegment = max(segments.map(\.number).max() ?? 0, garbage.highestSegment) + 1
    let rows = try database.statement("SELECT n, entries FROM entity_tail ORDER BY n")
    defer { rows.reset() }
    while try rows.step() {
      lastTailRow = rows.integer(0)
      let run = unsafe rows.withBlob(1) { unsafe EntityEntry.decode($0) }
      tail.append(run)
      tailCount += run.count
    }
  }

  /// Adds an entry to the batch.
  mutating func add(_ entityID: UnsafeRawBufferPointer, integration: IntegrationID, id: LogID) {
    batch.append(
      unsafe EntityEntry(
        hash: EntityEntry.hash(entityID), integration: Int32(clamping: integration), id: id))
  }

  /// Adds an entry to the batch.
  mutating func add(_ entityID: String, integration: IntegrationID, id: LogID) {
    batch.append(
      EntityEntry(
        hash: EntityEntry.hash(entityID), integration: Int32(clamping: integration), id: id))
  }

  /// Adds a mark to the batch that a log is gone: it meets the log's entry in a merge, and both go.
  mutating func remove(_ entityID: String, integration: IntegrationID, id: LogID) {
    batch.append(
      EntityEntry(
        hash: EntityEntry.hash(entityID), integration: -Int32(clamping: integration), id: id))
  }

  /// Writes the batch's entries and advances the merges, inside the batch's transaction.
  ///
  /// After an error or a rollback the owner makes a new index from what is stored.
  mutating func flush(to database: SQLiteConnection) throws {
    let added = batch.count
    if added > 0 { try appendBatch(to: database) }
    try startMerges(database)
    // Each level takes in as many entries as come in, so twice that much keeps every merge ahead.
    let budget = 2 * added + EntityMerge.chunkEntries + extraEntries
    extraEntries = 0
    for level in merges.keys.sorted() {
      guard var merge = merges.removeValue(forKey: level) else { continue }
      try merge.advance(budget, database)
      if merge.isFinished { try finish(merge, database) } else { merges[level] = merge }
    }
    try garbage.collect(database)
    if merges[Self.compaction] == nil, garbage.isEmpty || segments.count < 2 {
      (isCompacting, isCompacted) = (false, false)
    }
  }

  // MARK: - Compaction

  /// Entries in segments and the tail.
  private var entries: Int { segments.reduce(tailCount) { $0 + Int($1.entries) } }

  /// Begins to merge all segments where far more entries are kept than there are logs: those of
  /// logs that are gone, and what says so, meet only in a merge.
  ///
  /// `deleted` brings the integrations that were deleted: nothing else says that their logs went.
  mutating func compact(
    forLogs logs: Int, deleted: () throws -> [IntegrationID] = { [] }
  ) throws {
    guard !isCompacting, merges.isEmpty || merges.keys.allSatisfy({ $0 == 0 }),
      entries > logs + logs / 4 + 2 * tailEntries
    else { return }
    gone = Set(try deleted().map { Int32(clamping: $0) })
    isCompacting = isCompactable
  }

  /// Whether a merge of all segments may make them smaller: one alone holds logs once.
  private var isCompactable: Bool { segments.count > 1 || !segments.isEmpty && !gone.isEmpty }

  /// Stores the batch as a row of the tail, or within the last row while that fills no page; so
  /// commits of one report leave few rows for queries to look into.
  private mutating func appendBatch(to database: SQLiteConnection) throws {
    tailCount += batch.count
    if let last = tail.last, last.count + batch.count <= EntityMerge.chunkEntries {
      batch += last
      tail.removeLast()
    } else {
      lastTailRow += 1
    }
    batch.sort()
    EntityEntry.encode(batch, into: &blob)
    let insert = try database.statement("REPLACE INTO entity_tail VALUES(?, ?)")
    insert.bind(1, lastTailRow)
    try unsafe blob.withUnsafeBytes { bytes in
      unsafe insert.bind(2, borrowedBlob: bytes)
      try insert.run()
    }
    tail.append(batch)
    batch.removeAll(keepingCapacity: true)
  }

  private mutating func startMerges(_ database: SQLiteConnection) throws {
    if tailCount >= tailEntries, merges[0] == nil {
      merges[0] = EntityMerge(
        level: 0, number: takeNumber(), runs: tail, lastTailRow: lastTailRow)
      tail = []
      tailCount = 0
    }
    // Segments take part in one merge at a time.
    if merges[Self.compaction] != nil { return }
    if isCompacting, isCompactable, merges.keys.allSatisfy({ $0 == 0 }), !isCompacted {
      isCompacted = true
      merges[Self.compaction] = try EntityMerge(
        level: segments.map(\.level).max() ?? 1, number: takeNumber(), segments: segments, database,
        without: gone)
      return
    }
    let levels = Dictionary(grouping: segments, by: \.level)
    for (level, members) in levels where members.count >= Self.fanOut && merges[level + 1] == nil {
      merges[level + 1] = try EntityMerge(
        level: level + 1, number: takeNumber(),
        segments: Array(members.sorted { $0.number < $1.number }.prefix(Self.fanOut)), database)
    }
  }

  private mutating func takeNumber() -> Int64 {
    defer { nextSegment += 1 }
    return nextSegment
  }

  /// Makes a finished segment visible and what it replaces garbage, in one transaction.
  private mutating func finish(_ merge: EntityMerge, _ database: SQLiteConnection) throws {
    try merge.segment.insert(database)
    segments.append(merge.segment)
    for replaced in merge.replaced {
      try replaced.delete(database)
      segments.removeAll { $0.number == replaced.number }
      garbage.add(replaced)
    }
    if let row = merge.lastTailRow { garbage.add(tailUpTo: row) }
  }
}
