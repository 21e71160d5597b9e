import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase
import Synchronization

@testable import SQLiteStore

extension FuzzTarget {
  /// Bytes of the database that a damaged disk may change: entries of indexes, labels, digests.
  ///
  /// Input: what they are, then the bytes; for digests two keys and the sizes of their parts.
  static let stored = FuzzTarget("stored", maximumBytes: 2_048) { bytes in
    var input = FuzzInput(bytes)
    switch input.byte() % 5 {
    case 0:
      let entries = EntityEntry.decode(input.rest).sorted()
      var written: [UInt8] = []
      EntityEntry.encode(entries, into: &written)
      try require(
        written.withUnsafeBytes { EntityEntry.decode($0) } == entries, "entries read as others")
      for (one, other) in zip(entries, entries.dropFirst()) { _ = one.cancels(other) }
    case 1:
      let labels = Labels.decode(Array(input.rest))
      try require(Labels.decode(Labels.encode(labels)) == labels, "labels read as others")
      DigestFact.forEachLabel(input.rest) { _ in }
    case 2:
      let token = input.number(UInt32.self)
      _ = DigestFacts.find(token, in: input.rest)
      let facts = DigestFacts(input.rest)
      var written: [UInt8] = []
      facts.encode(into: &written)
    case 3:
      for index in 0..<3 { _ = JournalEntry(input.rest, at: index) }
    default: try digest(&input)
    }
  }

  private static let database = Mutex<SQLiteConnection?>(nil)

  private static func digest(_ input: inout FuzzInput) throws {
    let last = input.number(Int64.self)
    let key = input.number(Int64.self) & .max
    let how = input.byte()
    let (headBytes, bitsBytes, gramBytes) = (
      how & 1 == 0 ? 256 + 8 * Int(input.byte()) : Int(input.number(UInt16.self)),
      how & 2 == 0 ? DigestGrams.bits / 8 : Int(input.byte()),
      how & 4 == 0 ? 4 * LogDigest.partPositions : Int(input.byte())
    )
    let connection = try database.withLock { kept in
      if let kept { return kept }
      let made = try SQLiteConnection(path: ":memory:")
      try Schema.migrate(made, path: ":memory:")
      kept = made
      return made
    }
    try connection.run("DELETE FROM log_digests")
    for part in 0..<LogDigest.firstGramPart + LogDigest.gramParts {
      let size = part == 0 ? headBytes : part == LogDigest.bitsPart ? bitsBytes : gramBytes
      var blob = Array(input.bytes(size))
      blob += repeatElement(part == 0 ? 0 : 0xff, count: size - blob.count)
      try connection.run(
        "INSERT INTO log_digests VALUES(1, ?, ?, ?)", .integer(Int64(part)), .integer(last),
        .blob(blob))
    }
    // Damage is an error of the store; nothing may trap, and a search ends.
    do { try search(connection, key: key, how: how) } catch is SQLiteError {}
    do {
      guard let digest = try LogDigest(connection, integration: 1, last: last) else { return }
      digest.add(fact: 5, 1)
      try digest.store(connection)
    } catch is SQLiteError {}
  }

  private static func search(_ connection: SQLiteConnection, key: Int64, how: UInt8) throws {
    var filter = DigestFilter()
    filter.require(.status, [4])
    filter.require(TextSearch("export failed"))
    let order: LogOrder = how & 8 == 0 ? .newestFirst : .oldestFirst
    var scan = try DigestScan(
      connection, filter, integration: 1, order: order, density: how & 16 == 0 ? .dense : .sparse)
    var budget = PageBudget(rows: 10_000)
    var id = LogID(firstOfKey: key)
    for _ in 0..<40 {
      switch try scan.verdict(at: id, &budget) {
      case .end: return
      case .skip(let next), .visit(let next):
        let isForward = order == .newestFirst ? next < id : next > id
        guard isForward else { return }
        id = next
      }
    }
  }
}

extension FuzzTarget {
  /// Lines of an import into an empty store.
  ///
  /// Input: the lines.
  static let imports = FuzzTarget("import", maximumBytes: 6_144) { bytes in
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    let store = try ImportStage.current()
    try waiting {
      do {
        let begun = try await store.store.beginImport()
        _ = try await store.store.addToImport(begun.id, firstLine: 1, lines: lines)
        _ = try await store.store.finishImport(begun.id)
        store.isUsed.withLock { $0 = true }
      } catch let failure as StoreFailure {
        try require(failure.kind == .invalidArgument, "an import fails otherwise: \(failure)")
      }
    }
  }
}

/// A store that nothing was imported into yet.
private final class ImportStage: Sendable {
  private static let shared = Mutex<ImportStage?>(nil)

  static func current() throws -> ImportStage {
    try shared.withLock { shared in
      if let shared, !shared.isUsed.withLock({ $0 }) { return shared }
      if let old = shared { try waiting { await old.store.close() } }
      let stage = try ImportStage()
      shared = stage
      return stage
    }
  }

  let store: SQLiteStore
  let isUsed = Mutex(false)
  private let folder: ScratchFolder

  private init() throws {
    folder = try ScratchFolder()
    store = try SQLiteStore(directory: folder.path)
    store.start(observer: NobodyListens())
  }
}

private final class NobodyListens: CommitObserver {
  var wantsLogEvents: Bool { false }
  func committed(
    _ batch: borrowing CommandBatch, _ outcomes: [CommandOutcome], _ events: [StoreEvent]
  ) {}
  func storeFailed(_ error: StoreError) {}
}
