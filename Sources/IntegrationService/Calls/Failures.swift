import IntegrationModel
import IntegrationStore
import RPCWire

/// The stable reasons that the service gives; the store's own pass through unchanged.
enum Reason {
  static let fieldInvalid = "FIELD_INVALID"
  static let inputInvalid = "INPUT_INVALID"
  static let actionUnknown = "ACTION_UNKNOWN"
  static let integrationUnknown = "INTEGRATION_UNKNOWN"
  static let agentUnknown = "AGENT_UNKNOWN"
  static let keyUnknown = "KEY_UNKNOWN"
  static let logUnknown = "LOG_UNKNOWN"
  static let pageTokenInvalid = "PAGE_TOKEN_INVALID"
  static let operatorOnly = "OPERATOR_ONLY"
  static let roleMissing = "ROLE_MISSING"
  static let tokenUnknown = "TOKEN_UNKNOWN"
  static let keyNotSealed = "KEY_NOT_SEALED"
  static let keySealBroken = "KEY_SEAL_BROKEN"
  static let agentOnly = "AGENT_ONLY"
  static let tooManyPolls = "TOO_MANY_POLLS"
  static let tooManyAgents = "TOO_MANY_AGENTS"
  static let tooManyTails = "TOO_MANY_TAILS"
  static let tooManyReads = "TOO_MANY_READS"
  static let tooManyCounts = "TOO_MANY_COUNTS"
  static let tooManyGroups = "TOO_MANY_GROUPS"
  static let logAmbiguous = "LOG_AMBIGUOUS"
  static let tooManyTransfers = "TOO_MANY_TRANSFERS"
  static let actionRetired = "ACTION_RETIRED"
  static let actionNotRequestable = "ACTION_NOT_REQUESTABLE"
  static let timeZonesMissing = "TIME_ZONES_MISSING"
  static let tailTooOld = "TAIL_TOO_OLD"
  static let filterEmpty = "FILTER_EMPTY"
  static let storageFull = "STORAGE_FULL"
}

extension RPCError {
  /// What a refused command says to its caller.
  init(_ failure: StoreFailure) {
    let code: StatusCode =
      switch failure.kind {
      case .invalidArgument: .invalidArgument
      case .notFound: .notFound
      case .alreadyExists: .alreadyExists
      case .failedPrecondition: .failedPrecondition
      case .aborted: .aborted
      case .resourceExhausted: .resourceExhausted
      case .unavailable: .unavailable
      case .internalError: .internalError
      }
    self.init(
      code, failure.message, reason: failure.reason,
      violations: failure.issues.map {
        FieldViolation(field: $0.field, description: $0.description)
      })
    if failure == .busy { self = retryAfter(milliseconds: 100) }
  }

  /// What a failed read says to its caller; the cause stands in the server's log.
  init(_ error: StoreError) {
    if error.code == .closed {
      self.init(
        .unavailable, "the server is going away; repeat the call", reason: WireReason.shuttingDown)
    } else {
      self.init(
        .internalError, "the store could not be read; the server's log says why",
        reason: WireReason.internalError)
    }
  }

  /// Wrong fields, each named.
  static func invalid(_ violations: [FieldViolation]) -> RPCError {
    let fields = violations.prefix(3).map(\.field).joined(separator: ", ")
    let more = violations.count > 3 ? " and \(violations.count - 3) more" : ""
    return RPCError(
      .invalidArgument, "\(fields)\(more): not as expected; see the violations",
      reason: Reason.fieldInvalid, violations: violations)
  }

  /// One wrong field.
  static func invalid(_ field: String, _ description: String) -> RPCError {
    invalid([FieldViolation(field: field, description: description)])
  }

  /// An integration that does not exist.
  static func unknownIntegration(_ name: String) -> RPCError {
    RPCError(
      .notFound, "no integration is called \"\(shown(name))\": `integrationctl integrations list`",
      reason: Reason.integrationUnknown)
  }

  /// A caller's text, cut so that it fits a sentence.
  static func shown(_ text: String) -> String {
    text.utf8.count <= 128 ? text : "\(text.prefix(32))…"
  }
}
