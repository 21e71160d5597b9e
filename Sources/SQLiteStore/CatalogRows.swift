import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Reads the small tables as records.
enum CatalogRows {
  static func integrations(_ database: SQLiteConnection) throws -> [StoredIntegration] {
    let rows = try database.statement(
      """
      SELECT id, name, display_name, category, author, support_contact, description, paused,
        pause_reason, created FROM integrations ORDER BY id
      """)
    defer { rows.reset() }
    var found: [StoredIntegration] = []
    while try rows.step() {
      found.append(
        StoredIntegration(
          id: rows.integer(0), name: rows.text(1), displayName: rows.text(2),
          category: rows.text(3), author: rows.text(4), supportContact: rows.text(5),
          description: rows.text(6), isPaused: rows.integer(7) != 0, pauseReason: rows.text(8),
          createdAt: Instant(milliseconds: rows.integer(9))))
    }
    return found
  }

  static func keys(_ database: SQLiteConnection, id: String? = nil) throws -> [StoredKey] {
    let rows = try database.statement(
      """
      SELECT id, integration, secret_hash, sealed_secret, created, created_by, expires, revoked,
        last_used, last_used_from FROM keys WHERE ?1 IS NULL OR id = ?1
      """)
    defer { rows.reset() }
    if let id { rows.bind(1, id) } else { rows.bindNull(1) }
    var found: [StoredKey] = []
    while try rows.step() {
      found.append(
        StoredKey(
          id: rows.text(0), integration: rows.integer(1), secretHash: rows.blob(2),
          sealedSecret: rows.blob(3), createdAt: Instant(milliseconds: rows.integer(4)),
          createdBy: rows.text(5), expiresAt: rows.instant(6), revokedAt: rows.instant(7),
          lastUse: rows.use(8)))
    }
    return found
  }

  static func tokens(_ database: SQLiteConnection, id: String? = nil) throws -> [StoredToken] {
    let rows = try database.statement(
      """
      SELECT id, name, role, secret_hash, created, created_by, expires, revoked, last_used,
        last_used_from FROM tokens WHERE ?1 IS NULL OR id = ?1
      """)
    defer { rows.reset() }
    if let id { rows.bind(1, id) } else { rows.bindNull(1) }
    var found: [StoredToken] = []
    while try rows.step() {
      found.append(
        StoredToken(
          id: rows.text(0), name: rows.text(1),
          // What a newer program may have stored allows the least here.
          role: OperatorRole(rawValue: UInt8(clamping: rows.integer(2))) ?? .viewer,
          secretHash: rows.blob(3), createdAt: Instant(milliseconds: rows.integer(4)),
          createdBy: rows.text(5), expiresAt: rows.instant(6), revokedAt: rows.instant(7),
          lastUse: rows.use(8)))
    }
    return found
  }

  static func actions(_ database: SQLiteConnection) throws -> [(Int64, StoredAction)] {
    let rows = try database.statement(
      """
      SELECT id, integration, type, name, description, entity_type, can_be_requested,
        notify_on_failure, input_schema, supports_cancel, queue_timeout_ms, progress_timeout_ms,
        maximum_in_flight, one_open_per_entity, maximum_attempts, initial_backoff_ms,
        maximum_backoff_ms, multiplier, revision, retired FROM actions
      WHERE integration IN (SELECT id FROM integrations) ORDER BY id
      """)
    defer { rows.reset() }
    let overrides = try ControlRows.overrides(database)
    let pauses = try ControlRows.pauses(database)
    var found: [(Int64, StoredAction)] = []
    while try rows.step() {
      let retry = RetryRule(
        maximumAttempts: UInt32(clamping: rows.integer(14)),
        initialBackoffMs: UInt32(clamping: rows.integer(15)),
        maximumBackoffMs: UInt32(clamping: rows.integer(16)), multiplier: rows.real(17))
      let policy = ActionPolicy(
        queueTimeoutMs: UInt32(clamping: rows.integer(10)),
        progressTimeoutMs: UInt32(clamping: rows.integer(11)),
        maximumInFlight: UInt32(clamping: rows.integer(12)),
        oneOpenPerEntity: rows.integer(13) != 0, retry: retry)
      let declaration = ActionDeclaration(
        type: rows.text(2), name: rows.text(3), description: rows.text(4),
        entityType: rows.text(5), canBeRequested: rows.integer(6) != 0,
        notifyOnFailure: rows.integer(7) != 0, inputSchema: rows.text(8),
        supportsCancel: rows.integer(9) != 0, policy: policy)
      var stored = StoredAction(
        integration: rows.integer(1), declaration: declaration,
        revision: UInt32(clamping: rows.integer(18)), isRetired: rows.integer(19) != 0)
      stored.override = overrides[rows.integer(0)] ?? ActionOverride()
      stored.pauseReason = pauses[rows.integer(0)]
      found.append((rows.integer(0), stored))
    }
    return found
  }

