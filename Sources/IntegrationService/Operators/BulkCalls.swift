import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// A step of a retry of many logs.
  public func retryLogs(
    _ request: RetryLogsRequestView, _ call: ServerCall<RetryLogsResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// A step of a cancellation of many requests.
  public func cancelRequests(
    _ request: CancelRequestsRequestView, _ call: ServerCall<CancelRequestsResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Asks for one action on many records.
  public func createRequests(
    _ request: CreateRequestsRequestView, _ call: ServerCall<CreateRequestsResponse>
  ) {
    call.fail(.notBuilt)
  }
}
