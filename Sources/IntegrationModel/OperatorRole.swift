/// What an operator may do; the raw values are those of `Role` in the schema.
///
/// Roles are ordered: each may do everything that those before it may.
public enum OperatorRole: UInt8, Sendable, CaseIterable, Comparable {
  /// Sees everything but secrets, changes nothing.
  case viewer = 1
  /// Works: requests, retries, cancels, pauses, notes.
  case `operator` = 2
  /// Integrations, keys, tokens, policies, the server itself.
  case admin = 3

  /// The name that users know: `viewer`.
  public var name: String {
    switch self {
    case .viewer: "viewer"
    case .operator: "operator"
    case .admin: "admin"
    }
  }

  /// The role of a name.
  public init?(name: String) {
    guard let role = OperatorRole.allCases.first(where: { $0.name == name }) else { return nil }
    self = role
  }

  /// Whether the left role may do less.
  public static func < (left: OperatorRole, right: OperatorRole) -> Bool {
    left.rawValue < right.rawValue
  }
}
