import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// One action with what its agent declared, what operators set instead, and its schedules.
  public func getAction(
    _ request: GetActionRequestView, _ call: ServerCall<GetActionResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Sets rules of an action instead of those that its agent declares, or takes that back.
  public func updateAction(
    _ request: UpdateActionRequestView, _ call: ServerCall<UpdateActionResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Hands out no request of one action until it is resumed; queued work waits, agents are told.
  public func pauseAction(
    _ request: PauseActionRequestView, _ call: ServerCall<PauseActionResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Ends a pause of an action.
  public func resumeAction(
    _ request: ResumeActionRequestView, _ call: ServerCall<ResumeActionResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// One agent with what it holds.
  public func getAgent(
    _ request: GetAgentRequestView, _ call: ServerCall<GetAgentResponse>
  ) {
    call.fail(.notBuilt)
  }
}
