import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire
import Synchronization

// Reports of one call join one batch side by side, each with the call's token and its own number;
// so the commit answers the call with one walk over their outcomes. Those of a call with very much
// in it come to several batches, and the commit of the last one answers.

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
    if refused.count > 0 {
      unfinished.withLock { $0[call.token] = UnfinishedReports(refused, .atOnce) }
    }
    let integration = caller.session.integration
    var index = refused.next(from: 0)
    let taken = store.submit(of: integration) { batch, piece in
      // Those before are in a batch that cannot be committed yet: what waits is locked.
      if piece == 1 {
        unfinished.withLock { $0[call.token] = UnfinishedReports(refused, .inPieces) }
      }
      let token = call.token.numbered(index)
      batch.append(
        request.reports[index], on: logIDs[index], request.agentID, integration: integration,
        now: now, origin: .token(token.connectionBits, token.callBits))
      index = refused.next(from: index + 1)
      return index < logIDs.count
    }
    guard !taken else { return }
    if refused.count > 0 { unfinished.withLock { $0[call.token] = nil } }
    call.fail(RPCError(.busy))
  }

  /// Answers a call of many reports of which the first one stands at a place of the batch, unless
  /// some of them are in a later batch; returns the place behind its last.
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
    let finish = finish(token, start..<end, batch, outcomes)
    guard case .whole(let known) = finish else { return end }
    let wishes = wishes(token, batch.reports[Int(batch.entries[start].index)], batch) { record in
      known?.noteEnds(to: record)
      for position in start..<end where outcomes[position].endsLog {
        let logID = batch.reports[Int(batch.entries[position].index)].logID
        record.directives.withLock { $0.logEnded(logID.description) }
      }
    }
    replies.answer(token, as: ReportLogBatchResponseView.self) { view in
      let views = view.makeOutcomes(count: known?.total ?? end - start)
      for position in start..<end {
        // Of a call that has ended the refused are forgotten, and nobody gets this answer.
        guard let number = batch.number(at: position), number < views.count else { continue }
        views[number].set(outcomes[position])
      }
      known?.assign(to: views)
      if !wishes.isEmpty { view.makeDirectives(count: wishes.count).assign(wishes) }
    }
    return end
  }

  private enum Finish {
    /// Some reports of the call are in a later batch.
    case part
    /// What is known beside the last reports; nil: nothing.
    case whole(UnfinishedReports?)
  }

  /// Takes what is known of a call beside the reports that stand in a range of a batch, or adds
  /// them to it.
  private func finish(
    _ token: CallToken, _ range: Range<Int>, _ batch: borrowing CommandBatch,
    _ outcomes: [CommandOutcome]
  ) -> Finish {
    unfinished.withLock { calls in
      guard !calls.isEmpty, var known = calls.removeValue(forKey: token) else { return .whole(nil) }
      known.missing -= range.count
      guard known.missing > 0 else { return .whole(known) }
      for position in range {
        guard let number = batch.number(at: position) else { continue }
        let logID = batch.reports[Int(batch.entries[position].index)].logID
        known.add(number, logID, outcomes[position])
      }
      calls[token] = known
      return .part
    }
  }
}

extension CommandBatch {
  /// Which of its call's reports stands at a place; nil: none.
  fileprivate borrowing func number(at position: Int) -> Int? {
    guard case .token(let connection, let bits) = entries[position].origin else { return nil }
    return CallToken(connectionBits: connection, callBits: bits).number
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
