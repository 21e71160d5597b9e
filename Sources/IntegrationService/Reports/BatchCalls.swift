import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire
import Synchronization

// Reports of one call join one batch side by side, each with the call's token and its own number;
// so the commit answers the call with one walk over their outcomes.

extension IntegrationService {
  /// Many reports in one call, each with its own outcome.
  public func reportLogBatch(
    _ request: ReportLogBatchRequestView, _ call: ServerCall<ReportLogBatchResponse>
  ) {
    guard let caller = caller(request.agentID, call) else { return }
    var checks = FieldChecks()
    checks.list(request.reports.count, "reports", maximum: ServiceLimits.maximumReports)
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    let now = call.now.instant
    var refused = RefusedReports(count: request.reports.count)
    let logIDs = request.reports.enumerated().map { index, report in
      refused.check(report, index)
    }
    guard refused.count < request.reports.count else {
      return call.answer(refused.response(caller.session.takeWishes(of: caller.record)))
    }
    if request.reports.contains(where: { !$0.leaseToken.isEmpty }) {
      caller.record.lastProgressMs.update(now.milliseconds)
    }
    // Known before the commit can ask for it.
    if refused.count > 0 { refusals.withLock { $0[call.token] = refused } }
    let integration = caller.session.integration
    let taken = store.submit(.integration(integration)) { batch in
      for (index, report) in request.reports.enumerated() where !refused[index] {
        let token = call.token.numbered(index)
        batch.append(
          report, on: logIDs[index], request.agentID, integration: integration, now: now,
          origin: .token(token.connectionBits, token.callBits))
      }
    }
    guard !taken else { return }
    if refused.count > 0 { refusals.withLock { $0[call.token] = nil } }
    call.fail(RPCError(.busy))
  }

  /// Answers a call of many reports whose first one stands at a place of the batch; returns the
  /// place behind its last.
  func answerBatch(
    at start: Int, _ batch: borrowing CommandBatch, _ outcomes: [CommandOutcome],
    _ replies: inout ReplyWriter
  ) -> Int {
    guard case .token(let connection, let bits) = batch.entries[start].origin else { return start }
    let token = CallToken(connectionBits: connection, callBits: bits).call
    var end = start
    while end < batch.count, case .token(connection, let bits) = batch.entries[end].origin,
      CallToken(connectionBits: connection, callBits: bits).isNumbered(of: token)
    { end += 1 }
    let refused = refusals.withLock { $0.isEmpty ? nil : $0.removeValue(forKey: token) }
    let wishes = wishes(token, batch.reports[Int(batch.entries[start].index)], batch) { record in
      for position in start..<end {
        guard case .reported(let reported) = outcomes[position], reported.status.isFinal else {
          continue
        }
        let logID = batch.reports[Int(batch.entries[position].index)].logID
        record.directives.withLock { $0.logEnded(logID.description) }
      }
    }
    replies.answer(token, as: ReportLogBatchResponseView.self) { view in
      let views = view.makeOutcomes(count: refused?.total ?? end - start)
      for position in start..<end {
        guard case .token(_, let bits) = batch.entries[position].origin else { continue }
        let number = CallToken(connectionBits: connection, callBits: bits).number
        // Of a call that has ended the refused are forgotten, and nobody gets this answer.
        guard number < views.count else { continue }
        views[number].set(outcomes[position])
      }
      refused?.assign(to: views)
      if !wishes.isEmpty { view.makeDirectives(count: wishes.count).assign(wishes) }
    }
    return end
  }
}

/// The reports of one call that cannot be taken, whatever is stored.
struct RefusedReports: Sendable {
  /// How many reports the call has.
  let total: Int
  private var outcomes: [Int: IntegrationAPI.ReportOutcome] = [:]

  init(count: Int) { total = count }

  /// How many are refused.
  var count: Int { outcomes.count }

  /// Whether a report is refused.
  subscript(index: Int) -> Bool { !outcomes.isEmpty && outcomes[index] != nil }

  /// Looks at one report; returns its log's id.
  mutating func check(_ report: LogReportView, _ index: Int) -> LogID {
    var checks = FieldChecks()
    let logID = checks.report(report, "reports[\(index)].")
    guard !checks.isEmpty else { return logID }
    let error = RPCError.invalid(checks.violations)
    var outcome = IntegrationAPI.ReportOutcome()
    outcome.code = UInt32(error.code.rawValue)
    outcome.reason = error.reason
    outcome.message = error.violations.map { "\($0.field): \($0.description)" }
      .joined(separator: "; ")
    outcomes[index] = outcome
    return logID
  }

  /// Sets the outcomes of those that are refused.
  func assign(to views: RepeatedView<ReportOutcomeView>) {
    for (index, outcome) in outcomes { views[index].assign(outcome) }
  }

  /// The answer where every report is refused.
  func response(_ wishes: [AgentDirectives.Wish]) -> ReportLogBatchResponse {
    var response = ReportLogBatchResponse()
    response.outcomes = (0..<total).map { outcomes[$0] ?? .init() }
    response.directives = wishes.map(Directive.init)
    return response
  }
}

extension ReportOutcomeView {
  /// What became of a report that the store was given.
  func set(_ outcome: CommandOutcome) {
    switch outcome {
    case .reported(let stored):
      status = LogStatus(stored.status)
      sequence = stored.sequence
      duplicate = stored.isDuplicate
    case .failed(let failure):
      let error = RPCError(failure)
      code = UInt32(error.code.rawValue)
      setReason(error.reason)
      let issues = error.violations.map { "\($0.field): \($0.description)" }
      setMessage(issues.isEmpty ? error.message : issues.joined(separator: "; "))
    case .renewed, .leased, .registered, .requested, .cancelled, .many, .log, .journal,
      .integration, .action, .key, .rotated, .token, .schedule, .scheduleFired, .deleted,
      .deletionContinued, .expired, .clockMoved, .retention, .pruned, .done:
      preconditionFailure("a report's outcome is that of a report")
    }
  }
}

extension CallToken {
  /// The token of one of the things that a call brings: its number stands above the call's id.
  fileprivate func numbered(_ number: Int) -> CallToken {
    CallToken(
      connectionBits: connectionBits, callBits: UInt64(callID) | UInt64(number + 1) << 32)
  }

  /// Whether it stands for one of many.
  var isNumbered: Bool { callBits >> 32 != 0 }

  /// The number of a numbered token.
  fileprivate var number: Int { Int(callBits >> 32) - 1 }

  /// The token of the call itself.
  fileprivate var call: CallToken {
    CallToken(connectionBits: connectionBits, callBits: UInt64(callID))
  }

  fileprivate func isNumbered(of call: CallToken) -> Bool { isNumbered && callID == call.callID }
}