  /// Agents of an integration, or one, or all.
  static func agents(
    _ database: SQLiteConnection, integration: IntegrationID? = nil, agentID: String? = nil
  ) throws -> [StoredAgent] {
    let rows = try database.statement(
      """
      SELECT integration, agent_id, first_seen, instance_id, version, host, platform,
        target_system, target_version, condition, condition_message, heartbeat_interval_ms,
        clock_skew_ms, last_frame, last_poll, last_progress, last_heartbeat, drain_reason
      FROM agents WHERE integration IN (SELECT id FROM integrations)
        AND (?1 IS NULL OR integration = ?1) AND (?2 IS NULL OR agent_id = ?2)
      """)
    defer { rows.reset() }
    rows.bind(1, integration)
    if let agentID { rows.bind(2, agentID) } else { rows.bindNull(2) }
    var found: [StoredAgent] = []
    while try rows.step() { found.append(agent(rows)) }
    return found
  }

  private static func agent(_ rows: SQLiteStatement) -> StoredAgent {
    var agent = StoredAgent(
      integration: rows.integer(0), agentID: rows.text(1),
      firstSeenAt: Instant(milliseconds: rows.integer(2)))
    agent.instanceID = rows.text(3)
    agent.version = rows.text(4)
    agent.host = rows.text(5)
    agent.platform = rows.text(6)
    agent.targetSystem = rows.text(7)
    agent.targetVersion = rows.text(8)
    agent.condition = AgentCondition(rawValue: UInt8(clamping: rows.integer(9))) ?? .running
    agent.conditionMessage = rows.text(10)
    agent.heartbeatIntervalMs = UInt32(clamping: rows.integer(11))
    agent.clockSkewMs = rows.integer(12)
    agent.lastFrameAt = rows.instant(13)
    agent.lastPollAt = rows.instant(14)
    agent.lastProgressAt = rows.instant(15)
    agent.lastHeartbeatAt = rows.instant(16)
    agent.drainReason = rows.isNull(17) ? nil : rows.text(17)
    return agent
  }
}

extension SQLiteStatement {
  /// A column as a time; nil for NULL.
  func instant(_ column: Int) -> Instant? {
    optionalInteger(column).map { Instant(milliseconds: $0) }
  }

  /// A column as a log's id; nil for NULL.
  func logID(_ column: Int) -> LogID? {
    halves(column).map { LogID(high: $0.high, low: $0.low) }
  }

  /// A column with a time, and one with an address behind it, as a use; nil for NULL.
  func use(_ column: Int) -> CredentialUse? {
    instant(column).map { CredentialUse(at: $0, from: text(column + 1)) }
  }

  /// Binds a time, or NULL for nil.
  func bind(_ index: Int, _ value: Instant?) {
    bind(index, value?.milliseconds)
  }

  /// Binds a log's id.
  func bind(_ index: Int, _ value: LogID) {
    bind(index, high: value.high, low: value.low)
  }
}
