import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Does a report: a new log by one insert, an old one by its transition.
  func report(
    _ report: ReportCommand, _ batch: borrowing CommandBatch, now: Instant
  ) throws -> CommandOutcome {
    if report.mayBegin {
      if report.isAhead { try refuseAhead(report, now: now) }
      if let outcome = try insertNew(report, batch, now: now) { return outcome }
    }
    #if PLANTED_OTHER_INTEGRATION
      let found = try findAnywhere(report.logID)
    #else
      let found = try LogRow.find(database, integration: report.integration, id: report.logID)
    #endif
    guard let row = found else { return .failed(unknown(report)) }
    return try reportExisting(report, row, batch, now: now)
  }

  /// Refuses to make a log with an id of a time that is far ahead; one that exists goes on, and so
  /// does what agents began while the server's own clock was ahead.
  private func refuseAhead(_ report: ReportCommand, now: Instant) throws {
    guard FieldRules.isAhead(report.logID, of: shownClock.latest),
      try LogRow.find(database, integration: report.integration, id: report.logID) == nil
    else { return }
    let issue = FieldIssue(
      field: "log_id", description: FieldRules.aheadComplaint(logID: report.logID, now: now))
    throw StoreFailure(
      .invalidArgument, "FIELD_INVALID", "log_id: \(issue.description)", issues: [issue])
  }

  private func unknown(_ report: ReportCommand) -> StoreFailure {
    if !report.leaseToken.isEmpty { return .logUnknown(report.logID) }
    if report.actionType.isEmpty {
      let issue = FieldIssue(
        field: "action_type", description: "expected on the first report of a log; it is empty")
      return StoreFailure(
        .invalidArgument, "FIELD_INVALID", "action_type: \(issue.description)", issues: [issue])
    }
    let facts = ReportFacts(sequence: report.sequence, status: report.status)
    switch LogState.begin(facts) {
    case .failure(let refusal): return StoreFailure(refusal, log: report.logID)
    case .success: return .logUnknown(report.logID)
    }
  }

  // MARK: - A new log

  /// Inserts the log that a first report makes; nil: the log exists already.
  private func insertNew(
    _ report: ReportCommand, _ batch: borrowing CommandBatch, now: Instant
  ) throws -> CommandOutcome? {
    guard
      let action = unsafe directory.actionIDs.value(
        bytes(report.actionType), scope: report.integration)
    else { throw StoreFailure.actionUnknown(string(report.actionType)) }
    let agent = try agentNumber(report.agentID, of: report.integration, now: now)
    let status = report.status ?? .inProgress
    let created = min(report.logID.time, now)
    let occurred = occurrence(report, after: created, now: now)
    bindNew(
      report, status: status, action: action, agent: agent, created: created, occurred: occurred,
      now: now)
    bindEntity(report)
    let entityType = try bindNames(report)
    try hot.insertLog.run()
    guard database.changes > 0 else { return nil }

    count(action: action, from: nil, to: status, at: now, created: created, ended: occurred)
    if !report.entityID.isEmpty {
      unsafe index.add(bytes(report.entityID), integration: report.integration, id: report.logID)
    }
    try digest(report, action: action, agent: agent, entityType: entityType, status: status)
    if status.isFinal { sizes.add(1, report.keptBytes, to: status) }
    if report.recordErrorCount > 0 { try insertErrors(of: report, batch, after: 0) }
    if status == .failed, report.isRetryable { try retryNew(report, now: now) }
    try logChanged(
      JournalEntry(
        integration: report.integration, id: report.logID, updated: now,
        sequence: report.sequence, status: status),
      row: { try newRow(report) })
    return .reported(
      ReportOutcome(
        status: status, sequence: report.sequence, isDuplicate: false, isCancelWanted: false))
  }

  private func bindNew(
    _ report: ReportCommand, status: Status, action: Int64, agent: Int64, created: Instant,
    occurred: Instant, now: Instant
  ) {
    let insert = hot.insertLog
    let occurred = occurred.milliseconds
    insert.bind(1, report.integration)
    insert.bind(2, report.logID)
    insert.bind(3, action)
    insert.bind(4, Int64(status.rawValue))
    insert.bind(5, agent)
    insert.bind(9, Int64(report.trigger.rawValue))
    unsafe insert.bind(10, borrowedText: bytes(report.message))
    insert.bind(11, Int64(clamping: report.sequence))
    insert.bind(12, created.milliseconds)
    insert.bind(13, occurred)
    insert.bind(14, now.milliseconds)
    if status.isFinal {
      insert.bind(15, occurred)
      insert.bindNull(16)
    } else {
      insert.bindNull(15)
      let due = Deadlines.progress(heard: now, policy: policy(action), limits: limits.model)
      insert.bind(16, due.milliseconds)
      noteDue(due)
    }
    insert.bindCount(18, Int64(clamping: report.recordsDone))
    insert.bindCount(19, Int64(clamping: report.recordsTotal))
    insert.bindCount(20, Int64(report.recordErrorCount))
    unsafe insert.bind(21, borrowedBlob: bytes(report.labels))
    unsafe insert.bind(22, borrowedText: bytes(report.result))
  }

  private func bindEntity(_ report: ReportCommand) {
    let insert = hot.insertLog
    unsafe insert.bind(7, borrowedText: bytes(report.entityID))
    unsafe insert.bind(8, borrowedText: bytes(report.entityName))
    unsafe insert.bind(17, borrowedText: bytes(report.entityURL))
  }

  /// Returns the entity type's number; 0: there is none.
  private func bindNames(_ report: ReportCommand) throws -> Int64 {
    guard !report.entityType.isEmpty else {
      hot.insertLog.bindNull(6)
      return 0
    }
    let entityType = try unsafe directory.name(bytes(report.entityType), database)
    hot.insertLog.bind(6, entityType)
    return entityType
  }

  private func newRow(_ report: ReportCommand) throws -> LogRow {
    guard let row = try LogRow.find(database, integration: report.integration, id: report.logID)
    else { throw StoreFailure.logUnknown(report.logID) }
    return row
  }

  private func retryNew(_ report: ReportCommand, now: Instant) throws {
    try retryAutomatically(
      newRow(report), request: nil, afterMs: report.retryAfterMs, now: now)
  }

  // MARK: - A log that exists

  private func reportExisting(
    _ report: ReportCommand, _ row: LogRow, _ batch: borrowing CommandBatch, now: Instant
  ) throws -> CommandOutcome {
    var change = try LogChange(row, database)
    let facts = ReportFacts(
      sequence: report.sequence, status: report.status, lease: lease(of: report),
      repeatsContent: (report.status ?? row.status) == row.status
        && (report.message.isEmpty || string(report.message) == row.message))
    switch change.state.apply(.reported(facts), limits: limits.model) {
    case .duplicate:
      return .reported(outcome(row, isDuplicate: true))
    case .refuse(let refusal):
      if case .logFinal = refusal { try keepLate(report, &change, now: now) }
      return .failed(StoreFailure(refusal, log: report.logID))
    case .move(let next, let cause):
      let labels = try mergedLabels(report, row)
      let agent = try agentNumber(report.agentID, of: report.integration, now: now)
      change.row.labels = labels
      change.row.agent = agent
      change.apply(next)
      try take(report, into: &change, batch, now: now)
      let entry = entry(
        of: change, principal: principal(of: report.integration), agent: agent, cause: cause,
        message: string(report.message), now: now)
      try store(&change, entry: entry, now: now)
      if next.status == .failed, report.isRetryable {
        try retryAutomatically(
          change.row, request: change.request, afterMs: report.retryAfterMs, now: now)
      }
      return .reported(outcome(change.row, isDuplicate: false))
    case .hold, .askAgent:
      preconditionFailure("a report moves a log or is refused")
    }
  }

  private func outcome(_ row: LogRow, isDuplicate: Bool) -> ReportOutcome {
    ReportOutcome(
      status: row.status, sequence: row.sequence, isDuplicate: isDuplicate,
      isCancelWanted: row.isCancelWanted)
  }

  private func lease(of report: ReportCommand) -> ReportFacts.Lease {
    if report.leaseToken.isEmpty { return .absent }
    return unsafe LeaseToken(text: bytes(report.leaseToken)).map { .token($0) } ?? .unreadable
  }

  /// Takes over what a report says besides the transition.
  private func take(
    _ report: ReportCommand, into change: inout LogChange, _ batch: borrowing CommandBatch,
    now: Instant
  ) throws {
    if !report.message.isEmpty { change.row.message = string(report.message) }
    if !report.result.isEmpty { change.row.result = string(report.result) }
    if report.recordsDone > 0 { change.row.recordsDone = report.recordsDone }
    if report.recordsTotal > 0 { change.row.recordsTotal = report.recordsTotal }
    if report.recordErrorCount > 0 {
      try insertErrors(of: report, batch, after: change.row.recordErrors)
      change.row.recordErrors += UInt64(report.recordErrorCount)
    }
    let occurred = occurrence(report, after: change.row.created, now: now)
    if change.row.status != .queued, change.row.started == nil { change.row.started = occurred }
    if change.row.status.isFinal {
      change.row.finished = max(occurred, change.row.started ?? occurred)
      change.row.due = nil
    } else {
      change.request?.extendLease(now: now)
    }
  }

  private func mergedLabels(_ report: ReportCommand, _ row: LogRow) throws -> [UInt8] {
    guard !report.labels.isEmpty else { return row.labels }
    let new = unsafe Array(bytes(report.labels))
    guard !row.labels.isEmpty else { return new }
    let merged = Labels.decode(row.labels).merging(Labels.decode(new)) { _, new in new }
    guard merged.count <= FieldRules.maximumLabels else {
      let issue = FieldIssue(
        field: "labels",
        description: "a log has at most \(FieldRules.maximumLabels) labels; it would have "
          + "\(merged.count)")
      throw StoreFailure(
        .invalidArgument, "FIELD_INVALID", "labels: \(issue.description)", issues: [issue])
    }
    return Labels.encode(merged)
  }

  private func keepLate(_ report: ReportCommand, _ change: inout LogChange, now: Instant) throws {
    guard change.row.late < Int64(limits.model.maximumLateEntries) else { return }
    let agent = try agentNumber(report.agentID, of: report.integration, now: now)
    let row = change.row
    let late = TimelineRow(
      at: now, from: row.status, to: report.status ?? row.status,
      principal: principal(of: report.integration), agent: agent, cause: .report,
      message: string(report.message), isLate: true)
    try appendLate(late, to: &change)
  }

  private func insertErrors(
    of report: ReportCommand, _ batch: borrowing CommandBatch, after stored: UInt64
  ) throws {
    let insert = try database.statement("INSERT INTO record_errors VALUES(?, ?, ?, ?, ?, ?, ?)")
    var number = Int64(clamping: stored)
    for position in 0..<Int(report.recordErrorCount) {
      guard number < Int64(clamping: limits.model.maximumRecordErrors) else { return }
      number += 1
      let error = batch.recordErrors[Int(report.firstRecordError) + position]
      insert.bind(1, report.integration)
      insert.bind(2, report.logID)
      insert.bind(3, number)
      unsafe insert.bind(4, borrowedText: bytes(error.referenceID))
      unsafe insert.bind(5, borrowedText: bytes(error.message))
      unsafe insert.bind(6, borrowedText: bytes(error.cause))
      insert.bind(7, Int64(error.isRetryable ? 1 : 0))
      try insert.run()
    }
  }

  /// When what a report tells happened: the agent's clock where that is possible, else now; never
  /// before its log was made, also where the clock was set back since.
  private func occurrence(
    _ report: ReportCommand, after created: Instant, now: Instant
  ) -> Instant {
    guard let occurred = report.occurredAt else { return max(now, created) }
    return max(min(occurred, now), created)
  }
}
