import IntegrationModel
import IntegrationStore
import SQLiteDatabase

// What people do about many logs at once, and what they write down about one.

extension Writer {
  /// Does each item alone: a refusal of one changes nothing for the others.
  private func each<Item>(
    _ items: [Item], _ body: (Item) throws -> CommandOutcome
  ) throws -> CommandOutcome {
    .many(
      try items.map { item in
        do {
          return try body(item)
        } catch let failure as StoreFailure {
          return .failed(failure)
        }
      })
  }

  /// Makes many logs that wait for an agent.
  func createRequests(_ requests: [CreateRequest], now: Instant) throws -> CommandOutcome {
    try each(requests) { try createRequest($0, now: now) }
  }

  /// Makes new logs for the work of many; one that was retried before, or is handled, is skipped,
  /// so that the command may be repeated.
  func retryLogs(_ retries: RetryLogs, now: Instant) throws -> CommandOutcome {
    let wish = RetryWish(input: nil, reason: retries.reason, principal: retries.principal)
    return try each(retries.items) { item in
      let log = item.log
      guard
        let row = try LogRow.find(database, integration: log.integration, id: log.logID),
        !row.isHandled, try !wasRetried(row)
      else { return .done }
      return try retry(row, newID: item.newID, wish, now: now)
    }
  }

  private func wasRetried(_ row: LogRow) throws -> Bool {
    let find = try database.statement(
      "SELECT 1 FROM logs WHERE retry_of = ? AND integration = ? LIMIT 1")
    defer { find.reset() }
    find.bind(1, row.id)
    find.bind(2, row.integration)
    return try find.step()
  }

  /// Withdraws many requests, or asks their agents to stop.
  func cancelRequests(
    _ logs: [LogPosition], reason: String, principal: String, now: Instant
  ) throws -> CommandOutcome {
    try each(logs) { log in
      // Rows of an integration that was deleted meanwhile may still be there.
      guard directory.integrations[log.integration] != nil,
        let row = try LogRow.find(database, integration: log.integration, id: log.logID),
        row.isRequest, !row.status.isFinal, !row.isCancelWanted
      else { return .done }
      return try cancel(row, reason: reason, principal: principal, now: now)
    }
  }

  // MARK: - Notes and marks

  /// Keeps a sentence of a person.
  func addNote(
    _ id: LogID, _ note: String, principal: String, now: Instant
  ) throws -> CommandOutcome {
    guard let row = try findAnywhere(id) else { throw StoreFailure.logUnknown(id) }
    try checkNotes(of: row)
    return try annotate(row, .note, note, principal: principal, now: now) { _ in }
  }

  /// Marks a failure as put right elsewhere, or takes the mark back.
  func markHandled(
    _ id: LogID, _ isHandled: Bool, note: String, principal: String, now: Instant
  ) throws -> CommandOutcome {
    guard let row = try findAnywhere(id) else { throw StoreFailure.logUnknown(id) }
    switch row.status {
    case .failed, .timedOut, .cancelled: break
    case .queued, .inProgress, .completed:
      throw StoreFailure(
        .failedPrecondition, "NOT_A_FAILURE",
        "log \(id) is \(row.status.name); only FAILED, TIMED_OUT and CANCELLED can be handled "
          + "elsewhere")
    }
    guard row.isHandled != isHandled else { return .log(try stored(row)) }
    try checkNotes(of: row)
    let cause = isHandled ? TransitionCause.handled : .reopened
    let outcome = try annotate(row, cause, note, principal: principal, now: now) {
      $0.isHandled = isHandled
    }
    // Those that count as failures leave their counts.
    if row.status != .cancelled { try mark(row, isHandled: isHandled) }
    return outcome
  }

  private func mark(_ row: LogRow, isHandled: Bool) throws {
    let change = try database.statement(
      isHandled
        ? "INSERT OR REPLACE INTO handled_failures VALUES(?, ?)"
        : "DELETE FROM handled_failures WHERE integration = ? AND id = ?")
    change.bind(1, row.integration)
    change.bind(2, row.id)
    try change.run()
  }

  private func checkNotes(of row: LogRow) throws {
    let count = try database.statement(
      """
      SELECT count(*) FROM timeline WHERE integration = ? AND id = ? AND cause IN (13, 14, 15)
      """)
    defer { count.reset() }
    count.bind(1, row.integration)
    count.bind(2, row.id)
    guard try count.step(), count.integer(0) >= Int64(limits.model.maximumNotes) else { return }
    throw StoreFailure(
      .resourceExhausted, "TOO_MANY_NOTES",
      "log \(row.id) has \(limits.model.maximumNotes) notes and marks, the most that a log keeps "
        + "(--maximum-notes)")
  }

  /// Stores what a person says of a log: its status and its counts stay.
  private func annotate(
    _ row: LogRow, _ cause: TransitionCause, _ text: String, principal: String, now: Instant,
    _ alter: (inout LogRow) -> Void
  ) throws -> CommandOutcome {
    var change = LogChange(row, nil)
    alter(&change.row)
    let entry = entry(
      of: change, principal: try directory.name(principal, database), agent: nil, cause: cause,
      message: text, now: now)
    try store(note: entry, &change, now: now)
    return .log(try stored(change.row))
  }
}
