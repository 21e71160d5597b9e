import IntegrationModel
import IntegrationStore
import SQLiteDatabase

// The wall clock was set: what lasts a span goes on as if nothing had happened.

/// The time that commands last had, about, and what happened to the clock before: what a start
/// knows of an earlier run's clock.
struct ShownClock {
  /// How much later a time must be to be written, in milliseconds.
  private static let stepMs: Int64 = 1_000

  private(set) var at: Instant
  /// The latest time that a clock had that was set back since.
  private(set) var latest: Instant
  private(set) var doubt: ClockDoubt

  init(_ database: SQLiteConnection) throws {
    let row = try database.rows("SELECT shown, latest, ahead, doubt FROM clock").first
    let numbers = row?.map { $0.integer ?? 0 } ?? [0, 0, 0, 0]
    at = Instant(milliseconds: numbers[0])
    latest = Instant(milliseconds: numbers[1])
    doubt = ClockDoubt(aheadMs: numbers[2], leftMs: numbers[3])
  }

  /// Notes the time of a batch, now and then.
  mutating func note(_ now: Instant, _ database: SQLiteConnection) throws {
    let passed = now.milliseconds(since: at)
    guard passed >= Self.stepMs else { return }
    if at != .epoch { doubt.passed(ms: passed) }
    at = now
    try save(database)
  }

  /// The clock was set by a step, to a time.
  mutating func step(byMs step: Int64, to now: Instant, _ database: SQLiteConnection) throws {
    if step < 0 { latest = max(latest, now.adding(milliseconds: -step)) }
    doubt.stepped(byMs: step)
    at = now
    try save(database)
  }

  /// A server starts: the time since the last one ended is no step of the clock, but one of days
  /// may be, and it is no time in which somebody could have set the clock.
  mutating func start(_ now: Instant, _ database: SQLiteConnection) throws {
    guard at != .epoch, now > at else { return }
    doubt.stepped(byMs: now.milliseconds(since: at))
    at = now
    try save(database)
  }

  private func save(_ database: SQLiteConnection) throws {
    try database.run(
      "REPLACE INTO clock(id, shown, latest, ahead, doubt) VALUES(1, ?, ?, ?, ?)",
      .integer(at.milliseconds), .integer(latest.milliseconds), .integer(doubt.aheadMs),
      .integer(doubt.leftMs))
  }
}

extension Writer {
  /// Moves the ends of all spans by a step of the clock, and finds the next deadline.
  ///
  /// Without a step a server has started: the step is how far the clock is behind an earlier run's.
  func moveClock(byMs told: Int64, now: Instant) throws -> CommandOutcome {
    let step = stepMs(told: told, now: now)
    if step != 0 {
      try moveSpans(byMs: step, now: now)
    } else {
      try shownClock.start(now, database)
    }
    let next = try nextEnd()
    announced(next: next)
    return .clockMoved(next: next, doubt: shownClock.doubt)
  }

  /// Keeps the steps of the clock of a batch that was refused: the next batch that is stored brings
  /// what they owe, before its commands.
  ///
  /// They are kept in memory alone, for there is no space. A run that ends before has stored no
  /// time by the new clock either, so that the next start finds how far that is behind by itself.
  func keepClockSteps(of batch: borrowing CommandBatch) {
    for entry in batch.entries {
      guard let told = batch.clockStep(of: entry)?.ms else { continue }
      let step = stepMs(told: told, now: entry.now)
      if told == 0 { owesStart = true }
      guard step != 0 else { continue }
      owedStepMs = owedStepMs.addingReportingOverflow(step).partialValue
    }
  }

  /// Moves the ends of all spans by the steps that could not be stored when they came.
  ///
  /// Where this finds no space the batch is refused too: its commands would end what they find by
  /// the wrong clock.
  func moveOwedSpans(before batch: borrowing CommandBatch) throws {
    guard owedStepMs != 0 || owesStart, let first = batch.entries.first else { return }
    // Before the batch's first command; a step among them comes on top of what is owed.
    let now = first.now.adding(milliseconds: -(batch.clockStep(of: first)?.ms ?? 0))
    if owesStart { try shownClock.start(now, database) }
    guard owedStepMs != 0 else { return }
    try moveSpans(byMs: owedStepMs, now: now)
    // Whatever was announced was by the old clock.
    announced(next: nil)
    noteDue(try nextEnd())
  }

  private func stepMs(told: Int64, now: Instant) -> Int64 {
    told == 0 ? min(0, now.milliseconds(since: shownClock.at)) : told
  }

  private func moveSpans(byMs step: Int64, now: Instant) throws {
    let before = now.adding(milliseconds: -step)
    // Deadlines are found by what requests say before these move.
    try moveDeadlines(byMs: step, before: before)
    try moveRequests(byMs: step, before: before, now: now)
    try moveOwnWork(byMs: step, before: before)
    for (action, window) in rates.move(byMs: step) {
      try ControlRows.save(window, of: action, database)
    }
    try journal.move(byMs: step, database)
    try pruner.clockMoved(now: now, database)
    try shownClock.step(byMs: step, to: now, database)
    latestTime = now
  }

