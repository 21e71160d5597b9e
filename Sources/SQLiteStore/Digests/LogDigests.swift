import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Keeps the digests of all integrations while logs are written; lives in the writer.
///
/// The digests of an integration cover all ids up to its *frontier*. A log above it is kept in a
/// buffer until there are enough for the next digest; one below is taken into the digest that
/// covers it, in the same transaction. What a buffer misses, because the server was started since
/// or because there was no room, is read from the database, a few hundred rows with each commit: so
/// the same steps serve a database that has no digests yet. Readers walk what lies above the
/// frontier, and need nothing from memory.
///
/// After a rollback the owner makes a new one: what is in memory is only ever a copy of rows.
struct LogDigests {
  /// Rows that are read with each commit, beside twice as many as it wrote.
  private static let stepRows = 256
  /// Bytes of texts after which no more rows are read with one commit, however many it wrote.
  private static let stepBytes = 16 << 20

  private let size: DigestSize
  private let maximumBytes: Int
  private var tails: [IntegrationID: DigestTail] = [:]
  private var last: DigestTail?
  private var late: LateDigests
  /// Integrations whose logs above the frontier were not counted yet.
  private var uncounted: [IntegrationID]
  /// Integrations with enough logs for a digest that are not all in memory.
  private var waiting: [DigestTail] = []
  /// Those whose buffers are ripe.
  private var ripe: [DigestTail] = []
  /// Those whose next digest is being made.
  private var working: [DigestTail] = []
  private var bytes = 0
  private var added = 0

  init(_ integrations: some Sequence<IntegrationID>, _ limits: StoreLimits) {
    size = DigestSize(logs: limits.digestLogs)
    maximumBytes = limits.digestBufferBytes
    uncounted = integrations.sorted()
    late = LateDigests()
  }

  // MARK: - Logs that are written

  /// Takes in a log that was made or changed in the open transaction.
  mutating func add(_ log: DigestedLog, isNew: Bool, _ database: SQLiteConnection) throws {
    let tail = try tail(of: log.integration, database)
    added += 1
    guard log.id.key > tail.frontier else { return try late.add(log, database) }
    if isNew {
      tail.logs += 1
      if tail.logs == size.ripeLogs { wait(for: tail) }
    }
    if tail.holds(log.id) { append(log, to: tail) }
  }

  private mutating func tail(
    of integration: IntegrationID, _ database: SQLiteConnection
  ) throws -> DigestTail {
    if let last, last.integration == integration { return last }
    let tail: DigestTail
    if let known = tails[integration] {
      tail = known
    } else {
      tail = try DigestTail(integration, size, database)
      tails[integration] = tail
      if !uncounted.contains(integration) { uncounted.append(integration) }
    }
    last = tail
    return tail
  }

  private mutating func append(_ log: DigestedLog, to tail: DigestTail) {
    let before = tail.bytes
    let wasRipe = tail.buffer.isRipe
    tail.buffer.append(log)
    bytes += tail.bytes - before
    if tail.buffer.isRipe, !wasRipe { ripe.append(tail) }
    // What is read from the database has its room besides: one integration at a time.
    if bytes > maximumBytes, waiting.first !== tail { forget(tail) }
  }

  /// Gives up a buffer; its logs are read again when there are enough.
  private mutating func forget(_ tail: DigestTail) {
    bytes -= tail.bytes
    ripe.removeAll { $0 === tail }
    working.removeAll { $0 === tail }
    tail.forget()
    if tail.logs >= size.ripeLogs { wait(for: tail) }
  }

  /// Has the logs read that are not in memory.
  private mutating func wait(for tail: DigestTail) {
    if !tail.isComplete, !waiting.contains(where: { $0 === tail }) { waiting.append(tail) }
  }

  /// Drops the first digests of an integration, as long as they end before a key; the last one
  /// stays, because it says up to where logs are covered.
  mutating func drop(
    before key: Int64, of integration: IntegrationID, maximum: Int, _ database: SQLiteConnection
  ) throws {
    let first = try database.statement(
      """
      SELECT last FROM log_digests WHERE integration = ? AND part = 0 ORDER BY last LIMIT ?
      """)
    first.bind(1, integration)
    first.bind(2, Int64(maximum + 1))
    var lasts: [Int64] = []
    while try first.step() { lasts.append(first.integer(0)) }
    first.reset()
    for (last, next) in zip(lasts, lasts.dropFirst()) where last < key {
      try late.drop(last, next: next, of: integration, database)
    }
  }

