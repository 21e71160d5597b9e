import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Which logs changed, commit by commit, so that a tail that was cut off goes on without a gap;
/// lives in the writer.
///
/// It is kept from the first `keepJournal` until `StoreLimits.tailJournalMs` after the last one.
/// Each commit that changed logs has one row then, in the same transaction. Otherwise it costs a
/// look at a flag.
struct ChangeJournal {
  /// Rows that a commit takes out at most: it adds one.
  private static let prunedRows = 4
  /// Rows that a commit takes out at most of a journal that has ended.
  private static let leftRows = 64
  /// What a start leaves out of the numbers of commits: a reader may have shown one that was not
  /// yet on disk when the power failed, and its number must not come again.
  private static let skippedNumbers: Int64 = 1 << 20

  private let limits: StoreLimits
  private var number: Int64 = 0
  /// Until when it is kept unless somebody asks; `.epoch`: it is not kept.
  private var until = Instant.epoch
  /// All commits behind this one are in the table.
  private var completeAfter: Int64 = 0
  /// The last commit that has a number.
  private var last: Int64 = 0
  private var total: Int64 = 0
  private var hasRows = false

  /// Whether the changes of this batch are noted.
  private(set) var isRecording = false
  private var entries: [UInt8] = []
  private var count: Int64 = 0

  private var isKept: Bool { until > .epoch }

  init(_ database: SQLiteConnection, _ limits: StoreLimits) throws {
    self.limits = limits
    let state = try JournalState(database)
    number = state.number
    until = state.until
    completeAfter = state.completeAfter
    last = state.last + Self.skippedNumbers
    let sums = try database.rows("SELECT sum(count), count(*) FROM changes").first
    total = sums?.first?.integer ?? 0
    hasRows = (sums?.last?.integer ?? 0) > 0
  }

  // MARK: - One batch

  mutating func begin(wantsLogEvents: Bool) {
    isRecording = isKept || wantsLogEvents
    entries.removeAll(keepingCapacity: entries.count <= 1 << 20)
    count = 0
  }

  /// Where the batch stands, to come back to when a command is undone.
  var mark: Int64 { count }

  /// Forgets what was noted since the mark.
  mutating func rewind(to mark: Int64) {
    count = mark
    entries.removeSubrange(Int(mark) * JournalEntry.bytes..<entries.count)
  }

  /// Notes a change; the place behind it, nil: no journal is kept.
  mutating func append(_ entry: JournalEntry) -> ChangePlace? {
    guard isRecording else { return nil }
    entry.append(to: &entries)
    count += 1
    return isKept ? ChangePlace(journal: number, commit: last + 1, entry: count) : nil
  }

  /// Keeps the journal from here on; the place before this batch.
  mutating func keep(_ database: SQLiteConnection, now: Instant) throws -> ChangePlace {
    if !isKept || now >= until {
      number = max(now.milliseconds, number + 1)
      // A batch that was not noted from its beginning has its number, and nothing resumes in it.
      if !isRecording { last += 1 }
      completeAfter = last
    }
    until = now.adding(milliseconds: limits.tailJournalMs)
    try save(database)
    return ChangePlace(journal: number, commit: last + 1, entry: 0)
  }

  /// The clock was set: what is kept is kept as long as it would have been.
  mutating func move(byMs step: Int64, _ database: SQLiteConnection) throws {
    guard isKept || hasRows else { return }
    if isKept { until = until.adding(milliseconds: step) }
    try database.run("UPDATE changes SET at = at + ?", .integer(step))
    try save(database)
  }

  /// Writes what the batch has changed, and takes out a little of what is too old.
  mutating func flush(_ database: SQLiteConnection, now: Instant) throws {
    guard isKept || hasRows else { return }
    if isKept, isRecording, count > 0 {
      let insert = try database.statement("INSERT INTO changes VALUES(?, ?, ?, ?)")
      insert.bind(1, last + 1)
      insert.bind(2, now)
      insert.bind(3, count)
      insert.bind(4, blob: entries)
      try insert.run()
      last += 1
      total += count
      hasRows = true
    }
    if isKept, now >= until {
      until = .epoch
      completeAfter = last
      try save(database)
    }
    if hasRows { try prune(database, now: now) }
  }

  private mutating func prune(_ database: SQLiteConnection, now: Instant) throws {
    let oldest = now.adding(milliseconds: -limits.tailJournalMs)
    let find = try database.statement(
      "SELECT n, at, count FROM changes ORDER BY n LIMIT \(Self.leftRows)")
    var end: Int64?
    var removed = 0
    hasRows = false
    while try find.step() {
      hasRows = true
      let isLeft = find.integer(0) <= completeAfter
      let isOld = Instant(milliseconds: find.integer(1)) < oldest
      guard isLeft || isOld || total > limits.tailJournalChanges else { break }
      if !isLeft, removed >= Self.prunedRows { break }
      end = find.integer(0)
      total -= find.integer(2)
      removed += 1
    }
    find.reset()
    guard let end else { return }
    let delete = try database.statement("DELETE FROM changes WHERE n <= ?")
    delete.bind(1, end)
    try delete.run()
    guard end > completeAfter else { return }
    completeAfter = end
    try save(database)
  }

