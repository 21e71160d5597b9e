import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// Makes requests by itself at set times.
  public func createSchedule(
    _ request: CreateScheduleRequestView, _ call: ServerCall<CreateScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Changes a schedule.
  public func updateSchedule(
    _ request: UpdateScheduleRequestView, _ call: ServerCall<UpdateScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Schedules with their next and last times.
  public func listSchedules(
    _ request: ListSchedulesRequestView, _ call: ServerCall<ListSchedulesResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// One schedule with what it made.
  public func getSchedule(
    _ request: GetScheduleRequestView, _ call: ServerCall<GetScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Lets times pass without a request.
  public func pauseSchedule(
    _ request: PauseScheduleRequestView, _ call: ServerCall<PauseScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Ends a pause; times that passed meanwhile are not caught up.
  public func resumeSchedule(
    _ request: ResumeScheduleRequestView, _ call: ServerCall<ResumeScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Makes the request now, beside the set times.
  public func triggerSchedule(
    _ request: TriggerScheduleRequestView, _ call: ServerCall<TriggerScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Ends a schedule; what it made stays.
  public func deleteSchedule(
    _ request: DeleteScheduleRequestView, _ call: ServerCall<DeleteScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// The next times of a schedule, or of one that is thought of.
  public func previewSchedule(
    _ request: PreviewScheduleRequestView, _ call: ServerCall<PreviewScheduleResponse>
  ) {
    call.fail(.notBuilt)
  }
}
