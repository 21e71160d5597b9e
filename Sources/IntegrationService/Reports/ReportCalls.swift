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
    let logID = checks.report(report, "report.")
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    if !report.leaseToken.isEmpty { caller.record.lastProgressMs.update(now.milliseconds) }
    let token = call.token
    let integration = caller.session.integration
    let taken = store.submit(.integration(integration)) { batch in
      batch.append(
        report, on: logID, request.agentID, integration: integration, now: now,
        origin: .token(token.connectionBits, token.callBits))
    }
    if !taken { call.fail(RPCError(.busy)) }
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
