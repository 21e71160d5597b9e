import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase

extension Writer {
  /// Does a command, and enters each of its targets that looks otherwise afterwards.
  ///
  /// A refused command throws before anything is entered.
  func audited(
    _ context: AuditContext, _ command: StoreCommand, now: Instant
  ) throws -> CommandOutcome {
    let plan = try auditPlan(of: command)
    let before = try plan.targets.map { try snapshot($0) }
    let outcome = try perform(command, now: now)
    for (target, before) in zip(plan.targets, before) {
      try enter(context, before: before, after: try snapshot(target), plan.reason, now: now)
    }
    for target in outcome.auditTargets where !plan.targets.contains(target) {
      try enter(context, before: nil, after: try snapshot(target), plan.reason, now: now)
    }
    for log in outcome.madeLogs {
      try enter(
        context, target: "log/\(log.id)", before: nil, after: madeLog(log), plan.reason, now: now)
    }
    if let record = plan.record {
      try enter(
        context, target: record.target, before: record.before.map(AuditJSON.object),
        after: record.after.map(AuditJSON.object), record.reason, now: now)
    }
    return outcome
  }

  /// What the audit shall say of a command.
  ///
  /// What a command makes is found in its outcome; see `CommandOutcome.auditTargets`.
  private func auditPlan(of command: StoreCommand) throws -> AuditPlan {
    switch command {
    case .createRequest, .createRequests, .createIntegration, .createKey, .createToken: .nothing
    case .retryLog(_, _, _, _, let reason): AuditPlan(reason: reason)
    case .retryLogs(let retries): AuditPlan(reason: retries.reason)
    case .cancelRequests(let logs, let reason, _):
      AuditPlan(targets: logs.map { .log($0.logID) }, reason: reason)
    case .addNote(let id, let note, _): AuditPlan(targets: [.log(id)], reason: note)
    case .markHandled(let id, _, let note, _): AuditPlan(targets: [.log(id)], reason: note)
    case .cancelRequest(let id, let reason, _): AuditPlan(targets: [.log(id)], reason: reason)
    case .updateIntegration(let change): AuditPlan(targets: [.integration(change.integration)])
    case .pauseIntegration(let id, let reason):
      AuditPlan(targets: [.integration(id)], reason: reason)
    case .resumeIntegration(let id): AuditPlan(targets: [.integration(id)])
    case .pauseAction(let id, let type, let reason):
      AuditPlan(targets: [.action(id, type: type)], reason: reason)
    case .resumeAction(let id, let type): AuditPlan(targets: [.action(id, type: type)])
    case .overridePolicy(let change):
      AuditPlan(targets: [.action(change.integration, type: change.actionType)])
    case .rotateKey(let key, _):
      AuditPlan(targets: try keys(of: key.integration).filter { $0.revokedAt == nil }.targets)
    case .deleteIntegration(let id, _, _):
      AuditPlan(
        targets: [.integration(id)] + (try keys(of: id).targets)
          + (try ScheduleRows.all(database).filter { $0.integration == id }.map {
            .schedule(name: $0.name)
          }))
    case .revokeKey(let id): AuditPlan(targets: [.key(id)])
    case .revokeToken(let id): AuditPlan(targets: [.token(id)])
    case .schedule(let command): auditPlan(of: command)
    case .recordAudit(let record): AuditPlan(record: record)
    case .setRetention(let rules): AuditPlan(targets: rules.map { .retention($0.status) })
    // What agents and the server itself do; an operator's pruning is entered as a whole.
    case .registerActions, .saveKeyUses, .saveTokenUses, .saveAgents, .connectionLost,
      .connectionRestored, .returnLease, .expire, .moveClock, .keepJournal, .continueDeletion,
      .prune:
      .nothing
    case .audited: preconditionFailure("a command is audited once")
    }
  }

  private func auditPlan(of command: ScheduleCommand) -> AuditPlan {
    switch command {
    // A trigger changes no schedule; the log that it makes is entered.
    case .create, .trigger: .nothing
    case .update(let schedule, _, _): AuditPlan(targets: [.schedule(name: schedule.name)])
    case .pause(let name, let reason, _):
      AuditPlan(targets: [.schedule(name: name)], reason: reason)
    case .resume(let name, _, _, _), .delete(let name, _):
      AuditPlan(targets: [.schedule(name: name)])
    case .fire: .nothing
    }
  }

  private func keys(of integration: IntegrationID) throws -> [StoredKey] {
    try CatalogRows.keys(database).filter { $0.integration == integration }
  }

  private func enter(
    _ context: AuditContext, before: AuditSnapshot?, after: AuditSnapshot?, _ reason: String,
    now: Instant
  ) throws {
    guard before != after, let target = (before ?? after)?.target else { return }
    try enter(
      context, target: target, before: before?.json, after: after?.json, reason, now: now)
  }

