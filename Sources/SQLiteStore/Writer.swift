import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Does the commands of a batch in one transaction; lives on the writer's queue.
///
/// It knows SQL and the directory of names, and leaves every decision about a log to `LogState`.
@safe final class Writer {
  let database: SQLiteConnection
  let limits: StoreLimits
  var directory: Directory
  var index: EntityIndex
  var digests: LogDigests
  var journal: ChangeJournal
  var rates: DeliveryRates
  private var counts: CountDeltas
  var sizes = StatusSizes()
  var pruner: Pruner
  private var order = BatchOrder()
  let hot: HotStatements
  let names: NameCache

  /// The texts of the batch that is being done.
  private(set) var text = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var events: [StoreEvent] = []
  private var wantsLogEvents = false
  /// The earliest deadline that was said to the observer.
  private var announcedDue = Instant.distantFuture
  private var earliestDue = Instant.distantFuture
  private var leases: UInt64 = 0
  /// The latest time of a command that was done since the clock was set.
  var latestTime = Instant.epoch
  /// By how much the clock was set while there was no space to store it.
  var owedStepMs: Int64 = 0
  /// Whether there was no space to note the start.
  var owesStart = false
  var shownClock: ShownClock
  /// Runs of schedules that ended and are not yet taken note of.
  var endedRuns: [EndedRun] = []
  #if PLANTED_ACKNOWLEDGE_BEFORE_COMMIT
    var acknowledge: ((Commit) -> Void)?
  #endif

  init(database: SQLiteConnection, limits: StoreLimits) throws {
    self.database = database
    self.limits = limits
    directory = try Directory(database)
    index = try EntityIndex(database, tailEntries: limits.entityTailEntries)
    digests = LogDigests(directory.integrations.keys, limits)
    journal = try ChangeJournal(database, limits)
    rates = try DeliveryRates(database)
    shownClock = try ShownClock(database)
    counts = CountDeltas()
    pruner = try Pruner(database)
    names = NameCache(database)
    hot = try HotStatements(database)
  }

  // MARK: - One batch

  /// Does a batch and commits it.
  ///
  /// Throws `SQLiteError` when a statement or the commit fails; the transaction is rolled back
  /// then.
  ///
  /// The commit is in the write-ahead log then, not yet on disk. Outcomes and events are left in
  /// `commit`.
  func perform(_ commit: Commit, mode: BatchMode, wantsLogEvents: Bool) throws {
    begin(wantsLogEvents: wantsLogEvents)
    commit.outcomes.removeAll(keepingCapacity: true)
    let (latestTime, awaited) = (latestTime, rates.awaited)
    do {
      try database.statement("BEGIN IMMEDIATE").run()
      try moveOwedSpans(before: commit.batch)
      try performAll(commit.batch, mode: mode, into: &commit.outcomes)
      try flush()
      try noteClock(of: commit.batch)
      try journal.flush(database, now: commit.batch.entries.last?.now ?? .epoch)
      #if PLANTED_ACKNOWLEDGE_BEFORE_COMMIT
        finishEvents()
        swap(&events, &commit.events)
        acknowledge?(commit)
      #endif
      try database.statement("COMMIT").run()
    } catch {
      database.rollBack()
      self.latestTime = latestTime
      rates.awaited = awaited
      throw error
    }
    (owedStepMs, owesStart) = (0, false)
    #if !PLANTED_ACKNOWLEDGE_BEFORE_COMMIT
      finishEvents()
      swap(&events, &commit.events)
    #endif
  }

  /// Writes what is kept beside rows, inside the open transaction.
  func flush() throws {
    try counts.flush(to: database)
    try sizes.flush(to: database)
    try index.flush(to: database)
    try digests.flush(to: database)
  }

  private func begin(wantsLogEvents: Bool) {
    events.removeAll(keepingCapacity: true)
    self.wantsLogEvents = wantsLogEvents
    journal.begin(wantsLogEvents: wantsLogEvents)
    earliestDue = .distantFuture
    endedRuns.removeAll()
  }

  private func performAll(
    _ batch: borrowing CommandBatch, mode: BatchMode, into outcomes: inout [CommandOutcome]
  ) throws {
    let bytes = batch.bytes
    try unsafe bytes.withUnsafeBytes { buffer in
      unsafe text = buffer
      defer { unsafe text = UnsafeRawBufferPointer(start: nil, count: 0) }
      // Whoever hears of changed logs hears of them in the order of the commands.
      if wantsLogEvents || mode == .oneByOne { order.keep(batch) } else { order.arrange(batch) }
      outcomes.append(contentsOf: repeatElement(.done, count: batch.count))
      for position in order.positions {
        outcomes[position] = try perform(batch.entries[position], batch, mode: mode)
      }
      try finishEndedRuns()
    }
  }

