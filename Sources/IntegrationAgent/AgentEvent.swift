import RPCWire

/// What happens to an agent, for its own log.
///
/// None of it needs an answer.
public enum AgentEvent: Sendable, CustomStringConvertible {
  /// A connection was made and the actions are declared.
  case connected(server: String)
  /// The connection is gone; it will be made again.
  case disconnected(RPCError)
  /// The server cannot be reached, and is tried again; said of the first failure and once a minute.
  case unreachable(server: String, RPCError)
  /// A call failed and will be repeated.
  case callFailed(call: String, RPCError)
  /// A request came; its handler starts.
  case requestTaken(logID: String, action: String, entityID: String, delivery: UInt32)
  /// An attempt ended and its report is in the outbox.
  case attemptEnded(logID: String, action: String, entityID: String, JobOutcome)
  /// An attempt ended without a report: its lease is somebody else's.
  case attemptAbandoned(logID: String, action: String, entityID: String, reason: String)
  /// The server refused a report for good; it is dropped.
  case reportRefused(logID: String, sequence: UInt64, RPCError)
  /// Reports from before wait in the outbox.
  case backlog(reports: Int)
  /// The agent stopped with reports that the server does not have; they are in the outbox.
  case reportsKept(reports: Int, outbox: String)
  /// An operator asked to stop one attempt.
  case cancelWanted(logID: String, reason: String, requestedBy: String)
  /// The integration is paused: nothing new is taken.
  case paused(reason: String)
  /// The pause is over.
  case resumed
  /// The agent finishes what it holds and stops.
  case draining(reason: String)
  /// The key will end; put the new one in its place.
  case keyEnds
  /// No requests of one action come until it is resumed.
  case actionPaused(action: String, reason: String)
  /// The pause of one action is over.
  case actionResumed(action: String)

  /// One line for a log.
  public var description: String {
    switch self {
    case .connected(let server): "connected to \(server)"
    case .disconnected(let error): "connection lost: \(error)"
    case .unreachable(let server, let error):
      (error.message.contains(server) ? "" : "cannot reach \(server): ")
        + "\(error.message); trying again"
    case .callFailed(let call, let error): "\(call) failed, trying again: \(error)"
    case .requestTaken(let log, let action, let entity, let delivery):
      "\(action) \(entity) requested, log \(log), delivery \(delivery)"
    case .attemptEnded(let log, let action, let entity, let outcome):
      "\(action) \(entity) \(outcome.kind), log \(log): \(outcome.message)"
    case .attemptAbandoned(let log, let action, let entity, let reason):
      "\(action) \(entity) abandoned, log \(log): \(reason)"
    case .reportRefused(let log, let sequence, let error):
      "report \(sequence) of log \(log) refused: \(error)"
    case .backlog(let reports):
      reports == 1 ? "1 report waits in the outbox" : "\(reports) reports wait in the outbox"
    case .reportsKept(let reports, let outbox):
      (reports == 1 ? "1 report stays" : "\(reports) reports stay")
        + " in \(outbox) until the next start reaches the server"
    case .cancelWanted(let log, let reason, let by):
      "\(by) wants log \(log) cancelled\(reason.isEmpty ? "" : ": \(reason)")"
    case .paused(let reason): "paused\(reason.isEmpty ? "" : ": \(reason)")"
    case .resumed: "resumed"
    case .draining(let reason): "draining: \(reason)"
    case .keyEnds: "the key will end; put the new one in its place"
    case .actionPaused(let action, let reason):
      "action \(action) paused\(reason.isEmpty ? "" : ": \(reason)")"
    case .actionResumed(let action): "action \(action) resumed"
    }
  }
}
