import RPCWire

extension Failure {
  /// What the server or the way to it said, with the exit code that it means.
  init(_ error: RPCError, server: ListenAddress) {
    let code = Self.exitCode(error)
    let isNamed = code != .notReached || error.message.contains("\(server)")
    let message =
      isNamed ? error.message : "the server at \(server) did not answer: \(error.message)"
    self.init(
      code, message, reason: error.reason,
      details: error.violations.map { "\($0.field): \($0.description)" },
      next: Self.advice(error, code))
  }

  private static func exitCode(_ error: RPCError) -> ExitCode {
    switch error.code {
    case .unavailable, .deadlineExceeded: .notReached
    case .permissionDenied, .unauthenticated: .notAllowed
    case .notFound: .notFound
    default: .refused
    }
  }

  private static func advice(_ error: RPCError, _ code: ExitCode) -> String {
    if error.retryAfterMs > 0 {
      return "Try again in \(TimeText.span(milliseconds: Int64(error.retryAfterMs)))."
    }
    switch code {
    case .notReached:
      return "Is integrationd running there? Name another address with --server or "
        + "INTEGRATION_SERVER."
    case .notAllowed:
      // The message says which role is missing and how to get it.
      if error.reason == "ROLE_MISSING" { return "" }
      return "Give an operator's token with INTEGRATION_TOKEN or --token; on the server's own "
        + "machine its user and root need none over the Unix socket."
    case .notFound:
      // A message that names the command needs no second line.
      return error.message.contains("integrationctl ") ? "" : nextForUnknown(error.reason)
    case .refused, .done, .usage, .interrupted: return ""
    }
  }

  private static func nextForUnknown(_ reason: String) -> String {
    switch reason {
    case "INTEGRATION_UNKNOWN": "See: integrationctl integrations list"
    case "ACTION_UNKNOWN": "See: integrationctl actions list"
    case "LOG_UNKNOWN": "See: integrationctl logs list"
    case "KEY_UNKNOWN": "See: integrationctl keys list"
    case "TOKEN_UNKNOWN": "See: integrationctl tokens list"
    case "SCHEDULE_UNKNOWN": "See: integrationctl schedules list"
    case "AGENT_UNKNOWN": "See: integrationctl agents list"
    default: ""
    }
  }
}
