import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase

/// Something that a command changes and that the audit shows before and after.
///
/// To let the audit know a new kind of thing: add a case, and its name and JSON in
/// `Writer.snapshot(_:)`, without secrets.
enum AuditTarget: Hashable {
  case integration(IntegrationID)
  case key(String)
  case token(String)
  case action(IntegrationID, type: String)
  case log(LogID)
  case retention(Status)
  case schedule(name: String)
}

/// What the audit shall say of a command.
struct AuditPlan {
  /// What the command may change, as far as it can be known before; looked at before and after.
  var targets: [AuditTarget] = []
  /// Why, where somebody said so.
  var reason = ""
  /// Entered as it stands.
  var record: AuditRecord?

  /// Nothing that an operator answers for.
  static let nothing = AuditPlan()
}

/// How something looks at a moment: its name in the audit, and JSON without secrets.
struct AuditSnapshot: Equatable {
  var target: String
  var json: String
}

extension CommandOutcome {
  /// What the command has made, or found beside the targets that its plan names.
  var auditTargets: [AuditTarget] {
    switch self {
    // See `madeLogs`.
    case .requested: []
    case .integration(let stored, let key):
      [.integration(stored.id)] + (key.map { [.key($0.id)] } ?? [])
    case .key(let key): [.key(key.id)]
    case .rotated(let key, _): [.key(key.id)]
    case .token(let token): [.token(token.id)]
    case .many(let outcomes): outcomes.flatMap(\.auditTargets)
    case .schedule(let stored): [.schedule(name: stored.name)]
    case .action(let stored):
      [.action(stored.integration, type: stored.declaration.type)]
    case .reported, .renewed, .leased, .registered, .cancelled, .log, .journal, .deleted,
      .deletionContinued, .expired, .clockMoved, .scheduleFired, .retention, .pruned, .done,
      .failed:
      []
    }
  }
}

extension CommandOutcome {
  /// The logs that the command has made.
  var madeLogs: [StoredLog] {
    switch self {
    case .requested(let log, duplicate: false): [log]
    case .many(let outcomes): outcomes.flatMap(\.madeLogs)
    default: []
    }
  }
}

/// A JSON object (RFC 8259) of texts.
enum AuditJSON {
  /// The members in the order of their names.
  static func object(_ members: [String: String]) -> String {
    let parts = members.sorted { $0.key < $1.key }.map {
      "\($0.key.jsonQuoted):\($0.value.jsonQuoted)"
    }
    return "{\(parts.joined(separator: ","))}"
  }
}