  private func perform(
    _ entry: CommandBatch.Entry, _ batch: borrowing CommandBatch, mode: BatchMode
  ) throws -> CommandOutcome {
    switch mode {
    case .together:
      return try outcome(entry, batch)
    case .oneByOne:
      let (counts, sizes, events, changes) = (counts, sizes, events.count, journal.mark)
      let (rates, endedRuns, latestTime, shownClock) = (rates, endedRuns, latestTime, shownClock)
      try database.execute("SAVEPOINT command")
      do {
        let outcome = try outcome(entry, batch)
        try database.execute("RELEASE command")
        return outcome
      } catch let error as SQLiteError where !error.endsStore && !error.isFull {
        // A full disk may have ended the whole transaction; then every command is refused.
        try database.execute("ROLLBACK TO command")
        try database.execute("RELEASE command")
        self.counts = counts
        self.sizes = sizes
        self.rates = rates
        self.endedRuns = endedRuns
        (self.latestTime, self.shownClock) = (latestTime, shownClock)
        self.events.removeSubrange(events...)
        journal.rewind(to: changes)
        return .failed(StoreFailure(.internalError, "INTERNAL", error.description))
      }
    }
  }

  private func outcome(
    _ entry: CommandBatch.Entry, _ batch: borrowing CommandBatch
  ) throws -> CommandOutcome {
    let index = Int(entry.index)
    let now = entry.now
    latestTime = max(latestTime, now)
    do {
      switch entry.kind {
      case .report: return try report(batch.reports[index], batch, now: now)
      case .renewal: return try renew(batch.renewals[index], batch, now: now)
      case .lease: return try lease(batch.leases[index], batch, now: now)
      case .other: return try perform(batch.others[index], now: now)
      }
    } catch let failure as StoreFailure {
      // Commands check before they write, so nothing of a refused one is left.
      return .failed(failure)
    }
  }

  /// Loads everything that is kept in memory again, after a rollback.
  func reload() throws {
    directory = try Directory(database)
    index = try EntityIndex(database, tailEntries: limits.entityTailEntries)
    digests = LogDigests(directory.integrations.keys, limits)
    journal = try ChangeJournal(database, limits)
    let awaited = rates.awaited
    rates = try DeliveryRates(database)
    rates.awaited = awaited
    shownClock = try ShownClock(database)
    counts = CountDeltas()
    sizes = StatusSizes()
    pruner = try Pruner(database)
    names.removeAll()
  }

  // MARK: - What commands leave behind

  /// The bytes of a text of the batch; valid while the batch is done.
  func bytes(_ range: TextRange) -> UnsafeRawBufferPointer {
    let start = Int(range.offset)
    return unsafe UnsafeRawBufferPointer(rebasing: text[start..<start + Int(range.count)])
  }

  /// A text of the batch as a string.
  func string(_ range: TextRange) -> String {
    range.isEmpty ? "" : unsafe String(decoding: bytes(range), as: UTF8.self)
  }

  /// A row with its names.
  func stored(_ row: LogRow) throws -> StoredLog { try names.stored(row) }

  func emit(_ event: StoreEvent) { events.append(event) }

  /// A log was made or changed: the journal and whoever tails hear of it.
  func logChanged(_ row: LogRow) throws {
    guard journal.isRecording else { return }
    let place = journal.append(JournalEntry(row))
    if wantsLogEvents { events.append(.logChanged(try stored(row), place)) }
  }

  /// A log was made by a report; its row is read only for those who tail.
  func logChanged(_ entry: @autoclosure () -> JournalEntry, row: () throws -> LogRow) throws {
    guard journal.isRecording else { return }
    let place = journal.append(entry())
    if wantsLogEvents { events.append(.logChanged(try stored(row()), place)) }
  }

  /// Counts a log that moved from one status to another; nil: it was made, or is gone.
  ///
  /// `created` and `ended` say in which hours it counts, where that is not now.
  func count(
    action: Int64, from: Status?, to: Status?, at now: Instant, created: Instant? = nil,
    ended: Instant? = nil
  ) {
    counts.move(
      action: action, from: from, to: to, at: now, created: created ?? now, ended: ended ?? now)
  }

  /// Writes what was counted so far, so that rows tell it.
  func flushCounts() throws { try counts.flush(to: database) }

  /// About how many pages went into the write-ahead log since the last call.
  func takeWrittenPages() -> Int { database.takeWrittenPages() }

  /// Remembers a deadline.
  func noteDue(_ due: Instant?) {
    if let due, due < earliestDue { earliestDue = due }
  }

  /// Says that everything up to `next` is handled.
  func announced(next: Instant?) { announcedDue = next ?? .distantFuture }

  /// A number that no earlier lease of this log had.
  ///
  /// The time tells leases of different runs of the server apart, the count those of one run.
  func nextNonce(_ id: LogID, now: Instant) -> UInt64 {
    leases &+= 1
    return Hashing.mix(Hashing.mix(leases ^ id.low) ^ UInt64(bitPattern: now.milliseconds))
  }

  private func finishEvents() {
    guard earliestDue < announcedDue else { return }
    announcedDue = earliestDue
    events.append(.dueChanged(earliestDue))
  }
}

/// How commands share a transaction.
enum BatchMode {
  /// A database error of one command rolls all back.
  case together
  /// Each in a savepoint, so that a database error refuses only its own command.
  case oneByOne
}

extension SQLiteError {
  /// Whether a digest is damaged, which can be made again.
  var isOfDigest: Bool { extendedCode == LogDigest.damageCode }
  /// Whether nothing can be believed after this error; others are the fault of one command.
  var endsStore: Bool { !(isConstraint || code == 18 || code == 20 || isFull) }
}