  // MARK: - With each commit

  /// Makes the digests that are due and advances those of older logs, inside the open transaction.
  mutating func flush(to database: SQLiteConnection) throws {
    for tail in working where tail.isDigestDone { try takeOver(tail, database) }
    for tail in ripe {
      // One at a time: what has come as fast as this waits for the one before.
      if tail.isWorking { try takeOver(tail, database) }
      begin(tail)
    }
    ripe.removeAll(keepingCapacity: true)
    try late.flush(to: database)
    if let next = uncounted.popLast() {
      try count(next, database)
    } else if let tail = waiting.first {
      try read(tail, Self.stepRows + 2 * added, database)
    }
    added = 0
  }

  /// Has the next digest of an integration made; while its logs are still being read, reading
  /// makes them.
  private mutating func begin(_ tail: DigestTail) {
    guard tail.isComplete, tail.buffer.isRipe, !tail.isWorking else { return }
    tail.beginDigest()
    working.append(tail)
  }

  /// Stores a digest that was being made.
  private mutating func takeOver(_ tail: DigestTail, _ database: SQLiteConnection) throws {
    working.removeAll { $0 === tail }
    let before = tail.bytes
    if let digest = tail.finishDigest() {
      try digest.store(database)
      late.keep(digest)
    }
    bytes += tail.bytes - before
    if tail.buffer.count > size.stuckLogs {
      bytes -= tail.bytes
      tail.giveUp()
    } else if !ripe.contains(where: { $0 === tail }) {
      begin(tail)
    }
  }

  /// Makes digests of logs that were read.
  private mutating func makeDigests(of tail: DigestTail, _ database: SQLiteConnection) throws {
    let before = tail.bytes
    while tail.buffer.isRipe, let digest = tail.takeDigest() {
      try digest.store(database)
      late.keep(digest)
    }
    bytes += tail.bytes - before
    if tail.buffer.count > size.stuckLogs {
      bytes -= tail.bytes
      tail.giveUp()
    }
  }

  private mutating func count(
    _ integration: IntegrationID, _ database: SQLiteConnection
  ) throws {
    let tail = try tails[integration] ?? DigestTail(integration, size, database)
    tails[integration] = tail
    try tail.countLogs(database)
    if tail.logs >= size.ripeLogs { wait(for: tail) }
  }

  /// Reads rows of the first that waits.
  private mutating func read(
    _ tail: DigestTail, _ rows: Int, _ database: SQLiteConnection
  ) throws {
    let before = tail.bytes
    try tail.read(rows, maximumBytes: Self.stepBytes, database)
    bytes += tail.bytes - before
    try makeDigests(of: tail, database)
    if tail.isComplete || tail.isGivenUp { waiting.removeFirst() }
  }
}

/// What lies above the last digest of one integration.
final class DigestTail {
  let integration: IntegrationID
  /// The last key of the last digest; -1: there is none.
  private(set) var frontier: Int64
  /// About how many logs lie above the frontier; too few before they are counted.
  var logs = 0
  var buffer: DigestBuffer
  private let size: DigestSize
  /// Up to which log above the frontier all are in the buffer; nil: none.
  private var heldThrough: LogID?
  /// Whether all above the frontier are in the buffer.
  private(set) var isComplete = false
  /// Whether no digest can be made any more.
  private(set) var isGivenUp = false
  /// The next digest while it is being made; the buffer then has what came since.
  private var work: DigestWork?

  init(_ integration: IntegrationID, _ size: DigestSize, _ database: SQLiteConnection) throws {
    self.integration = integration
    self.size = size
    buffer = DigestBuffer(size)
    let find = try database.statement(
      """
      SELECT last FROM log_digests WHERE integration = ? AND part = 0 ORDER BY last DESC LIMIT 1
      """)
    defer { find.reset() }
    find.bind(1, integration)
    frontier = try find.step() ? LogDigest.checked(last: find.integer(0)) : -1
  }

