import IntegrationModel
import JSONText

/// The store's number for an integration; small, from 1, never used again.
public typealias IntegrationID = Int64

/// An integration as stored.
public struct StoredIntegration: Hashable, Sendable {
  /// The store's number.
  public var id: IntegrationID
  /// The unique name.
  public var name: String
  /// What people call it.
  public var displayName: String
  /// What kind of software it connects.
  public var category: String
  /// Who wrote it.
  public var author: String
  /// Whom to call.
  public var supportContact: String
  /// What it does.
  public var description: String
  /// Whether agents are told to take nothing new.
  public var isPaused: Bool
  /// Why it is paused.
  public var pauseReason: String
  /// When it was created.
  public var createdAt: Instant

  /// Makes a record.
  public init(
    id: IntegrationID, name: String, displayName: String, category: String, author: String,
    supportContact: String, description: String, isPaused: Bool = false,
    pauseReason: String = "", createdAt: Instant
  ) {
    self.id = id
    self.name = name
    self.displayName = displayName
    self.category = category
    self.author = author
    self.supportContact = supportContact
    self.description = description
    self.isPaused = isPaused
    self.pauseReason = pauseReason
    self.createdAt = createdAt
  }
}

/// A key without its secret: what authentication needs and what people may see.
public struct StoredKey: Hashable, Sendable {
  /// The 8 characters after `imk_`.
  public var id: String
  /// The integration that it opens.
  public var integration: IntegrationID
  /// SHA-256 of the random part, 32 bytes.
  public var secretHash: [UInt8]
  /// The random part sealed with the data directory's key; may be empty.
  public var sealedSecret: [UInt8]
  /// When it was made.
  public var createdAt: Instant
  /// The principal that made it.
  public var createdBy: String
  /// When it ends by itself; nil: never.
  public var expiresAt: Instant?
  /// When it was revoked; nil: it was not.
  public var revokedAt: Instant?
  /// The last use that was saved; nil: none.
  public var lastUse: CredentialUse?

  /// Makes a record.
  public init(
    id: String, integration: IntegrationID, secretHash: [UInt8], sealedSecret: [UInt8],
    createdAt: Instant, createdBy: String, expiresAt: Instant? = nil, revokedAt: Instant? = nil,
    lastUse: CredentialUse? = nil
  ) {
    self.id = id
    self.integration = integration
    self.secretHash = secretHash
    self.sealedSecret = sealedSecret
    self.createdAt = createdAt
    self.createdBy = createdBy
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
    self.lastUse = lastUse
  }

  /// Whether it opens anything at a time.
  public func isLive(at now: Instant) -> Bool {
    revokedAt == nil && (expiresAt.map { now < $0 } ?? true)
  }
}

/// What an integration declares that it can do.
public struct ActionDeclaration: Hashable, Sendable {
  /// The machine name, unique in its integration.
  public var type: String
  /// The title for people.
  public var name: String
  /// What it does.
  public var description: String
  /// Which kind of record it needs; empty: none.
  public var entityType: String
  /// Whether operators may ask for it.
  public var canBeRequested: Bool
  /// Whether a failure notifies people.
  public var notifyOnFailure: Bool
  /// The JSON Schema of the input; empty: no input.
  public var inputSchema: String
  /// Whether a running attempt can be stopped.
  public var supportsCancel: Bool
  /// The rules that the server enforces.
  public var policy: ActionPolicy

  /// Makes a declaration.
  public init(
    type: String, name: String = "", description: String = "", entityType: String = "",
    canBeRequested: Bool = false, notifyOnFailure: Bool = false, inputSchema: String = "",
    supportsCancel: Bool = false, policy: ActionPolicy = ActionPolicy()
  ) {
    self.type = type
    self.name = name
    self.description = description
    self.entityType = entityType
    self.canBeRequested = canBeRequested
    self.notifyOnFailure = notifyOnFailure
    self.inputSchema = inputSchema
    self.supportsCancel = supportsCancel
    self.policy = policy
  }

