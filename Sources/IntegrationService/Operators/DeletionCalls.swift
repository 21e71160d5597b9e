import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// Ends an integration: its keys are revoked, its schedules deleted, its open requests cancelled;
  /// the name is free again once nothing of it is stored.
  public func deleteIntegration(
    _ request: DeleteIntegrationRequestView, _ call: ServerCall<DeleteIntegrationResponse>
  ) {
    call.fail(.notBuilt)
  }
}
