import SQLiteDatabase

/// A sorted part of the entity index: chunks numbered from 0 under one segment number.
struct EntitySegment {
  var number: Int64
  var level: Int
  var chunks: Int64
  var entries: Int64

  /// How many segments and levels there may be, and how many chunks and entries one may have: more
  /// than come about, and what is made of them fits into 64 bits.
  fileprivate static let numbers = Int64(0)..<(1 << 30)
  private static let levels = 0..<64
  private static let chunkCounts = Int64(0)..<(1 << 32)
  private static let entryCounts = Int64(0)..<(1 << 40)

  /// The id of a chunk's row.
  static func row(_ segment: Int64, _ chunk: Int64) -> Int64 { segment << 32 | chunk }

  /// All segments that queries see; an error where a number in them cannot be.
  static func load(_ database: SQLiteConnection) throws -> [EntitySegment] {
    let rows = try database.statement("SELECT segment, level, chunks, entries FROM entity_segments")
    defer { rows.reset() }
    var found: [EntitySegment] = []
    while try rows.step() {
      let segment = EntitySegment(
        number: rows.integer(0), level: Int(rows.integer(1)), chunks: rows.integer(2),
        entries: rows.integer(3))
      guard numbers.contains(segment.number), levels.contains(segment.level),
        chunkCounts.contains(segment.chunks), entryCounts.contains(segment.entries)
      else { throw damage(segment.number) }
      found.append(segment)
    }
    return found
  }

  /// The entries of a chunk; an error where it is missing or empty, so that nobody looks for as
  /// many as a damaged count says.
  func chunk(_ number: Int64, _ database: SQLiteConnection) throws -> [EntityEntry] {
    let find = try database.statement("SELECT entries FROM entity_chunks WHERE id = ?")
    defer { find.reset() }
    find.bind(1, Self.row(self.number, number))
    guard try find.step() else { throw Self.damage(self.number) }
    let entries = unsafe find.withBlob(0) { unsafe EntityEntry.decode($0) }
    guard !entries.isEmpty else { throw Self.damage(self.number) }
    return entries
  }

  fileprivate static func damage(_ segment: Int64) -> SQLiteError {
    SQLiteError(
      extendedCode: 11,
      message: "segment \(segment) of the entity index misses a chunk or is damaged")
  }

  func insert(_ database: SQLiteConnection) throws {
    try database.run(
      "INSERT INTO entity_segments VALUES(?, ?, ?, ?)", .integer(number), .integer(Int64(level)),
      .integer(chunks), .integer(entries))
  }

  func delete(_ database: SQLiteConnection) throws {
    try database.run("DELETE FROM entity_segments WHERE segment = ?", .integer(number))
  }
}

/// Rows that nobody looks for any more; deleted a few at a time.
struct EntityGarbage {
  /// How many rows one step deletes of each table.
  private static let step: Int64 = 64

  private var chunks: [(next: Int64, last: Int64)] = []
  private var tail: (next: Int64, last: Int64)?
  /// The highest number that a segment ever had which left chunks behind.
  private(set) var highestSegment: Int64 = 0

  /// Whether nothing is left to delete.
  var isEmpty: Bool { chunks.isEmpty && tail == nil }

  /// Finds the chunks of merges that never finished.
  init(_ database: SQLiteConnection, segments: [EntitySegment]) throws {
    let known = Set(segments.map(\.number))
    var next: Int64 = 0
    while let row = try Self.firstRow(database, from: next) {
      let segment = row >> 32
      guard EntitySegment.numbers.contains(segment) else { throw EntitySegment.damage(segment) }
      highestSegment = max(highestSegment, segment)
      if !known.contains(segment) {
        chunks.append((row, EntitySegment.row(segment + 1, 0) - 1))
      }
      next = EntitySegment.row(segment + 1, 0)
    }
  }

  private static func firstRow(_ database: SQLiteConnection, from row: Int64) throws -> Int64? {
    try database.rows("SELECT min(id) FROM entity_chunks WHERE id >= ?", .integer(row))
      .first?.first?.integer
  }

  mutating func add(_ segment: EntitySegment) {
    let first = EntitySegment.row(segment.number, 0)
    chunks.append((first, first + segment.chunks - 1))
  }

  mutating func add(tailUpTo row: Int64) {
    tail = (tail?.next ?? 0, row)
  }

  /// Deletes some.
  mutating func collect(_ database: SQLiteConnection) throws {
    if let range = chunks.last {
      chunks.removeLast()
      if let rest = try delete(range, "entity_chunks", "id", database) { chunks.append(rest) }
    }
    if let range = tail { tail = try delete(range, "entity_tail", "n", database) }
  }

  private func delete(
    _ range: (next: Int64, last: Int64), _ table: String, _ key: String,
    _ database: SQLiteConnection
  ) throws -> (next: Int64, last: Int64)? {
    // Numbers may have gaps before the first row; begin where there is one.
    let first = try database.rows(
      "SELECT min(\(key)) FROM \(table) WHERE \(key) >= ? AND \(key) <= ?", .integer(range.next),
      .integer(range.last)
    ).first?.first?.integer
    guard let first else { return nil }
    let end = min(range.last, first + Self.step - 1)
    try database.run(
      "DELETE FROM \(table) WHERE \(key) >= ? AND \(key) <= ?", .integer(first), .integer(end))
    return end == range.last ? nil : (end + 1, range.last)
  }
}