  private func enter(
    _ context: AuditContext, target: String, before: String?, after: String?, _ reason: String,
    now: Instant
  ) throws {
    let insert = try database.statement(
      """
      INSERT INTO audit VALUES(
        (SELECT coalesce(max(number), 0) + 1 FROM audit), ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    insert.bind(1, now)
    insert.bind(2, context.principal)
    insert.bind(3, context.from)
    insert.bind(4, context.action)
    insert.bind(5, target)
    if let before { insert.bind(6, before) } else { insert.bindNull(6) }
    if let after { insert.bind(7, after) } else { insert.bindNull(7) }
    if reason.isEmpty { insert.bindNull(8) } else { insert.bind(8, reason) }
    try insert.run()
  }

  // MARK: - How things look

  /// How a log looks that was just made, as its snapshot says it: requests are many, and what
  /// `AuditSQL.log` would read again is at hand.
  private func madeLog(_ log: StoredLog) -> String {
    let integration = directory.integrations[log.integration]?.record.name ?? ""
    var json = "{\"integration\":\(integration.jsonQuoted)"
    json += ",\"actionType\":\(log.actionType.jsonQuoted)"
    json += ",\"status\":\"\(log.status.name)\""
    if !log.entity.id.isEmpty { json += ",\"entity\":\(log.entity.id.jsonQuoted)" }
    json += ",\"attempt\":\(log.attempt)"
    if let retryOf = log.retryOf { json += ",\"retryOf\":\"\(retryOf)\"" }
    return json + "}"
  }

  /// How a target looks now; nil: it is not there.
  ///
  /// SQLite writes the JSON, in the names of the API; `json_patch` leaves out what is NULL. Hashes
  /// and sealed secrets are not among it.
  private func snapshot(_ target: AuditTarget) throws -> AuditSnapshot? {
    switch target {
    case .integration(let id): try snapshot(AuditSQL.integration) { $0.bind(1, id) }
    case .key(let id): try snapshot(AuditSQL.key) { $0.bind(1, id) }
    case .token(let id): try snapshot(AuditSQL.token) { $0.bind(1, id) }
    case .action(let integration, let type):
      try snapshot(AuditSQL.action) {
        $0.bind(1, integration)
        $0.bind(2, type)
      }
    case .retention(let status):
      try snapshot(AuditSQL.retention) {
        $0.bind(1, Int64(status.rawValue))
        $0.bind(2, status.name)
      }
    case .schedule(let name): try snapshot(AuditSQL.schedule) { $0.bind(1, name) }
    case .log(let id):
      try findAnywhere(id).flatMap { row in
        try snapshot(AuditSQL.log) {
          $0.bind(1, row.integration)
          $0.bind(2, id)
          $0.bind(3, "\(id)")
        }
      }
    }
  }

  private func snapshot(
    _ sql: String, _ bind: (SQLiteStatement) -> Void
  ) throws -> AuditSnapshot? {
    let find = try database.statement(sql)
    defer { find.reset() }
    bind(find)
    guard try find.step() else { return nil }
    return AuditSnapshot(target: find.text(0), json: find.text(1))
  }
}

extension [StoredKey] {
  /// The keys as targets.
  fileprivate var targets: [AuditTarget] { map { .key($0.id) } }
}

/// The name in the audit and the JSON of each kind of target.
private enum AuditSQL {
  static let retention = """
    SELECT 'retention/' || ?2, json_object(
      'maximumAgeMs', maximum_age_ms, 'maximumBytes', maximum_bytes)
    FROM retention WHERE status = ?1
    """

  static let integration = """
    SELECT 'integration/' || name, json_patch('{}', json_object(
      'displayName', display_name, 'category', nullif(category, ''), 'author', author,
      'supportContact', support_contact, 'description', nullif(description, ''),
      'paused', json(iif(paused, 'true', 'false')), 'pauseReason', nullif(pause_reason, '')))
    FROM integrations WHERE id = ?
    """

  static let key = """
    SELECT 'key/' || k.id, json_patch('{}', json_object(
      'integration', i.name, 'createdBy', k.created_by, 'expiresAt', \(time("k.expires")),
      'revokedAt', \(time("k.revoked"))))
    FROM keys k JOIN integrations i ON i.id = k.integration WHERE k.id = ?
    """

  static let token = """
    SELECT 'token/' || id, json_patch('{}', json_object(
      'name', name, 'role', CASE role WHEN 1 THEN 'viewer' WHEN 2 THEN 'operator' ELSE 'admin' END,
      'createdBy', created_by, 'expiresAt', \(time("expires")), 'revokedAt', \(time("revoked"))))
    FROM tokens WHERE id = ?
    """

  static let action = """
    SELECT 'action/' || i.name || '/' || a.type, json_patch('{}', json_object(
      'name', nullif(a.name, ''), 'revision', a.revision,
      'retired', json(iif(a.retired, 'true', 'false')),
      'paused', json(iif(p.reason IS NULL, 'false', 'true')), 'pauseReason', nullif(p.reason, ''),
      'override', iif(o.action IS NULL, NULL, json_patch('{}', json_object(
        'maximumAttempts', o.maximum_attempts, 'initialBackoffMs', o.initial_backoff_ms,
        'maximumBackoffMs', o.maximum_backoff_ms, 'multiplier', o.multiplier,
        'queueTimeoutMs', o.queue_timeout_ms, 'progressTimeoutMs', o.progress_timeout_ms,
        'maximumInFlight', o.maximum_in_flight, 'rateLimit', o.rate_limit,
        'ratePeriodMs', o.rate_period_ms,
        'oneOpenPerEntity', \(flag("o.one_open_per_entity")),
        'canBeRequested', \(flag("o.can_be_requested")))))))
    FROM actions a JOIN integrations i ON i.id = a.integration
    LEFT JOIN action_pauses p ON p.action = a.id LEFT JOIN action_overrides o ON o.action = a.id
    WHERE a.integration = ? AND a.type = ?
    """

  /// What people set, not how far it is.
  static let schedule = """
    SELECT 'schedule/' || s.name, json_patch('{}', json_object(
      'integration', i.name, 'actionType', s.action_type,
      'entityType', nullif(s.entity_type, ''), 'entity', nullif(s.entity_id, ''),
      'entityName', nullif(s.entity_name, ''), 'entityUrl', nullif(s.entity_url, ''),
      'input', nullif(s.input, ''), 'cron', nullif(s.cron, ''),
      'timeZone', nullif(s.time_zone, ''), 'intervalMs', nullif(s.interval_ms, 0),
      'overlap', CASE s.overlap WHEN 1 THEN 'SKIP' WHEN 2 THEN 'QUEUE' ELSE 'CANCEL_RUNNING' END,
      'catchUp', CASE s.catch_up WHEN 1 THEN 'NONE' WHEN 2 THEN 'LAST' ELSE 'ALL' END,
      'catchUpWindowMs', nullif(s.catch_up_window_ms, 0), 'jitterMs', nullif(s.jitter_ms, 0),
      'expiresMs', nullif(s.expires_ms, 0), 'paused', json(iif(s.paused, 'true', 'false')),
      'pauseReason', nullif(s.pause_reason, '')))
    FROM schedules s JOIN integrations i ON i.id = s.integration WHERE s.name = ?
    """

  static let log = """
    SELECT 'log/' || ?3, json_patch('{}', json_object(
      'integration', i.name, 'actionType', a.type, 'status',
      CASE l.status WHEN 1 THEN 'QUEUED' WHEN 2 THEN 'IN_PROGRESS' WHEN 3 THEN 'COMPLETED'
        WHEN 4 THEN 'FAILED' WHEN 5 THEN 'CANCELLED' ELSE 'TIMED_OUT' END,
      'entity', l.entity_id, 'attempt', l.attempt,
      'retryOf', \(uuid("l.retry_of")),
      'cancelWanted', iif(l.flags & 1, json('true'), NULL),
      'handled', iif(l.flags & 4, json('true'), NULL),
      'notes', nullif((SELECT count(*) FROM timeline t
        WHERE t.integration = l.integration AND t.id = l.id AND t.cause = 13), 0)))
    FROM logs l JOIN integrations i ON i.id = l.integration JOIN actions a ON a.id = l.action
    WHERE l.integration = ?1 AND l.id = ?2
    """

  /// A JSON boolean; NULL for NULL.
  private static func flag(_ column: String) -> String {
    "CASE \(column) WHEN 0 THEN json('false') WHEN 1 THEN json('true') END"
  }

  /// RFC 3339 in UTC, to the millisecond; NULL for NULL.
  private static func time(_ column: String) -> String {
    """
    strftime('%Y-%m-%dT%H:%M:%S', \(column) / 1000, 'unixepoch')
      || printf('.%03dZ', \(column) % 1000)
    """
  }

  /// A log's id as people read it; NULL for NULL.
  private static func uuid(_ column: String) -> String {
    let hex = "lower(hex(\(column)))"
    let parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)]
    let joined = parts.map { "substr(\(hex), \($0.0), \($0.1))" }.joined(separator: " || '-' || ")
    return "iif(\(column) IS NULL, NULL, \(joined))"
  }
}
