import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// The stored parts of the digests of one integration.
struct DigestParts {
  let database: SQLiteConnection
  let integration: IntegrationID

  /// The last key of the last digest; nil: there is none.
  func frontier() throws -> Int64? {
    let find = try database.statement(
      """
      SELECT last FROM log_digests WHERE integration = ? AND part = 0 ORDER BY last DESC LIMIT 1
      """)
    defer { find.reset() }
    find.bind(1, integration)
    return try find.step() ? LogDigest.checked(last: find.integer(0)) : nil
  }

  /// The last key of the digest that covers a key; nil: none does.
  func lastKey(ofDigestCovering key: Int64) throws -> Int64? {
    let find = try database.statement(
      """
      SELECT last FROM log_digests WHERE integration = ? AND part = 0 AND last >= ?
      ORDER BY last LIMIT 1
      """)
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, key)
    return try find.step() ? LogDigest.checked(last: find.integer(0)) : nil
  }

  /// Looks into one part of the digest with a last key.
  func look<Value>(
    _ part: Int, _ last: Int64, _ body: (UnsafeRawBufferPointer) throws(SQLiteError) -> Value
  ) throws -> Value {
    let find = try database.statement(
      "SELECT bits FROM log_digests WHERE integration = ? AND part = ? AND last = ?")
    defer { find.reset() }
    find.bind(1, integration)
    find.bind(2, Int64(part))
    find.bind(3, last)
    guard try find.step() else { throw LogDigest.damaged(part: part) }
    return try unsafe find.withBlob(0) { bytes throws(SQLiteError) in
      guard LogDigest.isWhole(part: part, bytes: bytes.count) else {
        throw LogDigest.damaged(part: part)
      }
      return unsafe try body(bytes)
    }
  }

  /// Asks a digest about facts.
  func ask(_ filter: DigestFilter, _ last: Int64) throws -> AskedDigest {
    try unsafe look(0, last) { head throws(SQLiteError) in
      let keys = try unsafe LogDigest.keys(head, last: last)
      let hasOverflow = unsafe DigestFilter.find(0, head).mask != 0
      return AskedDigest(
        after: keys[0], last: last, bounds: Array(keys[1...]), hasOverflow: hasOverflow,
        mask: unsafe filter.mask(part: 0, head))
    }
  }
}

/// Digests in the page's order, with what one part says of each.
struct DigestQueue {
  /// How many are passed by at once, so that searches of several integrations take turns.
  private static let maximumAhead = 64

  private let parts: DigestParts
  private let filter: DigestFilter
  private let order: LogOrder
  private var part: Int
  private var digests: [(last: Int64, mask: UInt32)] = []
  private var head = 0
  /// How many are read at once; it grows while they are passed by.
  private var ahead = 1
  private var isExhausted = false

  init(parts: DigestParts, filter: DigestFilter, order: LogOrder, part: Int) {
    self.parts = parts
    self.filter = filter
    self.order = order
    self.part = part
  }

  /// Asks another part from now on.
  mutating func change(part: Int) {
    self.part = part
    if head + 1 < digests.count {
      digests.removeSubrange((head + 1)...)
      isExhausted = false
    }
  }

  /// Moves to the digest that covers a key, and returns its last key; nil: there is none.
  mutating func move(to key: Int64, _ budget: inout PageBudget) throws -> Int64? {
    switch order {
    case .oldestFirst:
      while head < digests.count, digests[head].last < key { head += 1 }
      if head == digests.count { try read(behind: key - 1, &budget) }
    case .newestFirst:
      if head == digests.count {
        guard let last = try parts.lastKey(ofDigestCovering: key) else { return nil }
        try read(behind: last + 1, &budget)
      }
      while try hasNext(&budget), digests[head + 1].last >= key { head += 1 }
    }
    return head < digests.count ? digests[head].last : nil
  }

  /// Passes by the digests that the part refuses, and says where it goes on; nil: the first is not
  /// refused.
  mutating func passRefused(_ budget: inout PageBudget) throws -> DigestVerdict? {
    guard digests[head].mask == 0 else { return nil }
    var place = DigestVerdict.end
    for _ in 0..<Self.maximumAhead {
      let last = digests[head].last
      guard try hasNext(&budget) else {
        return order == .oldestFirst ? .skip(to: LogID(firstOfKey: last + 1)) : .end
      }
      head += 1
      switch order {
      case .newestFirst: place = .skip(to: LogID(lastOfKey: digests[head].last))
      case .oldestFirst: place = .skip(to: LogID(firstOfKey: last + 1))
      }
      if digests[head].mask != 0 || budget.isSpent { break }
    }
    return place
  }

  /// Whether there is one behind the first; reads on where that is not known.
  private mutating func hasNext(_ budget: inout PageBudget) throws -> Bool {
    if head + 1 < digests.count { return true }
    guard !isExhausted, head < digests.count else { return false }
    try read(behind: digests[head].last, &budget)
    return head + 1 < digests.count
  }

  /// Reads the next digests behind a last key.
  private mutating func read(behind last: Int64, _ budget: inout PageBudget) throws {
    digests.removeSubrange(..<head)
    head = 0
    let (comparison, direction) = order == .newestFirst ? ("<", "DESC") : (">", "ASC")
    let rows = try parts.database.statement(
      """
      SELECT last, bits FROM log_digests WHERE integration = ? AND part = ? AND last \(comparison) ?
      ORDER BY last \(direction) LIMIT ?
      """)
    defer { rows.reset() }
    rows.bind(1, parts.integration)
    rows.bind(2, Int64(part))
    rows.bind(3, last)
    rows.bind(4, Int64(ahead))
    let before = digests.count
    budget.spend(PageBudget.Cost.lookup)
    while try rows.step() {
      let mask = try unsafe rows.withBlob(1) { bytes throws(SQLiteError) in
        guard LogDigest.isWhole(part: part, bytes: bytes.count) else {
          throw LogDigest.damaged(part: part)
        }
        return unsafe filter.mask(part: part, bytes)
      }
      digests.append((try LogDigest.checked(last: rows.integer(0)), mask))
      budget.spend(PageBudget.Cost.next(part: part))
    }
    isExhausted = digests.count - before < ahead
    ahead = min(2 * ahead, Self.maximumAhead)
  }
}

/// What is left of the work that one page may take, in visited rows.
struct PageBudget {
  /// What other work costs in rows, as measured.
  enum Cost {
    /// A row, or a part of a digest that has no page of its own, that has to be looked up.
    static let lookup = 4
    /// A part of the table of runs that has to be looked up.
    static let gramLookup = 8

    /// The next of several parts of digests, read in their order.
    static func next(part: Int) -> Int { part < LogDigest.firstGramPart ? 2 : 6 }
    /// A row that is wanted: all of it is read, with its names.
    static let found = 8
  }

  private var rows: Int

  init(rows: Int) { self.rows = rows }

  /// Whether nothing is left.
  var isSpent: Bool { rows <= 0 }

  /// Takes some away.
  mutating func spend(_ rows: Int) { self.rows -= rows }
}
