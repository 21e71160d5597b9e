import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// What the writer knows of an integration.
struct IntegrationEntry {
  var record: StoredIntegration
  /// The number of `integration:NAME` among the names.
  var principal: Int64
  var agents = 0
  var actions: [Int64] = []
}

/// What the writer knows of an action.
struct ActionEntry {
  var id: Int64
  var stored: StoredAction {
    didSet { policy = stored.effective.policy }
  }
  /// The rules that hold.
  private(set) var policy: ActionPolicy
  var type: String { stored.declaration.type }

  init(id: Int64, stored: StoredAction) {
    self.id = id
    self.stored = stored
    policy = stored.effective.policy
  }
}

/// What the writer keeps in memory so that a report needs no look-up: integrations, actions, agents
/// and other names as numbers.
///
/// Its truth is the database; after a rollback it is loaded again.
struct Directory {
  /// Names of entity types and principals that are kept in memory.
  static let maximumNames = 100_000

  var integrations: [IntegrationID: IntegrationEntry] = [:]
  private(set) var actions: [Int64: ActionEntry] = [:]
  /// The rules that hold for each action, for reports, which need nothing else of it.
  private(set) var policies: [Int64: ActionPolicy] = [:]
  var actionIDs = Interner()
  var agentIDs = Interner()
  private var names = Interner()

  /// Loads everything but the names, which come when they are needed.
  init(_ database: SQLiteConnection) throws {
    for record in try CatalogRows.integrations(database) {
      let principal = try name("integration:\(record.name)", database)
      integrations[record.id] = IntegrationEntry(record: record, principal: principal)
    }
    for (id, stored) in try CatalogRows.actions(database) { insert(id, stored) }
    let agents = try database.statement(
      """
      SELECT id, integration, agent_id FROM agents
      WHERE integration IN (SELECT id FROM integrations)
      """
    )
    defer { agents.reset() }
    while try agents.step() {
      let integration = agents.integer(1)
      agentIDs.insert(agents.text(2), scope: integration, value: agents.integer(0))
      integrations[integration]?.agents += 1
    }
  }

  /// Adds or changes an action.
  mutating func insert(_ id: Int64, _ stored: StoredAction) {
    if actions[id] == nil { integrations[stored.integration]?.actions.append(id) }
    let entry = ActionEntry(id: id, stored: stored)
    actions[id] = entry
    policies[id] = entry.policy
    actionIDs.insert(stored.declaration.type, scope: stored.integration, value: id)
  }

  /// The number of a name, which is stored where it is new.
  mutating func name(_ text: UnsafeRawBufferPointer, _ database: SQLiteConnection) throws -> Int64 {
    if let known = unsafe names.value(text, scope: 0) { return known }
    return try name(String(decoding: unsafe Array(text), as: UTF8.self), database)
  }

  /// The number of a name, which is stored where it is new.
  mutating func name(_ text: String, _ database: SQLiteConnection) throws -> Int64 {
    if let known = names.value(text, scope: 0) { return known }
    if names.count >= Self.maximumNames { names.removeAll() }
    let find = try database.statement("SELECT id FROM names WHERE name = ?")
    defer { find.reset() }
    find.bind(1, text)
    var number: Int64
    if try find.step() {
      number = find.integer(0)
    } else {
      try database.run("INSERT INTO names(name) VALUES(?)", .text(text))
      number = database.lastInsertRowID
    }
    names.insert(text, scope: 0, value: number)
    return number
  }

  /// The number of an agent, which is stored where it is new.
  mutating func agent(
    _ text: UnsafeRawBufferPointer, of integration: IntegrationID, maximum: Int, now: Instant,
    _ database: SQLiteConnection
  ) throws -> Int64 {
    if let known = unsafe agentIDs.value(text, scope: integration) { return known }
    let name = String(decoding: unsafe Array(text), as: UTF8.self)
    guard let entry = integrations[integration] else {
      throw StoreFailure.integrationUnknown("\(integration)")
    }
    guard entry.agents < maximum else {
      throw StoreFailure(
        .resourceExhausted, "TOO_MANY_AGENTS",
        "integration \(entry.record.name) has \(maximum) agents already; agent_id is stable over "
          + "restarts, so use the same again")
    }
    try database.run(
      "INSERT INTO agents(integration, agent_id, first_seen) VALUES(?, ?, ?)",
      .integer(integration), .text(name), .integer(now.milliseconds))
    let number = database.lastInsertRowID
    unsafe agentIDs.insert(text, scope: integration, value: number)
    integrations[integration]?.agents += 1
    return number
  }
}
