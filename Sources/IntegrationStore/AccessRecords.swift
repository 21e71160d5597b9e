import IntegrationModel

/// An operator's token without its secret: what authentication needs and what admins may see.
public struct StoredToken: Hashable, Sendable {
  /// The 8 characters after `imo_`.
  public var id: String
  /// Whose it is: `alice`, whose principal is `operator:alice`.
  public var name: String
  /// What its holder may do.
  public var role: OperatorRole
  /// SHA-256 of the random part, 32 bytes.
  public var secretHash: [UInt8]
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
    id: String, name: String, role: OperatorRole, secretHash: [UInt8], createdAt: Instant,
    createdBy: String, expiresAt: Instant? = nil, revokedAt: Instant? = nil,
    lastUse: CredentialUse? = nil
  ) {
    self.id = id
    self.name = name
    self.role = role
    self.secretHash = secretHash
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

/// When a key or token opened a connection, and from where.
public struct CredentialUse: Hashable, Sendable {
  /// When.
  public var at: Instant
  /// From where: `unix`, or an IP address; empty: from within the server.
  public var from: String

  /// Makes a use.
  public init(at: Instant, from: String) {
    self.at = at
    self.from = from
  }
}

/// Who makes a change, and through which method: what its entry in the audit begins with.
public struct AuditContext: Hashable, Sendable {
  /// Who: `operator:alice`.
  public var principal: String
  /// From where: `unix`, or an IP address; empty: the server itself.
  public var from: String
  /// The method's name: `PauseIntegration`.
  public var action: String

  /// Makes a context.
  public init(principal: String, from: String, action: String) {
    self.principal = principal
    self.from = from
    self.action = action
  }
}

/// What an entry of the audit says of something that is no change of a row: a key that was shown, a
/// backup that was made, a note.
///
/// Texts by name; the store makes JSON of them. No secrets.
public struct AuditRecord: Hashable, Sendable {
  /// What it happened to: `key/ab12cd34`.
  public var target: String
  /// How it was; nil: it was not there.
  public var before: [String: String]?
  /// How it is; nil: it is gone.
  public var after: [String: String]?
  /// Why, where somebody said so.
  public var reason: String

  /// Makes a record.
  public init(
    target: String, before: [String: String]? = nil, after: [String: String]? = nil,
    reason: String = ""
  ) {
    self.target = target
    self.before = before
    self.after = after
    self.reason = reason
  }
}

/// An entry of the audit as stored; it is never changed and never removed.
public struct StoredAuditEntry: Hashable, Sendable {
  /// Counts from 1 without a gap.
  public var number: Int64
  /// When.
  public var at: Instant
  /// Who, from where, through which method.
  public var context: AuditContext
  /// What was changed: `integration/customsoft`.
  public var target: String
  /// JSON; empty: it was not there.
  public var before: String
  /// JSON; empty: it is gone.
  public var after: String
  /// Why, where somebody said so.
  public var reason: String

  /// Makes an entry.
  public init(
    number: Int64, at: Instant, context: AuditContext, target: String, before: String,
    after: String, reason: String
  ) {
    self.number = number
    self.at = at
    self.context = context
    self.target = target
    self.before = before
    self.after = after
    self.reason = reason
  }
}

/// Which entries of the audit are wanted; empty or nil: all.
public struct AuditQuery: Hashable, Sendable {
  /// Who made the change.
  public var principal = ""
  /// The method's name.
  public var action = ""
  /// The target as a whole, or its beginning up to a slash.
  public var target = ""
  /// Not before.
  public var since: Instant?
  /// Before.
  public var until: Instant?
  /// Whether the oldest comes first; else the newest.
  public var isOldestFirst = false
  /// Behind this number in the order asked for; nil: from the beginning.
  public var after: Int64?
  /// At most so many, 1 to 1,000.
  public var limit = 50

  /// Asks for everything.
  public init() {}
}

/// A page of the audit.
public struct AuditPage: Hashable, Sendable {
  /// The entries in the order asked for.
  public var entries: [StoredAuditEntry]
  /// Behind which number to go on; nil: nothing follows.
  public var next: Int64?

  /// Makes a page.
  public init(entries: [StoredAuditEntry] = [], next: Int64? = nil) {
    self.entries = entries
    self.next = next
  }
}
