import RPCWire

/// Which failed calls a client may send again without asking its caller.
///
/// A call that the server certainly did not start is always sent again. One whose outcome is
/// unknown, because the connection went away under it, is sent again only where a repeat changes
/// nothing: what the schema makes idempotent by its ids, and what only reads. Everything else
/// fails, and the caller decides.
enum Repetition: Sendable, Equatable {
  /// Fail: the answer is final, or a repeat could do the work twice.
  case no
  /// Send it again on a new connection.
  case onNewConnection
  /// Send it again on the same connection after a while.
  case later

  /// Decides about a call of `method` that failed with `error`.
  static func decide(_ method: MethodDescriptor, after error: RPCError) -> Repetition {
    if error.reason == WireReason.tooManyCalls { return .later }
    // It is as long on the next connection.
    if error.reason == WireReason.frameTooLong { return .no }
    if error.wasNotStarted { return .onNewConnection }
    guard lostConnection(error), isIdempotent(method) else { return .no }
    return .onNewConnection
  }

  /// Whether the connection that carried the call is of no use any more.
  static func lostConnection(_ error: RPCError) -> Bool {
    (error.wasNotStarted && !keptReasons.contains(error.reason))
      || lossReasons.contains(error.reason)
  }

  /// Whether a later try to connect may do better; a refused token stays refused.
  static func mayConnectLater(_ error: RPCError) -> Bool {
    switch error.code {
    case .unauthenticated, .permissionDenied, .invalidArgument, .failedPrecondition, .unimplemented:
      false
    default:
      true
    }
  }

  /// Whether a second run of the call leaves what the first one left.
  static func isIdempotent(_ method: MethodDescriptor) -> Bool {
    method.name.hasPrefix("Get") || method.name.hasPrefix("List")
      || idempotentNames.contains(method.name)
  }

  /// Of calls that were not started on a connection that goes on: too much is under way there, or
  /// the call is longer than a frame may be.
  private static let keptReasons: Set<String> = [WireReason.tooManyCalls, WireReason.frameTooLong]

  private static let lossReasons: Set<String> = [
    WireReason.connectionLost, WireReason.keepaliveTimeout, WireReason.shuttingDown,
    WireReason.slowReader, WireReason.buffersFull,
  ]

  /// Reports carry log id and sequence.
  ///
  /// A poll whose reply is lost leases requests that come back by themselves, because nobody
  /// accepts them. The operators' verbs here set a state.
  private static let idempotentNames: Set<String> = [
    "RegisterAction", "ReportLog", "ReportLogBatch", "PollRequests", "Heartbeat",
    "UpdateIntegration", "PauseIntegration", "ResumeIntegration", "RevokeKey", "CancelRequest",
    "DrainAgent",
  ]
}
