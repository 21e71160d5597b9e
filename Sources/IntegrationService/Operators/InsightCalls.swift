import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// How many logs there are, by what people ask for.
  public func countLogs(
    _ request: CountLogsRequestView, _ call: ServerCall<CountLogsResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Counts, failures and durations over time.
  public func chartLogs(
    _ request: ChartLogsRequestView, _ call: ServerCall<ChartLogsResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Failures by action and by what their messages have in common.
  public func groupFailures(
    _ request: GroupFailuresRequestView, _ call: ServerCall<GroupFailuresResponse>
  ) {
    call.fail(.notBuilt)
  }
}
