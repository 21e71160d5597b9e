import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// How long logs are kept.
  public func getRetention(
    _ request: GetRetentionRequestView, _ call: ServerCall<GetRetentionResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Changes how long logs are kept.
  public func setRetention(
    _ request: SetRetentionRequestView, _ call: ServerCall<SetRetentionResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// A step of a pruning, now.
  public func pruneLogs(
    _ request: PruneLogsRequestView, _ call: ServerCall<PruneLogsResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Copies the store into a file while the server works; says how far it is.
  public func backUp(
    _ request: BackUpRequestView, _ call: ServerStream<BackUpResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Looks whether the store is whole.
  public func checkStore(
    _ request: CheckStoreRequestView, _ call: ServerCall<CheckStoreResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Everything that is stored, as lines of JSON.
  public func exportData(
    _ request: ExportDataRequestView, _ call: ServerStream<ExportDataResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// A step of an import of exported lines into an empty server.
  public func importData(
    _ request: ImportDataRequestView, _ call: ServerCall<ImportDataResponse>
  ) {
    call.fail(.notBuilt)
  }
}
