import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// Who changed what, and when.
  public func listAudit(
    _ request: ListAuditRequestView, _ call: ServerCall<ListAuditResponse>
  ) {
    call.fail(.notBuilt)
  }
}