  private func save(_ database: SQLiteConnection) throws {
    let save = try database.statement("INSERT OR REPLACE INTO journal VALUES(1, ?, ?, ?)")
    save.bind(1, number)
    save.bind(2, until)
    save.bind(3, completeAfter)
    try save.run()
  }
}

/// What the database says of the journal.
struct JournalState {
  var number: Int64 = 0
  var until = Instant.epoch
  var completeAfter: Int64 = 0
  /// The last commit of it; 0: there was none.
  var last: Int64 = 0

  init(_ database: SQLiteConnection) throws {
    let find = try database.statement("SELECT number, until, complete_after FROM journal")
    defer { find.reset() }
    guard try find.step() else { return }
    number = find.integer(0)
    until = Instant(milliseconds: find.integer(1))
    completeAfter = find.integer(2)
    let highest = try database.statement("SELECT max(n) FROM changes")
    defer { highest.reset() }
    last = max(completeAfter, try highest.step() ? highest.integer(0) : 0)
  }
}

/// One change: which log, and by what its state is known.
struct JournalEntry: Equatable {
  static let bytes = 40

  var integration: IntegrationID
  var id: LogID
  var updated: Instant
  var sequence: UInt64
  var status: Status

  init(
    integration: IntegrationID, id: LogID, updated: Instant, sequence: UInt64, status: Status
  ) {
    self.integration = integration
    self.id = id
    self.updated = updated
    self.sequence = sequence & 0xff_ffff_ffff_ffff
    self.status = status
  }

  init(_ row: LogRow) {
    self.init(
      integration: row.integration, id: row.id, updated: row.updated, sequence: row.sequence,
      status: row.status)
  }

  /// Reads entry `index` of a row; nil: the bytes are none.
  init?(_ blob: UnsafeRawBufferPointer, at index: Int) {
    guard index >= 0, (index + 1) * Self.bytes <= blob.count else { return nil }
    let words = (0..<5).map { word in
      UInt64(
        bigEndian: unsafe blob.loadUnaligned(
          fromByteOffset: index * Self.bytes + 8 * word, as: UInt64.self))
    }
    guard let status = Status(rawValue: UInt8(words[4] & 0xff)) else { return nil }
    self.init(
      integration: Int64(bitPattern: words[0]), id: LogID(high: words[1], low: words[2]),
      updated: Instant(milliseconds: Int64(bitPattern: words[3])), sequence: words[4] >> 8,
      status: status)
  }

  func append(to bytes: inout [UInt8]) {
    let words = [
      UInt64(bitPattern: integration), id.high, id.low,
      UInt64(bitPattern: updated.milliseconds), sequence << 8 | UInt64(status.rawValue),
    ]
    for word in words {
      unsafe withUnsafeBytes(of: word.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }
  }
}

extension Reader {
  /// Entries that one page looks at.
  static let maximumChanges = 4_000

  /// Changed logs behind a place; nil: the journal does not reach back so far.
  func changes(_ query: ChangeQuery) throws -> ChangePage? {
    let state = try JournalState(database)
    let after = query.after
    guard state.number == after.journal, after.commit > state.completeAfter, after.entry >= 0
    else { return nil }
    let limit = min(max(query.limit, 1), FieldRules.maximumItems)
    var page = ChangePage(logs: [], next: after, isEnd: false, commit: state.last)
    var shown: Set<LogPosition> = []
    var visited = 0
    var bytes = 0
    let find = try database.statement(
      "SELECT n, count, entries FROM changes WHERE n >= ? ORDER BY n")
    defer { find.reset() }
    find.bind(1, after.commit)
    while try find.step() {
      let commit = find.integer(0)
      for index in (commit == after.commit ? after.entry : 0)..<max(find.integer(1), after.entry) {
        if visited == Self.maximumChanges || page.logs.count == limit { return page }
        if bytes >= Self.maximumPageBytes { return page }
        visited += 1
        page.next = ChangePlace(journal: state.number, commit: commit, entry: index + 1)
        let entry = unsafe find.withBlob(2) { unsafe JournalEntry($0, at: Int(index)) }
        guard let entry else { break }
        let position = LogPosition(logID: entry.id, integration: entry.integration)
        // A log that changed later stands where it did.
        guard
          let row = try LogRow.find(database, integration: entry.integration, id: entry.id),
          JournalEntry(row) == entry, shown.insert(position).inserted
        else { continue }
        bytes += row.textBytes
        page.logs.append((try names.stored(row), page.next))
      }
    }
    page.next = ChangePlace(
      journal: state.number, commit: max(state.last + 1, after.commit), entry: 0)
    if page.next.commit == after.commit { page.next.entry = after.entry }
    page.isEnd = true
    return page
  }
}
