import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// A log and its request while a command changes them.
struct LogChange {
  /// The log as it is stored.
  let before: LogRow
  /// Who held it before.
  let holdBefore: LogState.Hold
  /// The log as it will be stored.
  var row: LogRow
  /// The request as it will be stored; nil: it comes from none.
  var request: RequestRow?

  init(_ row: LogRow, _ database: SQLiteConnection) throws {
    let request =
      row.isRequest
      ? try RequestRow.find(database, integration: row.integration, id: row.id) : nil
    self.init(row, request)
  }

  init(_ row: LogRow, _ request: RequestRow?) {
    before = row
    holdBefore = request?.hold ?? .none
    self.row = row
    self.request = request
  }

  /// What decides about events.
  var state: LogState {
    LogState(
      status: row.status, sequence: row.sequence, attempt: row.attempt,
      isCancelWanted: row.isCancelWanted, isRequest: request != nil,
      hold: request?.isClosed == true ? .none : request?.hold ?? .none, token: request?.token,
      lostDeliveries: request?.lost ?? 0)
  }

  /// Takes over what was decided.
  mutating func apply(_ next: LogState) {
    row.status = next.status
    row.sequence = next.sequence
    row.isCancelWanted = next.isCancelWanted
    request?.hold = next.hold
    request?.lost = next.lostDeliveries
    if let token = next.token {
      request?.delivery = token.delivery
      request?.nonce = token.nonce
    }
    if next.status.isFinal { request?.isClosed = true }
    if next.hold == .none { request?.release() }
  }
}

extension RequestRow {
  /// The lease lasts its whole length from now, and the holder is there.
  mutating func extendLease(now: Instant) {
    leaseExpires = now.adding(milliseconds: Int64(leaseMs))
    acceptBy = nil
    gone = nil
  }

  /// Nobody holds it.
  mutating func release() {
    agent = nil
    leaseExpires = nil
    acceptBy = nil
    gone = nil
  }

  /// When a held request's lease ends, and why.
  func leaseEnd(limits: ModelLimits) -> (at: Instant, cause: TransitionCause)? {
    guard !isClosed, let leaseExpires else { return nil }
    var end = (at: leaseExpires, cause: TransitionCause.leaseExpired)
    if hold == .offered, let acceptBy, acceptBy <= end.at { end = (acceptBy, .notAccepted) }
    if let gone {
      let grace = Deadlines.grace(gone: gone, leaseExpires: leaseExpires, limits: limits)
      if grace < end.at { end = (grace, .connectionLost) }
    }
    return end
  }
}

extension Writer {
  /// Stores a changed log with its timeline entry, its request, counts and events.
  func store(_ change: inout LogChange, entry: TimelineRow?, now: Instant) throws {
    let before = change.before
    change.row.updated = now
    if let finished = change.row.finished {
      change.row.finished = max(finished, change.row.started ?? change.row.created)
    }
    if let entry { try append(entry, to: &change) }
    try change.row.update(database)
    try digest(change.row, isNew: false)
    if let request = change.request { try request.update(database, for: change.row) }
    count(
      action: change.row.action, from: before.status, to: change.row.status, at: now,
      ended: change.row.finished)
    if change.row.status.isFinal, before.isCancelWanted { try forgetCancelWish(change.row) }
    if change.row.status.isFinal, !before.status.isFinal {
      sizes.add(1, try change.row.keptBytes(database), to: change.row.status)
    }
    noteDue(change.row.due)
    if change.row.status.isFinal { noteEnd(change.row, now: now) }
    if change.holdBefore != .none, change.request?.hold == LogState.Hold.none {
      leaseEnded(change.row.action, isClosed: change.row.status.isFinal)
    }
    try logChanged(change.row)
  }

  /// Stores what a person wrote down about a log; it is no activity of the integration.
  func store(note entry: TimelineRow, _ change: inout LogChange, now: Instant) throws {
    change.row.updated = now
    try insert(entry, to: &change)
    try change.row.update(database)
    if change.row.status.isFinal {
      sizes.add(0, change.row.ownBytes - change.before.ownBytes, to: change.row.status)
    }
    try digest(change.row, isNew: false)
    try logChanged(change.row)
  }

  /// Adds an entry, unless it tells of progress and there are many of them.
  private func append(_ entry: TimelineRow, to change: inout LogChange) throws {
    let isProgress = entry.from == entry.to && !entry.isLate
    let isFull = change.row.entries >= Int64(limits.model.maximumProgressEntries)
    if isFull, !entry.isLate, isProgress || !entry.to.isFinal { return }
    try insert(entry, to: &change)
  }

  /// Adds an entry, and before the second one the first, which was not stored until now.
  private func insert(_ entry: TimelineRow, to change: inout LogChange) throws {
    if change.row.entries == 0 {
      let first = change.before.firstEntry(
        integrationPrincipal: principal(of: change.row.integration))
      try first.insert(database, log: change.row, number: 1)
      change.row.entries = 1
    }
    change.row.entries += 1
    try entry.insert(database, log: change.row, number: change.row.entries)
  }

  /// Keeps a report that came after the end; nothing else of the log changes.
  func appendLate(_ entry: TimelineRow, to change: inout LogChange) throws {
    try append(entry, to: &change)
    change.row.late += 1
    sizes.add(0, change.row.ownBytes - change.before.ownBytes, to: change.row.status)
    try change.row.update(database)
  }

  /// The entry that says how a change moved its log.
  func entry(
    of change: LogChange, principal: Int64, agent: Int64?, cause: TransitionCause,
    message: String, now: Instant
  ) -> TimelineRow {
    TimelineRow(
      at: now, from: change.before.status, to: change.row.status, principal: principal,
      agent: agent, cause: cause, message: message)
  }

  /// A lease ended: its request is back in the queue, or another may go out under the limit.
  private func leaseEnded(_ action: Int64, isClosed: Bool) {
    guard let entry = directory.actions[action] else { return }
    if isClosed, entry.policy.maximumInFlight == 0 { return }
    offer(entry)
  }

  /// An action's rules.
  func policy(_ action: Int64) -> ActionPolicy {
    directory.policies[action] ?? ActionPolicy()
  }

  /// The number of an integration's own name as principal.
  func principal(of integration: IntegrationID) -> Int64 {
    directory.integrations[integration]?.principal ?? 0
  }

  /// The number of an agent, which is stored where it is new.
  func agentNumber(
    _ range: TextRange, of integration: IntegrationID, now: Instant
  ) throws -> Int64 {
    try unsafe directory.agent(
      bytes(range), of: integration, maximum: limits.maximumAgents, now: now, database)
  }

  /// The number of the server as principal.
  func serverPrincipal() throws -> Int64 { try directory.name("server", database) }

  /// A log wherever it is.
  func findAnywhere(_ id: LogID) throws -> LogRow? {
    try LogRow.find(database, inAnyOf: directory.integrations.keys.sorted(), id: id)
  }
}
