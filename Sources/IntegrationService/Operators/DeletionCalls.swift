import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire

extension IntegrationService {
  /// Ends an integration: its keys and connections end, nothing finds it any more; its rows go in
  /// small steps behind the answer, and then its name is free.
  public func deleteIntegration(
    _ request: DeleteIntegrationRequestView, _ call: ServerCall<DeleteIntegrationResponse>
  ) {
    let name = request.name.string
    let logs: DeletedLogs = request.withLogs ? .included : .refused
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in
        .deleteIntegration(try known(name).id, logs: logs, principal: principal)
      },
      { [self] outcome in
        guard case .deleted(let logs, let requests) = outcome else { return nil }
        continueDeletions()
        var response = DeleteIntegrationResponse()
        response.deletedLogs = logs
        response.cancelledRequests = requests
        return response
      })
  }

  /// An integration is gone: memory forgets it, and what its keys had opened is closed.
  func forget(_ id: IntegrationID) {
    catalogue.remove(id)
    agents.remove(integration: id)
    server.withLock { $0 }?.disconnect(
      where: { $0.kind == .agent && $0.id == id }, reason: WireReason.tokenRevoked)
  }
}
