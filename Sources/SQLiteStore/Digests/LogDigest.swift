import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension LogID {
  /// The place of a log among digests: the first 63 bits of its id.
  ///
  /// Logs with the same one share their cell. In a UUIDv7 it is less than the greatest number.
  var key: Int64 { Int64(high >> 1) }

  /// The lowest id with a key.
  init(firstOfKey key: Int64) { self.init(high: UInt64(key) << 1, low: 0) }

  /// The highest id with a key.
  init(lastOfKey key: Int64) { self.init(high: UInt64(key) << 1 | 1, low: .max) }
}

/// What a digest takes in of a log; its texts are borrowed for the time of a call.
@safe struct DigestedLog {
  var integration: IntegrationID
  var id: LogID
  var action: Int64
  /// 0: none.
  var agent: Int64
  /// 0: none.
  var entityType: Int64
  var status: Status
  var trigger: LogTrigger
  var message = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var entityName = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var labels = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
}

/// What some 4,096 neighbouring logs of one integration have, so that a search can pass them by.
///
/// They are divided into 32 cells of neighbours; for each fact and for each run of bytes in a text
/// there is a mask of cells. A cell may seem to have what no log there has, never the other way
/// round. A digest covers all ids above the one before it and up to its own last, so logs that
/// arrive late have their place.
///
/// On disk it is ten rows: part 0 holds bounds and facts, part 1 the bits of runs, parts 2 to 9 an
/// eighth of their table each, so that a search reads what it asks for.
final class LogDigest {
  /// How many cells it has: the bits of a mask.
  static let cells = 32
  /// The part that holds the bits of runs.
  static let bitsPart = 1
  /// The first part of the table of runs.
  static let firstGramPart = 2
  /// Parts of the table of runs.
  static let gramParts = DigestGrams.positions / partPositions
  /// Positions of one part, 4 KiB: one page of the database beside the row.
  static let partPositions = 1_024
  /// Bytes of part 0 before the facts: the key before, and the last keys of all cells but one.
  static let headBytes = 8 * cells

  let integration: IntegrationID
  /// The key up to which the digest before it reaches; -1: there is none.
  private(set) var after: Int64
  /// The highest key that it covers.
  let last: Int64
  private let bounds: [Int64]
  private var facts: DigestFacts
  private var grams: [UInt32]
  private var bits: [UInt64]
  /// Parts that are not stored as they are now; bit n is part n.
  private var changed: UInt32

  /// Makes a digest of nothing; `bounds` are the last keys of all cells but the last.
  init(integration: IntegrationID, after: Int64, last: Int64, bounds: [Int64]) {
    precondition(bounds.count == Self.cells - 1, "a digest has \(Self.cells) cells")
    self.integration = integration
    self.after = after
    self.last = last
    self.bounds = bounds
    facts = DigestFacts()
    grams = [UInt32](repeating: 0, count: DigestGrams.positions)
    bits = [UInt64](repeating: 0, count: DigestGrams.bits / 64)
    changed = Self.allParts
  }

  /// Covers from now on everything below it too: there is no digest before it any more.
  func becomeFirst() {
    after = -1
    changed |= 1
  }

  /// The bit of the cell that has a key.
  func mask(of key: Int64) -> UInt32 { 1 << UInt32(Self.cell(of: key, bounds)) }

  /// The bit of the cell that has a key; `cell` is one that is not behind it, and moves on.
  func mask(of key: Int64, from cell: inout Int) -> UInt32 {
    while cell < bounds.count, bounds[cell] < key { cell += 1 }
    return 1 << UInt32(cell)
  }

