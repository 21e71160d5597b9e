import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Finds the logs of records by the entity index.
struct EntityLookup {
  /// Positions that are kept while looking; the first in the page's order.
  static let maximumPositions = 50_000

  private let database: SQLiteConnection
  private let hashes: Set<UInt64>
  private let integrations: Set<IntegrationID>
  private let range: LogRange
  private var found: Set<LogPosition> = []
  /// Whether positions behind the last one were left out.
  private(set) var isCut = false

  init(_ query: LogQuery, _ database: SQLiteConnection) {
    self.database = database
    hashes = Set(query.selection.entityIDs.map { EntityEntry.hash($0) })
    integrations = Set(query.selection.integrations)
    range = LogRange(query)
  }

  /// Places of logs that may be of these records, in order; the hash may be another record's.
  mutating func positions() throws -> [LogPosition] {
    try lookInTail()
    for segment in try EntitySegment.load(database) {
      for hash in hashes { try look(for: hash, in: segment) }
    }
    let range = range
    return found.sorted { range.precedes($0, $1) }
  }

  private mutating func take(_ entry: EntityEntry) {
    // The log's own entry may be found all the same: then the log is not.
    guard !entry.isRemoval else { return }
    let position = LogPosition(logID: entry.id, integration: IntegrationID(entry.integration))
    guard integrations.isEmpty || integrations.contains(position.integration),
      range.contains(position)
    else { return }
    found.insert(position)
    if found.count >= 2 * Self.maximumPositions {
      let range = range
      found = Set(found.sorted { range.precedes($0, $1) }.prefix(Self.maximumPositions))
      isCut = true
    }
  }

  private mutating func lookInTail() throws {
    let rows = try database.statement("SELECT entries FROM entity_tail")
    defer { rows.reset() }
    while try rows.step() {
      let matches = unsafe rows.withBlob(0) { unsafe Self.matches($0, hashes) }
      for entry in matches { take(entry) }
    }
  }

  private static func matches(
    _ blob: UnsafeRawBufferPointer, _ hashes: Set<UInt64>
  ) -> [EntityEntry] {
    var matches: [EntityEntry] = []
    let single = hashes.count == 1 ? hashes.first : nil
    let count = unsafe EntityEntry.count(blob)
    for index in 0..<count {
      let entry = unsafe EntityEntry(blob, at: index)
      if let single {
        // Each row is sorted.
        if entry.hash > single { break }
        if entry.hash == single { matches.append(entry) }
      } else if hashes.contains(entry.hash) {
        matches.append(entry)
      }
    }
    return matches
  }

  private mutating func look(for hash: UInt64, in segment: EntitySegment) throws {
    var low: Int64 = 0
    var high = segment.chunks - 1
    // The last chunk that begins below the hash, or the first.
    while low < high {
      let middle = (low + high + 1) / 2
      if try segment.chunk(middle, database)[0].hash < hash {
        low = middle
      } else {
        high = middle - 1
      }
    }
    var number = low
    while number < segment.chunks {
      for entry in try segment.chunk(number, database) {
        if entry.hash > hash { return }
        if entry.hash == hash { take(entry) }
      }
      number += 1
    }
  }
}
