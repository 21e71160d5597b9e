import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Makes a log that waits for an agent.
  ///
  /// One behind the runs of a schedule waits until `release` lets it go.
  func createRequest(
    _ command: CreateRequest, behind schedule: Int64? = nil, now: Instant
  ) throws -> CommandOutcome {
    guard directory.integrations[command.integration] != nil else {
      throw StoreFailure.integrationUnknown("\(command.integration)")
    }
    let action = try requestableAction(command.actionType, of: command.integration)
    if !command.idempotencyKey.isEmpty, let earlier = try earlierRequest(command, action) {
      return .requested(try stored(earlier), duplicate: true)
    }
    let entityType =
      command.entity.type.isEmpty ? nil : try directory.name(command.entity.type, database)
    try checkOneOpen(
      action, entityType: entityType, entityID: command.entity.id, behind: schedule)
    guard
      try LogRow.find(database, integration: command.integration, id: command.logID) == nil
    else {
      throw StoreFailure(.alreadyExists, "LOG_EXISTS", "log \(command.logID) exists already")
    }
    var row = LogRow(
      integration: command.integration, id: command.logID, action: action.id, status: .queued,
      trigger: command.trigger, created: min(command.logID.time, now), now: now)
    row.entityType = entityType
    row.entityID = command.entity.id
    row.entityName = command.entity.displayName
    row.entityURL = command.entity.url
    row.requestedBy = try directory.name(command.principal, database)
    if command.trigger == .schedule { row.flags |= LogRow.Flag.scheduled }
    var wait = Wait(notBefore: command.notBefore, expiresAt: command.expiresAt, now: now)
    wait.isHeld = schedule != nil
    try insert(&row, wait, input: command.input, key: command.idempotencyKey, now: now)
    return .requested(try stored(row), duplicate: false)
  }

  /// From when a new request can be delivered.
  private struct Wait {
    var available: Instant
    var notBefore: Instant?
    var expiresAt: Instant?
    var isHeld = false

    init(notBefore: Instant?, expiresAt: Instant? = nil, now: Instant) {
      available = max(notBefore ?? now, now)
      self.notBefore = notBefore
      self.expiresAt = expiresAt
    }
  }

  private func insert(
    _ row: inout LogRow, _ wait: Wait, input: String, key: String, now: Instant
  ) throws {
    let timeout = Deadlines.queue(
      available: wait.available, policy: policy(row.action), limits: limits.model)
    let queueBy = min(timeout, wait.expiresAt ?? timeout)
    let available = wait.isHeld ? RequestRow.held : wait.available
    var request = RequestRow(available: available, queueBy: queueBy)
    request.notBefore = wait.notBefore
    request.expires = wait.expiresAt
    request.isOriginal = row.retryOf == nil
    request.idempotencyKey = key
    row.flags |= LogRow.Flag.request
    row.due = wait.available > now ? min(wait.available, queueBy) : queueBy
    try row.insert(database)
    try digest(row, isNew: true)
    try request.insert(database, for: row, input: input)
    count(action: row.action, from: nil, to: .queued, at: now)
    noteDue(row.due)
    if !row.entityID.isEmpty {
      index.add(row.entityID, integration: row.integration, id: row.id)
    }
    if row.retryOf != nil { try noteRetryOfRun(row) }
    if available <= now, let entry = directory.actions[row.action] {
      offer(entry)
    }
    try logChanged(row)
  }

  private func requestableAction(
    _ type: String, of integration: IntegrationID
  ) throws -> ActionEntry {
    guard let number = directory.actionIDs.value(type, scope: integration),
      let action = directory.actions[number]
    else { throw StoreFailure.actionUnknown(type) }
    guard !action.stored.isRetired else {
      throw StoreFailure(
        .failedPrecondition, "ACTION_RETIRED", "no agent declares action \(type) any more")
    }
    guard action.stored.effective.canBeRequested else {
      let why =
        action.stored.override.canBeRequested == nil
        ? "is declared without can_be_requested" : "may not be asked for: operators say so"
      throw StoreFailure(
        .failedPrecondition, "ACTION_NOT_REQUESTABLE",
        "action \(type) \(why); only its agent starts it")
    }
    return action
  }

  private func earlierRequest(
    _ command: CreateRequest, _ action: ActionEntry
  ) throws -> LogRow? {
    let find = try database.statement(
      """
      SELECT id FROM requests
      WHERE integration = ? AND idempotency_key = ? AND original = 1
      """)
    defer { find.reset() }
    find.bind(1, command.integration)
    find.bind(2, command.idempotencyKey)
    guard try find.step(), let id = find.logID(0),
      let row = try LogRow.find(database, integration: command.integration, id: id)
    else { return nil }
    let entityType = try names.name(row.entityType)
    guard row.action == action.id, row.entityID == command.entity.id,
      entityType == command.entity.type
    else {
      throw StoreFailure(
        .failedPrecondition, "IDEMPOTENCY_KEY_USED",
        "the idempotency key belongs to log \(id), a request of another action or record; "
          + "choose another key")
    }
    return row
  }

  /// Refuses a second open request for a record; runs that one waits behind do not count.
  private func checkOneOpen(
    _ action: ActionEntry, entityType: Int64?, entityID: String, behind schedule: Int64? = nil
  ) throws {
    guard action.policy.oneOpenPerEntity, !entityID.isEmpty else { return }
    let find = try database.statement(
      """
      SELECT id FROM requests r
      WHERE action = ? AND entity_type IS ? AND entity_id = ? AND hold < 3 AND NOT EXISTS (
        SELECT 1 FROM schedule_logs s
        WHERE s.integration = r.integration AND s.id = r.id AND s.schedule = ?) LIMIT 1
      """)
    defer { find.reset() }
    find.bind(1, action.id)
    find.bind(2, entityType)
    find.bind(3, entityID)
    if let schedule { find.bind(4, schedule) } else { find.bindNull(4) }
    guard try find.step(), let open = find.logID(0) else { return }
    throw StoreFailure(
      .failedPrecondition, "REQUEST_OPEN_FOR_ENTITY",
      "request \(open) for the same record is open, and action \(action.type) takes one at a time")
  }

  // MARK: - Cancel

  /// Withdraws a request at once, or asks the agent that works on it to stop.
  func cancelRequest(
    _ id: LogID, reason: String, principal: String, now: Instant
  ) throws -> CommandOutcome {
    guard let row = try findAnywhere(id) else { throw StoreFailure.logUnknown(id) }
    return try cancel(row, reason: reason, principal: principal, now: now)
  }

  /// Withdraws a request at once, or asks the agent that works on it to stop.
  func cancel(
    _ row: LogRow, reason: String, principal: String, now: Instant
  ) throws -> CommandOutcome {
    let id = row.id
    var change = try LogChange(row, database)
    let by = try directory.name(principal, database)
    let message = reason.isEmpty ? "Cancelled by \(principal)." : reason
    switch change.state.apply(.cancelAsked, limits: limits.model) {
    case .move(let next, let cause):
      change.apply(next)
      change.row.message = message
      change.row.finished = now
      change.row.due = nil
      let entry = entry(
        of: change, principal: by, agent: nil, cause: cause, message: message, now: now)
      try store(&change, entry: entry, now: now)
      return .cancelled(try stored(change.row), askedAgent: false)
    case .askAgent(let next):
      change.apply(next)
      let entry = entry(
        of: change, principal: by, agent: row.agent, cause: .operatorAction,
        message: "Asked to stop: \(message)", now: now)
      try store(&change, entry: entry, now: now)
      try saveCancelWish(row, reason: reason, principal: principal)
      return .cancelled(try stored(change.row), askedAgent: true)
    case .refuse, .hold, .duplicate:
      throw StoreFailure(
        .failedPrecondition, "REQUEST_NOT_OPEN",
        "log \(id) ended \(row.status.name); only open ones can be cancelled")
    }
  }

  private func saveCancelWish(_ row: LogRow, reason: String, principal: String) throws {
    let save = try database.statement("INSERT OR REPLACE INTO cancels VALUES(?, ?, ?, ?)")
    save.bind(1, row.integration)
    save.bind(2, row.id)
    save.bind(3, reason)
    save.bind(4, principal)
    try save.run()
    emit(.cancelWanted(try cancelWish(row)))
  }

  /// What was wished of a log.
  func cancelWish(_ row: LogRow) throws -> CancelWish {
    let find = try database.statement(
      "SELECT reason, principal FROM cancels WHERE integration = ? AND id = ?")
    defer { find.reset() }
    find.bind(1, row.integration)
    find.bind(2, row.id)
    let found = try find.step()
    return CancelWish(
      integration: row.integration, agentID: try names.agent(row.agent), logID: row.id,
      reason: found ? find.text(0) : "", requestedBy: found ? find.text(1) : "")
  }

  /// Forgets the wish of a log that has ended.
  func forgetCancelWish(_ row: LogRow) throws {
    let forget = try database.statement("DELETE FROM cancels WHERE integration = ? AND id = ?")
    forget.bind(1, row.integration)
    forget.bind(2, row.id)
    try forget.run()
  }

  // MARK: - Retry

  /// What an operator says about a retry.
  struct RetryWish {
    /// Instead of the old one's; nil: that.
    var input: String?
    var reason: String
    var principal: String
  }

  /// Makes a new log for the same work because an operator says so.
  func retryLog(
    _ id: LogID, newID: LogID, _ wish: RetryWish, now: Instant
  ) throws -> CommandOutcome {
    guard let row = try findAnywhere(id) else { throw StoreFailure.logUnknown(id) }
    return try retry(row, newID: newID, wish, now: now)
  }

  /// Makes a new log for the work of another.
  func retry(
    _ row: LogRow, newID: LogID, _ wish: RetryWish, now: Instant
  ) throws -> CommandOutcome {
    let id = row.id
    switch row.status {
    case .failed, .cancelled, .timedOut: break
    case .queued, .inProgress, .completed:
      throw StoreFailure(
        .failedPrecondition, "RETRY_NOT_POSSIBLE",
        "log \(id) is \(row.status.name); only FAILED, CANCELLED and TIMED_OUT can be retried")
    }
    guard let action = directory.actions[row.action] else {
      throw StoreFailure.actionUnknown("\(row.action)")
    }
    _ = try requestableAction(action.type, of: row.integration)
    try checkOneOpen(action, entityType: row.entityType, entityID: row.entityID)
    let request = try RequestRow.find(database, integration: row.integration, id: id)
    var retry = retryRow(row, newID: newID, now: now)
    retry.requestedBy = try directory.name(wish.principal, database)
    retry.message = wish.reason
    let wait = Wait(notBefore: nil, now: now)
    let input =
      try wish.input ?? RequestRow.input(database, integration: row.integration, id: id)
    try insert(&retry, wait, input: input, key: key(of: row, request), now: now)
    return .requested(try stored(retry), duplicate: false)
  }

  /// Makes a new log for the same work when the action's policy says so.
  func retryAutomatically(
    _ row: LogRow, request: RequestRow?, afterMs: UInt32, now: Instant
  ) throws {
    guard let action = directory.actions[row.action], !action.stored.isRetired,
      let backoff = action.policy.retry.backoffMs(afterAttempt: row.attempt, askedMs: afterMs)
    else { return }
    let random = (Hashing.mix(row.id.high ^ row.id.low), Hashing.mix(row.id.low))
    var retry = retryRow(row, newID: LogID(at: now, random: random), now: now)
    retry.requestedBy = row.requestedBy
    let at = now.adding(milliseconds: backoff)
    let wait = Wait(notBefore: backoff > 0 ? at : nil, now: now)
    retry.message = "Retry of attempt \(row.attempt) in \(backoff) ms."
    let input = try RequestRow.input(database, integration: row.integration, id: row.id)
    try insert(&retry, wait, input: input, key: key(of: row, request), now: now)
  }

  private func retryRow(_ row: LogRow, newID: LogID, now: Instant) -> LogRow {
    var retry = LogRow(
      integration: row.integration, id: newID, action: row.action, status: .queued,
      trigger: .retry, created: now, now: now)
    retry.entityType = row.entityType
    retry.entityID = row.entityID
    retry.entityName = row.entityName
    retry.entityURL = row.entityURL
    retry.attempt = row.attempt == .max ? .max : row.attempt + 1
    retry.retryOf = row.id
    retry.labels = row.labels
    retry.flags = row.flags & LogRow.Flag.scheduled
    return retry
  }

  /// The key that stays the same over retries: that of the first attempt, or its log's id.
  private func key(of row: LogRow, _ request: RequestRow?) -> String {
    if let request, !request.idempotencyKey.isEmpty { return request.idempotencyKey }
    return "\(row.id)"
  }
}
