import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Handles deadlines that are due, the oldest first, and finds the next.
  ///
  /// A row's `due` is the earliest time at which something may have to happen; renewals do not move
  /// it, so that they cost no index change. What is found early only gets its true time.
  func expire(maximum: Int, now: Instant) throws -> CommandOutcome {
    let due = try database.statement(
      "SELECT integration, id FROM logs WHERE due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?")
    due.bind(1, now)
    due.bind(2, Int64(max(1, maximum)))
    var found: [(IntegrationID, LogID)] = []
    while try due.step() {
      if let id = due.logID(1) { found.append((due.integer(0), id)) }
    }
    due.reset()
    for (integration, id) in found {
      guard let row = try LogRow.find(database, integration: integration, id: id) else { continue }
      // What is being deleted has no deadlines any more.
      guard directory.integrations[integration] != nil else {
        try setDue(nil, of: row)
        continue
      }
      try expire(try LogChange(row, database), now: now)
    }
    try offerOpened(now: now)
    let next = try nextEnd()
    announced(next: next)
    return .expired(count: found.count, next: next)
  }

  /// When something has to happen next: a deadline, or a rate that opens.
  func nextEnd() throws -> Instant? {
    [try nextDue(), rates.nextOpening].compactMap(\.self).min()
  }

  /// The earliest deadline of all.
  private func nextDue() throws -> Instant? {
    let next = try database.statement("SELECT min(due) FROM logs WHERE due IS NOT NULL")
    defer { next.reset() }
    return try next.step() ? next.instant(0) : nil
  }

  private func expire(_ change: LogChange, now: Instant) throws {
    guard !change.row.status.isFinal else { return try setDue(nil, of: change.row) }
    guard let request = change.request else {
      // A report from before the clock was set back is in what moved with it. One that came while
      // this command waited behind others is later than it, and counts.
      let reported = change.row.updated > max(now, latestTime) ? .epoch : change.row.updated
      let heard = max(reported, heardByHeartbeat(change.row))
      let end = Deadlines.progress(
        heard: heard, policy: policy(change.row.action), limits: limits.model)
      if end > now { return try setDue(end, of: change.row) }
      return try timeOut(
        change, .progressTimeoutPassed, "Nothing was heard of it within the progress timeout.",
        now: now)
    }
    if let end = request.leaseEnd(limits: limits.model) {
      if end.at > now { return try setDue(end.at, of: change.row) }
      return try endLease(change, cause: end.cause, now: now)
    }
    if request.queueBy <= now {
      let hasExpired = request.expires == request.queueBy
      return try timeOut(
        change, .queueTimeoutPassed,
        hasExpired
          ? "It expired: nobody took it before the time that its request names."
          : "Nobody took it within the queue timeout.", now: now)
    }
    if request.available <= now, let action = directory.actions[change.row.action] {
      offer(action)
      return try setDue(request.queueBy, of: change.row)
    }
    try setDue(min(request.available, request.queueBy), of: change.row)
  }

  /// A heartbeat that names own work moves `due` and nothing else; so the time it was heard shows.
  private func heardByHeartbeat(_ row: LogRow) -> Instant {
    guard let due = row.due else { return row.updated }
    let span = Deadlines.progress(
      heard: .epoch, policy: policy(row.action), limits: limits.model)
    return due.adding(milliseconds: -span.milliseconds)
  }

  func setDue(_ due: Instant?, of row: LogRow) throws {
    let update = try database.statement(
      "UPDATE logs SET due = ? WHERE integration = ? AND id = ?")
    update.bind(1, due)
    update.bind(2, row.integration)
    update.bind(3, row.id)
    try update.run()
    noteDue(due)
  }

  private func timeOut(
    _ change: LogChange, _ event: LogEvent, _ message: String, now: Instant
  ) throws {
    var change = change
    guard case .move(let next, let cause) = change.state.apply(event, limits: limits.model) else {
      return
    }
    change.apply(next)
    change.row.message = message
    change.row.finished = now
    change.row.due = nil
    let entry = entry(
      of: change, principal: try serverPrincipal(), agent: change.row.agent, cause: cause,
      message: message, now: now)
    try store(&change, entry: entry, now: now)
  }

  // MARK: - Connections

  /// Marks what an agent holds: it ends after the grace time unless the agent is back.
  func connectionLost(
    _ integration: IntegrationID, agentID: String, now: Instant
  ) throws -> CommandOutcome {
    guard let agent = directory.agentIDs.value(agentID, scope: integration) else { return .done }
    for (integration, id) in try held(by: agent) {
      guard
        var row = try LogRow.find(database, integration: integration, id: id),
        var request = try RequestRow.find(database, integration: integration, id: id),
        let expires = request.leaseExpires
      else { continue }
      request.gone = now
      try request.update(database, for: row)
      let grace = Deadlines.grace(gone: now, leaseExpires: expires, limits: limits.model)
      row.due = min(row.due ?? grace, grace)
      try setDue(row.due, of: row)
    }
    return .done
  }

  /// The agent is back: what it holds lasts as long as it did.
  func connectionRestored(_ integration: IntegrationID, agentID: String) throws -> CommandOutcome {
    guard let agent = directory.agentIDs.value(agentID, scope: integration) else { return .done }
    let clear = try database.statement(
      "UPDATE requests SET gone = NULL WHERE agent = ? AND hold IN (1, 2) AND gone IS NOT NULL")
    clear.bind(1, agent)
    try clear.run()
    return .done
  }
}
