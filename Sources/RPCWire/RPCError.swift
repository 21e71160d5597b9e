/// One wrong field of a call's input.
public struct FieldViolation: Hashable, Sendable {
  /// Path of the field in the schema's names, such as `report.entity.id`.
  public var field: String
  /// What was expected and what came.
  public var description: String

  /// Makes a violation of one field.
  public init(field: String, description: String) {
    self.field = field
    self.description = description
  }
}

/// A failed call as it crosses the wire: what the caller gets to see.
///
/// Its text is safe to show and to log: it never holds keys or payloads. The cause stays on the
/// side where it happened.
public struct RPCError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of failure; never `ok`.
  public var code: StatusCode
  /// What was expected, what came, what to do next.
  public var message: String
  /// A stable UPPER_SNAKE_CASE word that programs may compare, such as `LEASE_LOST`.
  public var reason: String
  /// The wrong fields, when the input was wrong.
  public var violations: [FieldViolation]
  /// Advice in milliseconds how long to wait before trying again; 0 is none.
  public var retryAfterMs: UInt32
  /// More facts for programs, such as `limit`.
  public var metadata: [String: String]

  /// Makes an error with a code, a sentence and a stable reason.
  public init(
    _ code: StatusCode, _ message: String, reason: String, violations: [FieldViolation] = []
  ) {
    self.code = code
    self.message = message
    self.reason = reason
    self.violations = violations
    self.retryAfterMs = 0
    self.metadata = [:]
  }

  /// The same error with advice to try again after `milliseconds`.
  public func retryAfter(milliseconds: UInt32) -> RPCError {
    var copy = self
    copy.retryAfterMs = milliseconds
    return copy
  }

  /// One line: code, reason, message and the wrong fields.
  public var description: String {
    let head = "\(code.name) (\(reason)): \(message)"
    if violations.isEmpty { return head }
    return head + violations.map { "; \($0.field): \($0.description)" }.joined()
  }

  /// Key in `metadata`: `true` when the server did not start the call, so that repeating it
  /// elsewhere cannot do the work twice.
  public static let wasNotStartedKey = "was_not_started"

  /// Whether the server certainly did not start the call.
  public var wasNotStarted: Bool { metadata[Self.wasNotStartedKey] == "true" }

  /// The same error, marked as one of a call that was not started.
  public func markedNotStarted() -> RPCError {
    var copy = self
    copy.metadata[Self.wasNotStartedKey] = "true"
    return copy
  }
}
