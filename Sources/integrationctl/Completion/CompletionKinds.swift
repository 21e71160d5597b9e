import CommandLineOptions

// What operators name, and the server or the machine knows.
extension CompletionKind {
  static let integrations = CompletionKind("integrations")
  static let actions = CompletionKind("actions")
  static let logs = CompletionKind("logs")
  static let requests = CompletionKind("requests")
  static let agents = CompletionKind("agents")
  static let keys = CompletionKind("keys")
  static let schedules = CompletionKind("schedules")
  static let tokens = CompletionKind("tokens")
  static let contexts = CompletionKind("contexts")
  static let addresses = CompletionKind("addresses")

  /// The kind that a placeholder names by itself: `INTEGRATION` is always an integration's name.
  static func named(_ placeholder: String) -> CompletionKind? {
    switch placeholder {
    case "INTEGRATION": .integrations
    case "ACTION": .actions
    case "AGENT": .agents
    case "SCHEDULE": .schedules
    default: nil
    }
  }
}