  /// Whether both say the same.
  ///
  /// Texts are compared by their bytes: Swift's comparison of two that only look alike may take
  /// time by the square of their length.
  public static func == (left: ActionDeclaration, right: ActionDeclaration) -> Bool {
    left.type.hasSameBytes(as: right.type) && left.name.hasSameBytes(as: right.name)
      && left.description.hasSameBytes(as: right.description)
      && left.entityType.hasSameBytes(as: right.entityType)
      && left.canBeRequested == right.canBeRequested
      && left.notifyOnFailure == right.notifyOnFailure
      && left.inputSchema.hasSameBytes(as: right.inputSchema)
      && left.supportsCancel == right.supportsCancel && left.policy == right.policy
  }

  /// Hashes the type, which tells declarations apart.
  public func hash(into hasher: inout Hasher) { hasher.combine(type) }
}

/// A declaration as stored.
public struct StoredAction: Hashable, Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// What was declared last.
  public var declaration: ActionDeclaration
  /// Counts the changes of the declaration, from 1.
  public var revision: UInt32
  /// Whether no agent declares it any more.
  public var isRetired: Bool
  /// What operators set instead of what was declared; a new declaration leaves it as it is.
  public var override = ActionOverride()
  /// Why its requests are not handed out; nil: they are.
  public var pauseReason: String?

  /// Whether its requests are not handed out, whatever its integration says.
  public var isPaused: Bool { pauseReason != nil }

  /// What holds: the declaration with what operators set instead.
  public var effective: ActionDeclaration {
    var effective = declaration
    effective.policy = override.effective(over: declaration.policy)
    effective.canBeRequested = override.canBeRequested ?? declaration.canBeRequested
    return effective
  }

  /// Makes a record.
  public init(
    integration: IntegrationID, declaration: ActionDeclaration, revision: UInt32, isRetired: Bool
  ) {
    self.integration = integration
    self.declaration = declaration
    self.revision = revision
    self.isRetired = isRetired
  }
}

/// What is kept of an agent between its heartbeats and over a restart of the server.
public struct StoredAgent: Hashable, Sendable {
  /// The integration.
  public var integration: IntegrationID
  /// Stable over restarts of the agent.
  public var agentID: String
  /// The process that was heard last.
  public var instanceID: String
  /// Its version.
  public var version: String
  /// Its host.
  public var host: String
  /// Its platform.
  public var platform: String
  /// What it connects to.
  public var targetSystem: String
  /// The version of that.
  public var targetVersion: String
  /// What it says of itself.
  public var condition: AgentCondition
  /// Why it is degraded.
  public var conditionMessage: String
  /// How often it phones home, in milliseconds.
  public var heartbeatIntervalMs: UInt32
  /// The agent's clock minus the server's, in milliseconds.
  public var clockSkewMs: Int64
  /// When it was heard first.
  public var firstSeenAt: Instant
  /// The last frame of any kind.
  public var lastFrameAt: Instant?
  /// The last poll.
  public var lastPollAt: Instant?
  /// The last report on held work.
  public var lastProgressAt: Instant?
  /// The last heartbeat.
  public var lastHeartbeatAt: Instant?
  /// Why an operator asked it to finish and stop; nil: nobody did.
  public var drainReason: String?

  /// Makes the record of an agent that was just heard for the first time.
  public init(integration: IntegrationID, agentID: String, firstSeenAt: Instant) {
    self.integration = integration
    self.agentID = agentID
    self.firstSeenAt = firstSeenAt
    instanceID = ""
    version = ""
    host = ""
    platform = ""
    targetSystem = ""
    targetVersion = ""
    condition = .running
    conditionMessage = ""
    heartbeatIntervalMs = 0
    clockSkewMs = 0
  }
}

/// The business record that an action works on.
public struct EntityReference: Hashable, Sendable {
  /// The kind of record; empty: the action works on none.
  public var type: String
  /// The record's own identifier.
  public var id: String
  /// What a person would call it.
  public var displayName: String
  /// Where a person finds it.
  public var url: String

  /// Makes a reference; without arguments it names no record.
  public init(type: String = "", id: String = "", displayName: String = "", url: String = "") {
    self.type = type
    self.id = id
    self.displayName = displayName
    self.url = url
  }
}