  static func cell(of key: Int64, _ bounds: [Int64]) -> Int {
    var (low, high) = (0, bounds.count)
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: - Taking in

  /// Takes in a log as it is now.
  func add(_ log: DigestedLog) {
    let mask = mask(of: log.id.key)
    add(fact: DigestFact.token(.action, log.action), mask)
    add(fact: DigestFact.token(.status, Int64(log.status.rawValue)), mask)
    add(fact: DigestFact.token(.trigger, Int64(log.trigger.rawValue)), mask)
    if log.entityType != 0 { add(fact: DigestFact.token(.entityType, log.entityType), mask) }
    if log.agent != 0 { add(fact: DigestFact.token(.agent, log.agent), mask) }
    unsafe add(labels: log.labels, mask)
    unsafe add(text: log.message, mask)
    unsafe add(text: log.entityName, mask)
  }

  /// Takes in a fact.
  func add(fact token: UInt32, _ mask: UInt32) {
    switch facts.insert(token, mask) {
    case .nothing: return
    case .changed: break
    case .full: for position in DigestGrams.positions(ofFact: token) { set(position, mask) }
    }
    changed |= 1
  }

  /// Takes in labels as they are stored.
  func add(labels: UnsafeRawBufferPointer, _ mask: UInt32) {
    unsafe DigestFact.forEachLabel(labels) { add(fact: $0, mask) }
  }

  /// Takes in a text.
  func add(text: UnsafeRawBufferPointer, _ mask: UInt32) {
    if changed == Self.allParts { return unsafe addToNew(text: text, mask) }
    unsafe DigestGrams.forEach(text) { position in
      if grams[position] & mask == 0 { set(position, mask) }
    } bit: { number in
      let bit = UInt64(1) << UInt64(number % 64)
      guard bits[number / 64] & bit == 0 else { return }
      bits[number / 64] |= bit
      changed |= Self.bit(ofPart: Self.bitsPart)
    }
  }

  /// The same where all parts count as changed: for each report, so without asking what was there.
  private func addToNew(text: UnsafeRawBufferPointer, _ mask: UInt32) {
    unsafe grams.withUnsafeMutableBufferPointer { grams in
      unsafe bits.withUnsafeMutableBufferPointer { bits in
        unsafe DigestGrams.forEach(text) { position in
          unsafe grams[position] |= mask
        } bit: { number in
          unsafe bits[number / 64] |= 1 << UInt64(number % 64)
        }
      }
    }
  }

  private func set(_ position: Int, _ mask: UInt32) {
    grams[position] |= mask
    changed |= Self.bit(ofPosition: position)
  }

  private static let allParts = bit(ofPart: firstGramPart + gramParts) - 1

  private static func bit(ofPart number: Int) -> UInt32 { 1 << UInt32(number) }

  private static func bit(ofPosition position: Int) -> UInt32 {
    bit(ofPart: firstGramPart + position / partPositions)
  }

  // MARK: - On disk

  /// Reads a digest; nil: there is none with this last key.
  init?(_ database: SQLiteConnection, integration: IntegrationID, last: Int64) throws {
    self.integration = integration
    self.last = last
    changed = 0
    guard let head = try Self.part(0, database, integration, last) else { return nil }
    (after, bounds, facts) = try unsafe head.withUnsafeBytes { head in
      let keys = try unsafe Self.keys(head, last: last)
      let facts = unsafe UnsafeRawBufferPointer(rebasing: head[Self.headBytes...])
      return unsafe (keys[0], Array(keys[1...]), DigestFacts(facts))
    }
    grams = []
    bits = []
    for number in 1..<Self.firstGramPart + Self.gramParts {
      let part = try Self.part(number, database, integration, last) ?? []
      let isOfBits = number == Self.bitsPart
      guard Self.isWhole(part: number, bytes: part.count) else { throw Self.damaged(part: number) }
      unsafe part.withUnsafeBytes { bytes in
        if isOfBits {
          bits = (0..<DigestGrams.bits / 64).map { unsafe Self.word(bytes, $0) }
        } else {
          for place in 0..<Self.partPositions { grams.append(unsafe Self.gram(bytes, place)) }
        }
      }
    }
  }

  private static func part(
    _ number: Int, _ database: SQLiteConnection, _ integration: IntegrationID, _ last: Int64
  ) throws -> [UInt8]? {
    let find = try database.statement(
      "SELECT bits FROM log_digests WHERE integration = ? AND part = ? AND last = ?")
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, Int64(number))
    find.bind(3, last)
    return try find.step() ? find.blob(0) : nil
  }

