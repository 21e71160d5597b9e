import RPCWire

/// What the server's answer to one report means for the outbox.
enum ReportVerdict: Sendable, Equatable {
  /// It is stored, now or by an earlier try: forget it.
  case stored
  /// The delivery that it belongs to is over: forget it and everything else of that delivery.
  case deliveryOver
  /// It will never be taken: forget it, and say so.
  case refused
  /// Not now: send it again.
  case later

  /// - Parameters:
  ///   - code: The outcome's code; `ok` for a stored report.
  ///   - reason: The outcome's stable reason.
  init(code: StatusCode, reason: String) {
    if code == .ok {
      self = .stored
    } else if Self.overReasons.contains(reason) {
      self = .deliveryOver
    } else if Self.finalCodes.contains(code) {
      self = .refused
    } else {
      self = .later
    }
  }

  /// Somebody else holds the request, or the log is final.
  private static let overReasons: Set<String> = ["LEASE_LOST", "LOG_FINAL"]

  private static let finalCodes: Set<StatusCode> = [
    .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition,
    .outOfRange, .unimplemented, .dataLoss,
  ]
}

extension RPCError {
  /// Whether the server refuses the agent itself: no repetition helps, a person must act.
  var refusesAgent: Bool {
    code == .unauthenticated || code == .permissionDenied
      || reason == WireReason.protocolUnsupported
  }
}
