import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Inputs of one lease outcome stop at so many bytes, so that the reply fits into a frame.
  static let maximumLeaseBytes = 1_048_576

  private struct Candidate {
    var id: LogID
    var available: Int64
    /// The action where its rate counts the delivery; nil: it has none.
    var rated: Int64?
  }

  /// Gives requests to an agent, oldest first.
  func lease(
    _ command: LeaseCommand, _ batch: borrowing CommandBatch, now: Instant
  ) throws -> CommandOutcome {
    guard let integration = directory.integrations[command.integration] else {
      throw StoreFailure.integrationUnknown("\(command.integration)")
    }
    guard !integration.record.isPaused else { return .leased(LeaseOutcome()) }
    let agent = try agentNumber(command.agentID, of: command.integration, now: now)
    let wanted = try room(of: agent, wanted: command.maximumRequests)
    guard wanted > 0 else { return .leased(LeaseOutcome()) }
    var candidates: [Candidate] = []
    var limited: [Int64] = []
    for action in actions(of: command, integration, batch) {
      guard let entry = directory.actions[action], !entry.stored.isPaused else { continue }
      candidates += try self.candidates(entry, limit: wanted + 1, &limited, now: now)
    }
    // Whatever is delivered below, the rate opens when what was delivered is old enough.
    defer { for action in limited { awaitRate(action) } }
    candidates.sort { ($0.available, $0.id) < ($1.available, $1.id) }
    guard !candidates.isEmpty else { return .leased(LeaseOutcome()) }

    var outcome = LeaseOutcome(hasMore: candidates.count > wanted)
    var bytes = 0
    var rated: [Int64: Int] = [:]
    for candidate in candidates.prefix(wanted) {
      guard bytes < Self.maximumLeaseBytes else {
        outcome.hasMore = true
        break
      }
      guard let leased = try lease(candidate.id, command, agent: agent, now: now) else { continue }
      bytes += leased.input.utf8.count + 512
      outcome.requests.append(leased)
      if let action = candidate.rated { rated[action, default: 0] += 1 }
    }
    for (action, count) in rated { try delivered(count, of: action, now: now) }
    return .leased(outcome)
  }

  /// How many requests an agent may get: it holds no more than one heartbeat can name.
  private func room(of agent: Int64, wanted: UInt32) throws -> Int {
    let count = try database.statement(
      "SELECT count(*) FROM requests WHERE agent = ? AND hold IN (1, 2)")
    defer { count.reset() }
    count.bind(1, agent)
    let held = try count.step() ? Int(count.integer(0)) : 0
    return min(Int(min(max(wanted, 1), 1_000)), max(0, FieldRules.maximumLeases - held))
  }

  private func actions(
    of command: LeaseCommand, _ integration: IntegrationEntry, _ batch: borrowing CommandBatch
  ) -> [Int64] {
    guard command.actionTypeCount > 0 else {
      return integration.actions.filter { directory.actions[$0]?.stored.isRetired == false }
    }
    let first = Int(command.firstActionType)
    var numbers: [Int64] = []
    for position in first..<first + Int(command.actionTypeCount) {
      let number = unsafe directory.actionIDs.value(
        bytes(batch.texts[position]), scope: command.integration)
      if let number, !numbers.contains(number) { numbers.append(number) }
    }
    return numbers
  }

  /// What an action may give out, the oldest first.
  ///
  /// Actions whose rate holds something back are added to `limited`.
  private func candidates(
    _ entry: ActionEntry, limit: Int, _ limited: inout [Int64], now: Instant
  ) throws -> [Candidate] {
    let limit = try limitInFlight(entry, limit)
    guard limit > 0 else { return [] }
    guard !entry.policy.rate.isUnlimited else {
      return try queued(entry.id, rated: nil, limit: limit, now: now)
    }
    let room = rateRoom(entry, now: now)
    // One more than there is room for says whether the rate holds anything back.
    let found = try queued(
      entry.id, rated: entry.id, limit: min(limit, room == .max ? room : room + 1), now: now)
    if found.count > room { limited.append(entry.id) }
    return Array(found.prefix(room))
  }

  /// How many of `limit` may be leased beside what is leased already.
  private func limitInFlight(_ entry: ActionEntry, _ limit: Int) throws -> Int {
    let maximum = Int(entry.policy.maximumInFlight)
    guard maximum > 0 else { return limit }
    let held = try database.statement(
      "SELECT count(*) FROM requests WHERE action = ? AND hold IN (1, 2)")
    defer { held.reset() }
    held.bind(1, entry.id)
    return min(limit, max(0, maximum - (try held.step() ? Int(held.integer(0)) : 0)))
  }

  private func queued(
    _ action: Int64, rated: Int64?, limit: Int, now: Instant
  ) throws -> [Candidate] {
    let find = try database.statement(
      """
      SELECT id, available FROM requests WHERE action = ? AND hold = 0 AND available <= ?
      ORDER BY available, id LIMIT ?
      """)
    defer { find.reset() }
    find.bind(1, action)
    find.bind(2, now.milliseconds)
    find.bind(3, Int64(limit))
    var found: [Candidate] = []
    while try find.step() {
      guard let id = find.logID(0) else { continue }
      found.append(Candidate(id: id, available: find.integer(1), rated: rated))
    }
    return found
  }

  private func lease(
    _ id: LogID, _ command: LeaseCommand, agent: Int64, now: Instant
  ) throws -> LeasedRequest? {
    guard let row = try LogRow.find(database, integration: command.integration, id: id) else {
      return nil
    }
    var change = try LogChange(row, database)
    let event = LogEvent.leased(nonce: nextNonce(id, now: now))
    guard case .move(let next, let cause) = change.state.apply(event, limits: limits.model),
      let token = next.token
    else { return nil }
    change.apply(next)
    change.row.agent = agent
    change.request?.agent = agent
    change.request?.leaseMs = command.leaseMs
    change.request?.leaseExpires = now.adding(milliseconds: Int64(command.leaseMs))
    let acceptBy = Deadlines.accept(leased: now, leaseMs: command.leaseMs, limits: limits.model)
    change.request?.acceptBy = acceptBy
    change.row.due = acceptBy
    let entry = entry(
      of: change, principal: principal(of: command.integration), agent: agent, cause: cause,
      message: "", now: now)
    try store(&change, entry: entry, now: now)
    guard let request = change.request else { return nil }
    let stored = try names.stored(change.row, request)
    return LeasedRequest(
      logID: id, actionType: stored.log.actionType, entity: stored.log.entity,
      input: stored.input, token: token, leaseExpiresAt: request.leaseExpires ?? now,
      delivery: token.delivery, attempt: row.attempt, requestedBy: stored.log.requestedBy,
      requestedAt: row.created, idempotencyKey: stored.idempotencyKey)
  }

  // MARK: - Renewal

  /// Renews the leases that a heartbeat names, or returns them when the agent stops.
  func renew(
    _ command: RenewCommand, _ batch: borrowing CommandBatch, now: Instant
  ) throws -> CommandOutcome {
    guard directory.integrations[command.integration] != nil else {
      throw StoreFailure.integrationUnknown("\(command.integration)")
    }
    let agent = try agentNumber(command.agentID, of: command.integration, now: now)
    if command.condition == .stopped {
      try endLeases(of: agent, cause: .agentStopped, now: now)
      return .renewed(RenewOutcome())
    }
    var outcome = RenewOutcome()
    let first = Int(command.firstLease)
    for position in first..<first + Int(command.leaseCount) {
      try renew(batch.heldLeases[position], command, into: &outcome, now: now)
    }
    return .renewed(outcome)
  }

  private func renew(
    _ held: HeldLeaseText, _ command: RenewCommand, into outcome: inout RenewOutcome, now: Instant
  ) throws {
    guard
      let row = try LogRow.find(database, integration: command.integration, id: held.logID)
    else { return outcome.lost.append(held.logID) }
    if !row.isRequest, !row.status.isFinal, held.token.isEmpty {
      return try renewOwnWork(row, into: &outcome, now: now)
    }
    var change = try LogChange(row, database)
    guard let token = unsafe LeaseToken(text: bytes(held.token)),
      case .hold(let next) = change.state.apply(.renewed(token), limits: limits.model)
    else { return outcome.lost.append(held.logID) }
    change.apply(next)
    change.request?.extendLease(now: now)
    try change.request?.update(database, for: change.row)
    if row.isCancelWanted { outcome.cancels.append(try cancelWish(row)) }
  }

  /// Own work that a heartbeat names without a token counts as heard of.
  private func renewOwnWork(
    _ row: LogRow, into outcome: inout RenewOutcome, now: Instant
  ) throws {
    let touch = try database.statement(
      "UPDATE logs SET due = ? WHERE integration = ? AND id = ?")
    let due = Deadlines.progress(heard: now, policy: policy(row.action), limits: limits.model)
    touch.bind(1, due)
    touch.bind(2, row.integration)
    touch.bind(3, row.id)
    try touch.run()
    noteDue(due)
    if row.isCancelWanted { outcome.cancels.append(try cancelWish(row)) }
  }

  // MARK: - The end of leases

  /// Ends a lease that its holder never heard of.
  func returnLease(
    _ integration: IntegrationID, _ id: LogID, _ token: LeaseToken, now: Instant
  ) throws -> CommandOutcome {
    guard directory.integrations[integration] != nil,
      let row = try LogRow.find(database, integration: integration, id: id)
    else { return .done }
    let change = try LogChange(row, database)
    guard change.state.hold == .offered, change.state.token == token else { return .done }
    try endLease(change, cause: .notAccepted, now: now)
    return .done
  }

  /// Ends everything that an agent holds.
  private func endLeases(of agent: Int64, cause: TransitionCause, now: Instant) throws {
    for (integration, id) in try held(by: agent) {
      guard let row = try LogRow.find(database, integration: integration, id: id) else { continue }
      try endLease(try LogChange(row, database), cause: cause, now: now)
    }
  }

  /// What an agent holds.
  func held(by agent: Int64) throws -> [(IntegrationID, LogID)] {
    let find = try database.statement(
      "SELECT integration, id FROM requests WHERE agent = ? AND hold IN (1, 2)")
    defer { find.reset() }
    find.bind(1, agent)
    var found: [(IntegrationID, LogID)] = []
    while try find.step() {
      if let id = find.logID(1) { found.append((find.integer(0), id)) }
    }
    return found
  }

  /// Ends one lease: back to the queue, failed, or cancelled.
  func endLease(_ change: LogChange, cause: TransitionCause, now: Instant) throws {
    var change = change
    let wasAccepted = change.request?.hold == .accepted
    let holder = change.request?.agent
    guard
      case .move(let next, let cause) = change.state.apply(.leaseEnded(cause), limits: limits.model)
    else { return }
    change.apply(next)
    let message = try sentence(cause, holder: holder, next: next)
    change.row.message = message
    if next.status.isFinal {
      change.row.finished = now
      change.row.due = nil
    } else {
      if wasAccepted {
        let policy = policy(change.row.action)
        let timeout = Deadlines.queue(available: now, policy: policy, limits: limits.model)
        // What nobody was to take after a time is not taken again after it either.
        let expires = change.request?.expires ?? timeout
        change.request?.queueBy = min(timeout, expires)
      }
      change.row.due = change.request?.queueBy
    }
    let entry = entry(
      of: change, principal: try serverPrincipal(), agent: holder, cause: cause, message: message,
      now: now)
    try store(&change, entry: entry, now: now)
  }

  private func sentence(
    _ cause: TransitionCause, holder: Int64?, next: LogState
  ) throws -> String {
    let agent = try names.agent(holder)
    let again = "delivery \(next.nextDelivery) of \(limits.model.maximumDeliveries) follows"
    return switch cause {
    case .leaseExpired: "The lease of agent \(agent) ran out; \(again)."
    case .notAccepted: "Agent \(agent) did not answer for it; it waits in the queue again."
    case .connectionLost: "The connection of agent \(agent) was lost; \(again)."
    case .agentStopped: "Agent \(agent) stopped; \(again)."
    case .operatorAction: "An operator wanted it stopped, and agent \(agent) lost it."
    case .deliveriesSpent:
      "Delivered \(next.lostDeliveries + 1) times and lost each time, last by agent \(agent)."
    case .report, .request, .queueTimeout, .progressTimeout, .leased, .retry, .note, .handled,
      .reopened:
      ""
    }
  }
}