  /// What of the clock is kept for a start, written with the batch.
  func noteClock(of batch: borrowing CommandBatch) throws {
    guard let now = batch.entries.last?.now else { return }
    try shownClock.note(now, database)
  }

  /// Whether a request waits for a time that a person named, by the old clock or by the new one, in
  /// SQL: that time stays.
  ///
  /// A retry's time is the end of its backoff.
  private static let waitsForPerson =
    "(r.hold = 0 AND r.original = 1 AND r.not_before IS NOT NULL AND r.not_before > ?3)"
  /// Whether a schedule made a request, in SQL: then its end is a span too.
  private static let isRun = """
    EXISTS (SELECT 1 FROM schedule_logs s WHERE s.integration = r.integration AND s.id = r.id)
    """
  private static let heldMs = RequestRow.held.milliseconds
  /// The end of the queue timeout after the step, in SQL; a time that a person named stays.
  private static let movedQueueBy = """
    CASE WHEN \(isRun) THEN r.queue_by + ?1 WHEN r.queue_by IS r.expires THEN r.queue_by
      ELSE min(r.queue_by + ?1, coalesce(r.expires, r.queue_by + ?1)) END
    """

  private func moveDeadlines(byMs step: Int64, before: Instant) throws {
    let move = try database.statement(
      """
      UPDATE logs SET due = CASE
        WHEN r.hold != 0 THEN due + ?1
        WHEN \(Self.waitsForPerson) THEN min(r.not_before, r.queue_by)
        WHEN r.available > ?2 AND r.available < \(Self.heldMs)
          THEN min(r.available + ?1, \(Self.movedQueueBy))
        ELSE \(Self.movedQueueBy) END
      FROM requests r
      WHERE r.hold < 3 AND r.integration = logs.integration AND r.id = logs.id
        AND logs.due IS NOT NULL
      """)
    move.bind(1, step)
    move.bind(2, before)
    move.bind(3, min(before, before.adding(milliseconds: step)))
    try move.run()
  }

  private func moveRequests(byMs step: Int64, before: Instant, now: Instant) throws {
    let waiting = min(before, now)
    // Whose time has come by the step was never offered: its queue timeout begins now.
    let wait = try database.statement(
      """
      UPDATE requests AS r SET available = not_before,
        queue_by = CASE WHEN not_before > ?1 OR queue_by IS expires THEN queue_by
          ELSE min(queue_by - not_before + ?1, coalesce(expires, queue_by - not_before + ?1)) END
      WHERE \(Self.waitsForPerson)
      """)
    wait.bind(1, now)
    wait.bind(3, waiting)
    try wait.run()
    let move = try database.statement(
      """
      UPDATE requests AS r SET
        available = CASE WHEN available < \(Self.heldMs) THEN available + ?1 ELSE available END,
        not_before = CASE WHEN original = 0 THEN not_before + ?1 ELSE not_before END,
        queue_by = \(Self.movedQueueBy),
        expires = CASE WHEN \(Self.isRun) THEN expires + ?1 ELSE expires END,
        lease_expires = lease_expires + ?1,
        accept_by = accept_by + ?1, gone = gone + ?1
      WHERE r.hold < 3 AND NOT \(Self.waitsForPerson)
      """)
    move.bind(1, step)
    move.bind(3, waiting)
    try move.run()
  }

  /// Own work is over when nothing was heard of it for its progress timeout, by a report or a
  /// heartbeat; from here on the deadline alone says when it was heard of.
  ///
  /// What was heard by a clock that was ahead of the one before the step, its deadline knows.
  private func moveOwnWork(byMs step: Int64, before: Instant) throws {
    let move = try database.statement(
      """
      UPDATE logs
      SET due = CASE WHEN updated > ?4 THEN due ELSE max(due, updated + ?3) END + ?1
      WHERE due IS NOT NULL AND \(Self.isOwnWork)
        AND action IN (SELECT value FROM json_each(?2))
      """)
    // One walk over all that is due for each span: there are few.
    let spans = Dictionary(grouping: try actionsInProgress(), by: progressSpan)
    for (span, actions) in spans {
      move.bind(1, step)
      move.bind(2, "[\(actions.map(String.init).joined(separator: ","))]")
      move.bind(3, span.milliseconds)
      move.bind(4, before)
      try move.run()
    }
  }

  private static let isOwnWork = "coalesce(flags, 0) & \(LogRow.Flag.request) = 0"

  private func actionsInProgress() throws -> [Int64] {
    try database.rows(
      """
      SELECT DISTINCT action FROM logs
      WHERE due IS NOT NULL AND \(Self.isOwnWork)
      """
    ).compactMap { $0.first?.integer }
  }

  private func progressSpan(_ action: Int64) -> Instant {
    Deadlines.progress(heard: .epoch, policy: policy(action), limits: limits.model)
  }
}
