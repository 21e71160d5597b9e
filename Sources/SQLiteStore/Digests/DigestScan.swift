import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Says which rows of an integration a search has to visit, by its digests.
///
/// Where nearly every digest covers rows of the source, digests are walked in the page's order;
/// where rows are few, only those that cover a row are looked up.
struct DigestScan {
  /// How dense the rows of a source are.
  enum Density {
    case dense
    case sparse
  }

  private let filter: DigestFilter
  private let order: LogOrder
  /// How dense the rows are; sparse ones of one digest after the other are dense after all.
  private(set) var density: Density
  /// How many digests that were asked lay side by side.
  private var neighbours = 0
  private static let neighboursOfDense = 4
  /// The last key of the last digest; nil: there is none.
  private let frontier: Int64?
  private let parts: DigestParts
  private var queue: DigestQueue
  /// Parts to ask, the one that refuses most first.
  private var ranking: [Int]
  /// The digest that was asked wholly last.
  private var asked: AskedDigest?

  init(
    _ database: SQLiteConnection, _ filter: DigestFilter, integration: IntegrationID,
    order: LogOrder, density: Density
  ) throws {
    self.filter = filter
    self.order = order
    self.density = density
    parts = DigestParts(database: database, integration: integration)
    ranking = filter.parts
    queue = DigestQueue(parts: parts, filter: filter, order: order, part: ranking.first ?? 0)
    frontier = try parts.frontier()
  }

  /// What to do at an id, which lies in the page's order behind all that were asked before.
  mutating func verdict(at id: LogID, _ budget: inout PageBudget) throws -> DigestVerdict {
    let key = id.key
    guard let frontier, key <= frontier else {
      guard order == .newestFirst, let frontier else { return .visit(through: .highest) }
      return .visit(through: LogID(firstOfKey: frontier + 1))
    }
    if let asked, asked.covers(key) { return asked.verdict(at: id, order) }
    switch density {
    case .dense:
      guard let last = try queue.move(to: key, &budget) else { return .end }
      if let place = try queue.passRefused(&budget) { return place }
      try ask(last, &budget)
    case .sparse:
      budget.spend(PageBudget.Cost.lookup)
      guard let last = try parts.lastKey(ofDigestCovering: key) else { return .end }
      try ask(last, &budget)
    }
    return asked?.verdict(at: id, order) ?? .end
  }

  /// Asks a digest about everything, and remembers which part refused it.
  private mutating func ask(_ last: Int64, _ budget: inout PageBudget) throws {
    budget.spend(PageBudget.Cost.lookup)
    var digest = try parts.ask(filter, last)
    if digest.hasOverflow { try narrow(&digest, &budget) }
    for (rank, part) in ranking.enumerated() where part > 0 && digest.mask != 0 {
      budget.spend(
        part < LogDigest.firstGramPart ? PageBudget.Cost.lookup : PageBudget.Cost.gramLookup)
      digest.mask &= try unsafe parts.look(part, last) { unsafe filter.mask(part: part, $0) }
      if digest.mask == 0, rank > 0 {
        ranking.remove(at: rank)
        ranking.insert(part, at: 0)
        queue.change(part: part)
      }
    }
    if let asked, asked.after == digest.last || asked.last == digest.after {
      neighbours += 1
      if neighbours == Self.neighboursOfDense { density = .dense }
    } else {
      neighbours = 0
    }
    asked = digest
  }

  /// Decides about facts that found no room among the facts.
  private func narrow(_ digest: inout AskedDigest, _ budget: inout PageBudget) throws {
    for group in filter.groups where digest.mask != 0 {
      var cells: UInt32 = 0
      for token in group {
        let found = try unsafe parts.look(0, digest.last) { unsafe DigestFilter.find(token, $0) }
        var unsure = found.overflow
        for position in DigestGrams.positions(ofFact: token) where unsure != 0 {
          budget.spend(PageBudget.Cost.gramLookup)
          let (part, place) = position.quotientAndRemainder(dividingBy: LogDigest.partPositions)
          unsure &= try unsafe parts.look(LogDigest.firstGramPart + part, digest.last) {
            unsafe LogDigest.gram($0, place)
          }
        }
        cells |= found.mask | unsure
      }
      digest.mask &= cells
    }
  }
}

/// What a search has to do at an id.
enum DigestVerdict {
  /// Visit all rows through an id.
  case visit(through: LogID)
  /// Go on at an id; there is nothing before it.
  case skip(to: LogID)
  /// There is nothing more.
  case end
}

/// A digest, and the cells that may hold a wanted log.
struct AskedDigest {
  let after: Int64
  let last: Int64
  /// The last keys of all cells but the last.
  let bounds: [Int64]
  /// Whether facts found no room.
  let hasOverflow: Bool
  var mask: UInt32

  func covers(_ key: Int64) -> Bool { after < key && key <= last }

  func verdict(at id: LogID, _ order: LogOrder) -> DigestVerdict {
    let cell = LogDigest.cell(of: id.key, bounds)
    switch order {
    case .newestFirst:
      // Bits from the cell's own downwards.
      let open = mask << UInt32(LogDigest.cells - 1 - cell)
      if open == 0 {
        return after < 0 ? .end : .skip(to: LogID(lastOfKey: after))
      }
      let skipped = open.leadingZeroBitCount
      if skipped > 0 { return .skip(to: LogID(lastOfKey: upper(cell - skipped))) }
      let run = (~open).leadingZeroBitCount
      return .visit(through: LogID(firstOfKey: lower(cell - min(run, cell + 1) + 1) + 1))
    case .oldestFirst:
      let open = mask >> UInt32(cell)
      if open == 0 { return .skip(to: LogID(firstOfKey: last + 1)) }
      let skipped = open.trailingZeroBitCount
      if skipped > 0 { return .skip(to: LogID(firstOfKey: lower(cell + skipped) + 1)) }
      let run = (~open).trailingZeroBitCount
      return .visit(through: LogID(lastOfKey: upper(min(cell + run, LogDigest.cells) - 1)))
    }
  }

  /// The last key of a cell.
  private func upper(_ cell: Int) -> Int64 { cell < bounds.count ? bounds[cell] : last }

  /// The last key before a cell.
  private func lower(_ cell: Int) -> Int64 { cell > 0 ? bounds[cell - 1] : after }
}