  /// Whether the buffer has to know a log above the frontier.
  func holds(_ id: LogID) -> Bool {
    if isComplete { return true }
    return heldThrough.map { id <= $0 } ?? false
  }

  /// About how much memory its logs take.
  var bytes: Int { buffer.bytes + (work?.bytes ?? 0) }
  /// Whether the next digest is being made.
  var isWorking: Bool { work != nil }
  /// Whether it is made and waits to be taken over.
  var isDigestDone: Bool { work?.isDone ?? false }

  /// Begins to make a digest of what is in the buffer, which has all logs above the frontier.
  func beginDigest() {
    precondition(isComplete && work == nil, "one digest of all that is known at a time")
    work = DigestWork(buffer, of: integration, after: frontier)
    buffer = DigestBuffer(size)
  }

  /// The digest that was begun, with what has come for it since; nil: there were too few logs.
  func finishDigest() -> LogDigest? {
    guard let work else { return nil }
    work.wait()
    self.work = nil
    var known = work.buffer
    known.append(buffer, for: work.digest)
    buffer = known
    if let digest = work.digest { frontier = digest.last }
    logs = buffer.count
    return work.digest
  }

  /// Forgets the buffer.
  func forget() {
    work = nil
    buffer = DigestBuffer(size)
    heldThrough = nil
    isComplete = false
  }

  /// Forgets the buffer for good: readers walk what has no digest.
  func giveUp() {
    forget()
    isGivenUp = true
    logs = .min / 2
  }

  /// Counts the logs above the frontier, no further than matters.
  func countLogs(_ database: SQLiteConnection) throws {
    let count = try database.statement(
      "SELECT count(*) FROM (SELECT 1 FROM logs WHERE integration = ? AND id > ? LIMIT ?)")
    defer { count.reset() }
    count.bind(1, integration)
    bindStart(count)
    count.bind(3, Int64(size.ripeLogs))
    logs = try count.step() ? Int(count.integer(0)) : 0
  }

  private func bindStart(_ statement: SQLiteStatement) {
    if let heldThrough {
      statement.bind(2, heldThrough)
    } else if frontier >= 0 {
      statement.bind(2, LogID(lastOfKey: frontier))
    } else {
      // Less than every id.
      statement.bind(2, blob: [])
    }
  }

  /// The next digest; nil: there are too few logs, or too few are known.
  func takeDigest() -> LogDigest? {
    // Of the logs that share the last key some may still be unread.
    let limit = isComplete ? Int64.max : (heldThrough?.key ?? 0) - 1
    let before = buffer.count
    guard
      let digest = buffer.takeDigest(of: integration, after: frontier, through: limit)
    else { return nil }
    frontier = digest.last
    logs = isComplete ? buffer.count : logs - (before - buffer.count)
    return digest
  }

  /// Reads the next logs into the buffer, until there are as many or their texts as long.
  func read(_ maximum: Int, maximumBytes: Int, _ database: SQLiteConnection) throws {
    let rows = try database.statement(
      """
      SELECT id, action, agent, entity_type, status, trigger, message, entity_name, labels
      FROM logs WHERE integration = ? AND id > ? ORDER BY id LIMIT ?
      """)
    defer { rows.reset() }
    rows.bind(1, integration)
    bindStart(rows)
    rows.bind(3, Int64(maximum))
    var count = 0
    let end = buffer.bytes + maximumBytes
    while try rows.step() {
      count += 1
      guard let id = rows.logID(0) else { continue }
      take(rows, id)
      heldThrough = id
      if buffer.bytes > end { return }
    }
    if count < maximum { isComplete = true }
  }

  private func take(_ row: SQLiteStatement, _ id: LogID) {
    var log = unsafe DigestedLog(
      integration: integration, id: id, action: row.integer(1), agent: row.integer(2),
      entityType: row.integer(3),
      status: Status(rawValue: UInt8(clamping: row.integer(4))) ?? .failed,
      trigger: LogTrigger(rawValue: UInt8(clamping: row.integer(5))) ?? .event)
    unsafe row.withText(6) { message in
      unsafe row.withText(7) { name in
        unsafe row.withBlob(8) { labels in
          unsafe log.message = message
          unsafe log.entityName = name
          unsafe log.labels = labels
          buffer.append(log)
        }
      }
    }
  }
}