  /// The numbers of all parts.
  static let partNumbers = 0..<firstGramPart + gramParts

  /// Whether a stored part has the bytes that are read from it: a disk may have changed them.
  static func isWhole(part number: Int, bytes: Int) -> Bool {
    switch number {
    case 0: bytes >= headBytes
    case bitsPart: bytes == DigestGrams.bits / 8
    default: bytes == 4 * partPositions
    }
  }

  /// SQLITE_CORRUPT, with a second byte that SQLite itself does not use.
  static let damageCode: Int32 = 11 | 0x7e << 8

  /// What is thrown where a part is not as it was written.
  static func damaged(part number: Int) -> SQLiteError {
    SQLiteError(
      extendedCode: damageCode, message: "part \(number) of a digest of logs is missing or damaged")
  }

  /// A stored last key; throws for a number that no log's id has.
  static func checked(last key: Int64) throws(SQLiteError) -> Int64 {
    guard (0..<Int64.max).contains(key) else { throw damaged(part: 0) }
    return key
  }

  /// The key before, which may be -1, and the cells' last keys, from part 0; throws where they do
  /// not rise to the last key of all.
  static func keys(_ head: UnsafeRawBufferPointer, last: Int64) throws(SQLiteError) -> [Int64] {
    guard isWhole(part: 0, bytes: head.count) else { throw damaged(part: 0) }
    let keys = (0..<cells).map { index in
      unsafe Int64(littleEndian: head.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self))
    }
    guard keys[0] >= -1 else { throw damaged(part: 0) }
    var highest = max(0, keys[0])
    for key in keys.dropFirst() + [try checked(last: last)] {
      guard key >= highest else { throw damaged(part: 0) }
      highest = key
    }
    return keys
  }

  /// The mask at a position of a part of the table of runs.
  static func gram(_ part: UnsafeRawBufferPointer, _ position: Int) -> UInt32 {
    unsafe UInt32(
      littleEndian: part.loadUnaligned(fromByteOffset: 4 * position, as: UInt32.self))
  }

  /// 64 of the bits of runs.
  static func word(_ part: UnsafeRawBufferPointer, _ index: Int) -> UInt64 {
    unsafe UInt64(littleEndian: part.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
  }

  /// Writes the parts that have changed.
  func store(_ database: SQLiteConnection) throws {
    guard changed != 0 else { return }
    let store = try database.statement("REPLACE INTO log_digests VALUES(?, ?, ?, ?)")
    var bytes: [UInt8] = []
    for number in 0..<Self.firstGramPart + Self.gramParts
    where changed & Self.bit(ofPart: number) != 0 {
      bytes.removeAll(keepingCapacity: true)
      encode(part: number, into: &bytes)
      store.bind(1, integration)
      store.bind(2, Int64(number))
      store.bind(3, last)
      try unsafe bytes.withUnsafeBytes { bytes in
        unsafe store.bind(4, borrowedBlob: bytes)
        try store.run()
      }
    }
    changed = 0
  }

  func encode(part number: Int, into bytes: inout [UInt8]) {
    if number == 0 {
      Self.append([after] + bounds, to: &bytes)
      facts.encode(into: &bytes)
    } else if number == Self.bitsPart {
      Self.append(bits, to: &bytes)
    } else {
      let first = (number - Self.firstGramPart) * Self.partPositions
      Self.append(grams[first..<first + Self.partPositions], to: &bytes)
    }
  }

  /// Appends numbers, little-endian.
  private static func append<Numbers: RandomAccessCollection>(
    _ numbers: Numbers, to bytes: inout [UInt8]
  ) where Numbers.Element: FixedWidthInteger {
    let width = MemoryLayout<Numbers.Element>.size
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: width * numbers.count))
    unsafe bytes.withUnsafeMutableBytes { target in
      var offset = start
      for number in numbers {
        unsafe target.storeBytes(
          of: number.littleEndian, toByteOffset: offset, as: Numbers.Element.self)
        offset += width
      }
    }
  }
}
