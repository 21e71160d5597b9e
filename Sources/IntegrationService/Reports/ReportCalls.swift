import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Creates or moves on one log.
  ///
  /// The reply goes out when the report is on disk.
  public func reportLog(
    _ request: ReportLogRequestView, _ call: ServerCall<ReportLogResponse>
  ) {
    guard let caller = caller(request.agentID, call) else { return }
    guard let report = request.report else {
      return call.fail(.invalid("report", "expected a report; there is none"))
    }
    let now = call.now.instant
    var checks = FieldChecks()
    let logID = checks.report(report, "report.", now: now)
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    if !report.leaseToken.isEmpty { caller.record.lastProgressMs.update(now.milliseconds) }
    let token = call.token
    let taken = store.submit { batch in
      batch.append(
        report, on: logID, request.agentID, integration: caller.session.integration, now: now,
        origin: .token(token.connectionBits, token.callBits))
    }
    if !taken { call.fail(RPCError(.busy)) }
  }

  /// Many reports in one call, each with its own outcome.
  public func reportLogBatch(
    _ request: ReportLogBatchRequestView, _ call: ServerCall<ReportLogBatchResponse>
  ) {
    guard let caller = caller(request.agentID, call) else { return }
    var checks = FieldChecks()
    checks.list(request.reports.count, "reports", maximum: ServiceLimits.maximumReports)
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    let collector = ReportCollector(count: request.reports.count) { outcomes in
      var response = ReportLogBatchResponse()
      response.outcomes = outcomes
      response.directives = caller.session.takeWishes(of: caller.record).map(Directive.init)
      call.answer(response)
    }
    let now = call.now.instant
    let good = collector.check(request, now: now)
    if request.reports.contains(where: { !$0.leaseToken.isEmpty }) {
      caller.record.lastProgressMs.update(now.milliseconds)
    }
    let taken =
      good.isEmpty
      || store.submit { batch in
        for (index, logID) in good {
          batch.append(
            request.reports[index], on: logID, request.agentID,
            integration: caller.session.integration, now: now,
            origin: .completion { collector.set(index, IntegrationAPI.ReportOutcome($0)) }
          )
        }
      }
    guard taken else { return call.fail(RPCError(.busy)) }
    collector.finishFilling()
  }
}

extension IntegrationAPI.ReportOutcome {
  /// What became of one report of a batch.
  init(_ outcome: CommandOutcome) {
    self.init()
    switch outcome {
    case .reported(let stored):
      status = LogStatus(stored.status)
      sequence = stored.sequence
      duplicate = stored.isDuplicate
    case .failed(let failure):
      self.init(RPCError(failure))
    case .renewed, .leased, .registered, .requested, .cancelled, .integration, .key, .expired,
      .done:
      preconditionFailure("a report's outcome is that of a report")
    }
  }

  /// A refused report of a batch.
  init(_ error: RPCError) {
    self.init()
    code = UInt32(error.code.rawValue)
    reason = error.reason
    message = error.message
    if !error.violations.isEmpty {
      message = error.violations.map { "\($0.field): \($0.description)" }.joined(separator: "; ")
    }
  }
}

extension Directive {
  /// What an operator wants, as a value.
  init(_ wish: AgentDirectives.Wish) {
    let arena = Arena(initialBytes: 512)
    let response = HeartbeatResponseView(in: arena)
    let directives = response.makeDirectives(count: 1)
    directives.assign([wish])
    self = directives[0].makeMessage()
  }
}
