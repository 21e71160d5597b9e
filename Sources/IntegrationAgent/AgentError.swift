import RPCWire

/// Why an agent cannot go on, or cannot take a report.
public enum AgentError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The outbox holds as many reports as it may, because the server was away too long.
  ///
  /// The report was not taken. Progress may be left out; the end of every attempt that was begun
  /// has its place kept free, so that work that is done is always reported. A new attempt that gets
  /// this error must not begin.
  case outboxFull(reports: Int, bytes: Int, limits: OutboxLimits)
  /// The outbox file cannot be used: another process holds it, a newer program wrote it, or the
  /// disk refuses. What is in it stays there.
  case outboxUnusable(path: String, cause: String)
  /// The server refused an earlier report of this attempt for good.
  case reportRefused(RPCError)
  /// The server refuses this agent: its key is wrong or revoked, or its declarations are not valid.
  case refused(RPCError)
  /// The agent is not running, or is about to stop and takes nothing new.
  case notRunning
  /// No action of that type was declared.
  case actionUnknown(type: String)

  /// One sentence that says what is wrong and what to do.
  public var description: String {
    switch self {
    case .outboxFull(let reports, let bytes, let limits):
      "the outbox is full with \(reports) reports in \(bytes) bytes (limits:"
        + " \(limits.maximumReports) reports, \(limits.maximumBytes) bytes): bring the server back,"
        + " or raise the limits"
    case .outboxUnusable(let path, let cause):
      "the outbox \(path) cannot be used: \(cause)"
    case .reportRefused(let error):
      "the server refused a report of this attempt: \(error)"
    case .refused(let error):
      "the server refuses this agent: \(error)"
    case .notRunning:
      "the agent is not running or is stopping; it takes nothing new"
    case .actionUnknown(let type):
      "no action of type \(type) is declared; declare it with action(_:name:_:) before run()"
    }
  }
}
