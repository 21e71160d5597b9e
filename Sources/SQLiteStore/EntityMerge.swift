import SQLiteDatabase

/// A merge of sorted runs into a new segment, done in steps.
struct EntityMerge {
  /// Entries of one chunk, so that its row fills one page of 4,096 bytes.
  static let chunkEntries = 144

  /// The segment that is being made.
  private(set) var segment: EntitySegment
  /// The segments that it replaces.
  let replaced: [EntitySegment]
  /// The last row of the tail that it replaces; nil: it merges segments.
  let lastTailRow: Int64?
  /// Integrations whose entries are left out.
  private var gone: Set<Int32> = []
  private var sources: ContiguousArray<EntitySource>
  /// Sources that have an entry, as a heap by their entry.
  private var heap: ContiguousArray<Head> = []
  private var chunk: [EntityEntry] = []
  private var blob: [UInt8] = []
  private(set) var isFinished = false

  /// Where a source stands: small, because heads are compared and exchanged several times for each
  /// entry; the rest of an entry decides only between equal hashes.
  private struct Head {
    var hash: UInt64
    var source: Int
  }

  /// Merges runs of the tail.
  init(level: Int, number: Int64, runs: [[EntityEntry]], lastTailRow: Int64) {
    segment = EntitySegment(number: number, level: level, chunks: 0, entries: 0)
    replaced = []
    self.lastTailRow = lastTailRow
    sources = ContiguousArray(runs.filter { !$0.isEmpty }.map { EntitySource(run: $0) })
    arrange()
  }

  /// Merges segments.
  init(
    level: Int, number: Int64, segments: [EntitySegment], _ database: SQLiteConnection,
    without gone: Set<Int32> = []
  ) throws {
    self.gone = gone
    segment = EntitySegment(number: number, level: level, chunks: 0, entries: 0)
    replaced = segments
    lastTailRow = nil
    sources = []
    for part in segments where part.chunks > 0 {
      sources.append(try EntitySource(segment: part, database))
    }
    arrange()
  }

  /// Moves up to `budget` entries into the new segment.
  mutating func advance(_ budget: Int, _ database: SQLiteConnection) throws {
    for _ in 0..<budget {
      guard let source = heap.first?.source else { break }
      try append(sources[source].entry, database)
      if try sources[source].advance(database) {
        heap[0].hash = sources[source].entry.hash
      } else {
        heap[0] = heap[heap.count - 1]
        heap.removeLast()
      }
      sink(0)
    }
    if heap.isEmpty {
      try writeChunk(database)
      isFinished = true
    }
  }

  /// Takes in an entry, or drops it together with the one that it cancels, which stands before it.
  private mutating func append(_ entry: EntityEntry, _ database: SQLiteConnection) throws {
    if !gone.isEmpty, gone.contains(Int32(clamping: entry.integration.magnitude)) { return }
    if let last = chunk.last, last.cancels(entry) {
      chunk.removeLast()
      return
    }
    if chunk.count == Self.chunkEntries { try writeChunk(database) }
    chunk.append(entry)
  }

  private mutating func writeChunk(_ database: SQLiteConnection) throws {
    guard !chunk.isEmpty else { return }
    EntityEntry.encode(chunk, into: &blob)
    let insert = try database.statement("INSERT INTO entity_chunks VALUES(?, ?)")
    insert.bind(1, EntitySegment.row(segment.number, segment.chunks))
    try unsafe blob.withUnsafeBytes { bytes in
      unsafe insert.bind(2, borrowedBlob: bytes)
      try insert.run()
    }
    segment.chunks += 1
    segment.entries += Int64(chunk.count)
    chunk.removeAll(keepingCapacity: true)
  }

  private mutating func arrange() {
    for (index, source) in sources.enumerated() {
      heap.append(Head(hash: source.entry.hash, source: index))
    }
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  /// Moves a head down to where none below it comes before it.
  private mutating func sink(_ start: Int) {
    guard start < heap.count else { return }
    let head = heap[start]
    var index = start
    while true {
      var child = 2 * index + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, precedes(heap[child + 1], heap[child]) { child += 1 }
      guard precedes(heap[child], head) else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = head
  }

  private func precedes(_ left: Head, _ right: Head) -> Bool {
    if left.hash != right.hash { return left.hash < right.hash }
    return sources[left.source].entry < sources[right.source].entry
  }
}

/// A sorted run of entries: in memory, or a segment read chunk by chunk.
struct EntitySource {
  /// The entry that comes next.
  private(set) var entry: EntityEntry
  private var run: [EntityEntry]
  private var position = 0
  private var segment: EntitySegment?
  private var nextChunk: Int64 = 0

  /// A run in memory, not empty.
  init(run: [EntityEntry]) {
    self.run = run
    entry = run[0]
  }

  /// A segment with at least one chunk.
  init(segment: EntitySegment, _ database: SQLiteConnection) throws {
    run = try segment.chunk(0, database)
    self.segment = segment
    nextChunk = 1
    entry = run[0]
  }

  /// Goes to the next entry; false: there is none.
  mutating func advance(_ database: SQLiteConnection) throws -> Bool {
    position += 1
    if position == run.count {
      guard let segment, nextChunk < segment.chunks else { return false }
      run = try segment.chunk(nextChunk, database)
      nextChunk += 1
      position = 0
    }
    entry = run[position]
    return true
  }
}
