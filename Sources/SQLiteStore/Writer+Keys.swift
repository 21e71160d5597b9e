import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  // MARK: - Keys

  /// Adds a key to an integration that has room for one.
  func createKey(_ key: StoredKey, now: Instant) throws -> CommandOutcome {
    _ = try liveKeysBeside(key, now: now) { live in
      "revoke one first: \(live.map(\.id).joined(separator: ", "))"
    }
    try insert(key)
    return .key(key)
  }

  /// Adds a key, and sets an end to those that it replaces.
  func rotateKey(
    _ key: StoredKey, expireOldAt: Instant, now: Instant
  ) throws -> CommandOutcome {
    var old = try liveKeysBeside(key, now: now) { live in
      let first = live.min { ($0.expiresAt ?? .distantFuture) < ($1.expiresAt ?? .distantFuture) }
      let id = first?.id ?? ""
      return first?.expiresAt == nil
        ? "revoke the one that no agent uses, then rotate: "
          + live.map(\.id).joined(separator: ", ")
        : "\(id) ends by itself soon; wait for it, or end it now with "
          + "`integrationctl keys revoke \(id)` and rotate again"
    }
    for index in old.indices where old[index].expiresAt.map({ $0 > expireOldAt }) ?? true {
      old[index].expiresAt = expireOldAt
      try database.run(
        "UPDATE keys SET expires = ? WHERE id = ?", .integer(expireOldAt.milliseconds),
        .text(old[index].id))
      emit(.keyChanged(old[index]))
    }
    try insert(key)
    return .rotated(key, expiring: old)
  }

  /// The live keys of a new key's integration, when there is room for it.
  private func liveKeysBeside(
    _ key: StoredKey, now: Instant, whatToDo: ([StoredKey]) -> String
  ) throws -> [StoredKey] {
    guard directory.integrations[key.integration] != nil else {
      throw StoreFailure.integrationUnknown("\(key.integration)")
    }
    try checkNew(key)
    let live = try CatalogRows.keys(database).filter {
      $0.integration == key.integration && $0.isLive(at: now)
    }
    guard live.count < limits.maximumLiveKeys else {
      throw StoreFailure(
        .failedPrecondition, "TOO_MANY_KEYS",
        "the integration has \(live.count) live keys, at most \(limits.maximumLiveKeys) are "
          + "possible; " + whatToDo(live))
    }
    return live
  }

  /// Refuses a key whose id is taken.
  func checkNew(_ key: StoredKey) throws {
    guard try CatalogRows.keys(database, id: key.id).isEmpty else {
      throw StoreFailure(.alreadyExists, "KEY_EXISTS", "there is a key \(key.id) already")
    }
  }

  /// Stores a key.
  func insert(_ key: StoredKey) throws {
    let insert = try database.statement("INSERT INTO keys VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    insert.bind(1, key.id)
    insert.bind(2, key.integration)
    insert.bind(3, blob: key.secretHash)
    insert.bind(4, blob: key.sealedSecret)
    insert.bind(5, key.createdAt)
    insert.bind(6, key.createdBy)
    insert.bind(7, key.expiresAt)
    insert.bind(8, key.revokedAt)
    insert.bind(9, key.lastUse?.at)
    if let from = key.lastUse?.from { insert.bind(10, from) } else { insert.bindNull(10) }
    try insert.run()
    emit(.keyChanged(key))
  }

  /// Ends a key.
  func revokeKey(_ id: String, now: Instant) throws -> CommandOutcome {
    guard var key = try CatalogRows.keys(database, id: id).first else {
      throw StoreFailure(.notFound, "KEY_UNKNOWN", "there is no key \(id)")
    }
    guard key.revokedAt == nil else { return .key(key) }
    key.revokedAt = now
    try database.run(
      "UPDATE keys SET revoked = ? WHERE id = ?", .integer(now.milliseconds), .text(id))
    emit(.keyChanged(key))
    return .key(key)
  }

  // MARK: - Agents

  /// Saves what is known of agents.
  func saveAgents(_ agents: [StoredAgent]) throws -> CommandOutcome {
    let update = try database.statement(
      """
      UPDATE agents SET instance_id = ?2, version = ?3, host = ?4, platform = ?5,
        target_system = ?6, target_version = ?7, condition = ?8, condition_message = ?9,
        heartbeat_interval_ms = ?10, clock_skew_ms = ?11, first_seen = ?12, last_frame = ?13,
        last_poll = ?14, last_progress = ?15, last_heartbeat = ?16, drain_reason = ?17
      WHERE id = ?1
      """)
    for agent in agents where directory.integrations[agent.integration] != nil {
      guard let number = try saveable(agent) else { continue }
      update.bind(1, number)
      update.bind(2, agent.instanceID)
      update.bind(3, agent.version)
      update.bind(4, agent.host)
      update.bind(5, agent.platform)
      update.bind(6, agent.targetSystem)
      update.bind(7, agent.targetVersion)
      update.bind(8, Int64(agent.condition.rawValue))
      update.bind(9, agent.conditionMessage)
      update.bind(10, Int64(agent.heartbeatIntervalMs))
      update.bind(11, agent.clockSkewMs)
      update.bind(12, agent.firstSeenAt.milliseconds)
      update.bind(13, agent.lastFrameAt)
      update.bind(14, agent.lastPollAt)
      update.bind(15, agent.lastProgressAt)
      update.bind(16, agent.lastHeartbeatAt)
      if let reason = agent.drainReason { update.bind(17, reason) } else { update.bindNull(17) }
      try update.run()
    }
    return .done
  }

  /// The number of an agent; nil: the integration has no room for another.
  private func saveable(_ agent: StoredAgent) throws -> Int64? {
    var name = agent.agentID
    do {
      return try name.withUTF8 { bytes in
        try unsafe directory.agent(
          UnsafeRawBufferPointer(bytes), of: agent.integration, maximum: limits.maximumAgents,
          now: agent.firstSeenAt, database)
      }
    } catch is StoreFailure {
      return nil
    }
  }
}
