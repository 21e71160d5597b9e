import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  /// Does a command that is not hot.
  func perform(_ command: StoreCommand, now: Instant) throws -> CommandOutcome {
    switch command {
    case .registerActions(let registration): try register(registration)
    case .createRequest(let request): try createRequest(request, now: now)
    case .cancelRequest(let id, let reason, let principal):
      try cancelRequest(id, reason: reason, principal: principal, now: now)
    case .retryLog(let id, let newID, let principal, let input, let reason):
      try retryLog(
        id, newID: newID, RetryWish(input: input, reason: reason, principal: principal), now: now)
    case .retryLogs(let retries): try retryLogs(retries, now: now)
    case .cancelRequests(let logs, let reason, let principal):
      try cancelRequests(logs, reason: reason, principal: principal, now: now)
    case .createRequests(let requests): try createRequests(requests, now: now)
    case .addNote(let id, let note, let principal):
      try addNote(id, note, principal: principal, now: now)
    case .markHandled(let id, let isHandled, let note, let principal):
      try markHandled(id, isHandled, note: note, principal: principal, now: now)
    case .keepJournal: .journal(try journal.keep(database, now: now))
    case .createIntegration(let record, let key): try createIntegration(record, firstKey: key)
    case .updateIntegration(let change): try updateIntegration(change)
    case .pauseIntegration(let id, let reason): try setPause(id, isPaused: true, reason: reason)
    case .resumeIntegration(let id): try setPause(id, isPaused: false, reason: "")
    case .pauseAction(let id, let type, let reason): try setPause(id, type, reason: reason)
    case .resumeAction(let id, let type): try setPause(id, type, reason: nil)
    case .overridePolicy(let command): try overridePolicy(command)
    case .deleteIntegration(let id, let logs, let principal):
      try deleteIntegration(id, logs: logs, principal: principal, now: now)
    case .continueDeletion(let maximum): try continueDeletion(maximum: maximum)
    case .createKey(let key): try createKey(key, now: now)
    case .revokeKey(let id): try revokeKey(id, now: now)
    case .rotateKey(let key, let expireOldAt):
      try rotateKey(key, expireOldAt: expireOldAt, now: now)
    case .saveKeyUses(let uses): try saveUses(uses, .keys)
    case .createToken(let token): try createToken(token, now: now)
    case .revokeToken(let id): try revokeToken(id, now: now)
    case .saveTokenUses(let uses): try saveUses(uses, .tokens)
    case .audited(let context, let command): try audited(context, command, now: now)
    case .recordAudit: .done
    case .saveAgents(let agents): try saveAgents(agents)
    case .connectionLost(let integration, let agentID):
      try connectionLost(integration, agentID: agentID, now: now)
    case .connectionRestored(let integration, let agentID):
      try connectionRestored(integration, agentID: agentID)
    case .returnLease(let integration, let id, let token):
      try returnLease(integration, id, token, now: now)
    case .schedule(let command): try perform(command, now: now)
    case .moveClock(let step, _): try moveClock(byMs: step, now: now)
    case .expire(let maximum): try expire(maximum: maximum, now: now)
    case .setRetention(let rules): try setRetention(rules)
    case .prune(let budget): try prune(budget, now: now)
    }
  }

  // MARK: - Integrations

  private func entry(_ id: IntegrationID) throws -> IntegrationEntry {
    guard let entry = directory.integrations[id] else {
      throw StoreFailure.integrationUnknown("\(id)")
    }
    return entry
  }

  /// The number of a new integration, in SQL: that of one that was deleted is not used again.
  static let freeIntegrationID = """
    (1 + max((SELECT coalesce(max(id), 0) FROM integrations),
      (SELECT coalesce(max(integration), 0) FROM deletions)))
    """

  private func createIntegration(
    _ record: StoredIntegration, firstKey: StoredKey?
  ) throws -> CommandOutcome {
    guard !directory.integrations.values.contains(where: { $0.record.name == record.name }) else {
      throw StoreFailure(
        .alreadyExists, "INTEGRATION_EXISTS", "there is an integration \(record.name) already")
    }
    let deleting = try database.rows(
      "SELECT 1 FROM deletions WHERE done = 0 AND name = ?", .text(record.name))
    guard deleting.isEmpty else {
      throw StoreFailure(
        .alreadyExists, "INTEGRATION_EXISTS",
        "an integration \(record.name) is still being deleted; try again in a moment")
    }
    if let firstKey { try checkNew(firstKey) }
    try database.run(
      "INSERT INTO integrations VALUES(\(Self.freeIntegrationID), ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      .text(record.name), .text(record.displayName), .text(record.category), .text(record.author),
      .text(record.supportContact), .text(record.description), .integer(record.isPaused ? 1 : 0),
      .text(record.pauseReason), .integer(record.createdAt.milliseconds))
    var stored = record
    stored.id = database.lastInsertRowID
    let principal = try directory.name("integration:\(record.name)", database)
    directory.integrations[stored.id] = IntegrationEntry(record: stored, principal: principal)
    emit(.integrationChanged(stored))
    var key = firstKey
    key?.integration = stored.id
    if let key { try insert(key) }
    return .integration(stored, key: key)
  }

  private func updateIntegration(_ change: IntegrationChange) throws -> CommandOutcome {
    var record = try entry(change.integration).record
    record.displayName = change.displayName ?? record.displayName
    record.category = change.category ?? record.category
    record.author = change.author ?? record.author
    record.supportContact = change.supportContact ?? record.supportContact
    record.description = change.description ?? record.description
    return try save(record)
  }

  private func setPause(
    _ id: IntegrationID, isPaused: Bool, reason: String
  ) throws -> CommandOutcome {
    var record = try entry(id).record
    let wasPaused = record.isPaused
    record.isPaused = isPaused
    record.pauseReason = reason
    let outcome = try save(record)
    if wasPaused, !isPaused { try offerQueue(of: id) }
    return outcome
  }

  private func save(_ record: StoredIntegration) throws -> CommandOutcome {
    try database.run(
      """
      UPDATE integrations SET display_name = ?2, category = ?3, author = ?4, support_contact = ?5,
        description = ?6, paused = ?7, pause_reason = ?8 WHERE id = ?1
      """,
      .integer(record.id), .text(record.displayName), .text(record.category),
      .text(record.author), .text(record.supportContact), .text(record.description),
      .integer(record.isPaused ? 1 : 0), .text(record.pauseReason))
    directory.integrations[record.id]?.record = record
    emit(.integrationChanged(record))
    return .integration(record, key: nil)
  }

  /// Says of every action with a queue that its requests can be leased.
  private func offerQueue(of integration: IntegrationID) throws {
    for number in directory.integrations[integration]?.actions ?? [] {
      try offerQueue(ofAction: number)
    }
  }

  // MARK: - Actions

  /// Actions that one integration may have declared over time.
  static let maximumActions = 1_000

  private func register(_ registration: RegisterActions) throws -> CommandOutcome {
    let entry = try entry(registration.integration)
    let new = registration.actions.filter {
      directory.actionIDs.value($0.type, scope: registration.integration) == nil
    }
    guard entry.actions.count + new.count <= Self.maximumActions else {
      throw StoreFailure(
        .resourceExhausted, "TOO_MANY_ACTIONS",
        "an integration has at most \(Self.maximumActions) actions, retired ones included")
    }
    var named: [StoredAction] = []
    var isChanged = false
    for declaration in registration.actions {
      let (stored, changed) = try declare(declaration, of: registration.integration)
      named.append(stored)
      isChanged = isChanged || changed
    }
    if registration.retiresUndeclared {
      let declared = Set(registration.actions.map(\.type))
      for number in entry.actions {
        guard let action = directory.actions[number], !action.stored.isRetired,
          !declared.contains(action.type)
        else { continue }
        var retired = action.stored
        retired.isRetired = true
        try update(number, retired)
        isChanged = true
      }
    }
    if isChanged { emitActions(of: registration.integration) }
    let unservable = try unservableRequests(of: registration.integration)
    return .registered(actions: named, unservableRequests: unservable)
  }

  private func declare(
    _ declaration: ActionDeclaration, of integration: IntegrationID
  ) throws -> (StoredAction, changed: Bool) {
    guard let number = directory.actionIDs.value(declaration.type, scope: integration),
      let known = directory.actions[number]
    else {
      let stored = StoredAction(
        integration: integration, declaration: declaration, revision: 1, isRetired: false)
      let insert = try database.statement(
        "INSERT INTO actions VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      insert.bindNull(1)
      bind(stored, to: insert)
      try insert.run()
      directory.insert(database.lastInsertRowID, stored)
      return (stored, true)
    }
    guard known.stored.declaration != declaration || known.stored.isRetired else {
      return (known.stored, false)
    }
    var stored = known.stored
    stored.declaration = declaration
    stored.isRetired = false
    if known.stored.declaration != declaration { stored.revision &+= 1 }
    try update(number, stored)
    if known.stored.isRetired || known.stored.effective.policy != stored.effective.policy {
      try offerQueue(ofAction: number)
    }
    return (stored, true)
  }

  private func update(_ number: Int64, _ stored: StoredAction) throws {
    let update = try database.statement(
      "REPLACE INTO actions VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    update.bind(1, number)
    bind(stored, to: update)
    try update.run()
    directory.insert(number, stored)
  }

  private func bind(_ stored: StoredAction, to statement: SQLiteStatement) {
    let declaration = stored.declaration
    let policy = declaration.policy
    statement.bind(2, stored.integration)
    statement.bind(3, declaration.type)
    statement.bind(4, declaration.name)
    statement.bind(5, declaration.description)
    statement.bind(6, declaration.entityType)
    statement.bind(7, flag: declaration.canBeRequested)
    statement.bind(8, flag: declaration.notifyOnFailure)
    statement.bind(9, declaration.inputSchema)
    statement.bind(10, flag: declaration.supportsCancel)
    statement.bind(11, Int64(policy.queueTimeoutMs))
    statement.bind(12, Int64(policy.progressTimeoutMs))
    statement.bind(13, Int64(policy.maximumInFlight))
    statement.bind(14, flag: policy.oneOpenPerEntity)
    statement.bind(15, Int64(policy.retry.maximumAttempts))
    statement.bind(16, Int64(policy.retry.initialBackoffMs))
    statement.bind(17, Int64(policy.retry.maximumBackoffMs))
    statement.bind(18, policy.retry.multiplier)
    statement.bind(19, Int64(stored.revision))
    statement.bind(20, flag: stored.isRetired)
  }

  private func emitActions(of integration: IntegrationID) {
    let numbers = directory.integrations[integration]?.actions ?? []
    emit(.actionsChanged(integration, numbers.compactMap { directory.actions[$0]?.stored }))
  }

  private func unservableRequests(of integration: IntegrationID) throws -> UInt32 {
    let rows = try database.rows(
      """
      SELECT sum(queued) FROM action_counts JOIN actions ON actions.id = action
      WHERE integration = ? AND retired = 1
      """, .integer(integration))
    return UInt32(clamping: rows.first?.first?.integer ?? 0)
  }
}

extension SQLiteStatement {
  /// Binds 1 or 0.
  func bind(_ index: Int, flag: Bool) { bind(index, Int64(flag ? 1 : 0)) }
}
