import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// What integrations can do, with what waits for it and who serves it.
  public func listActions(
    _ request: ListActionsRequestView, _ call: ServerCall<ListActionsResponse>
  ) {
    let name = request.integration.string
    let (size, token) = (request.pageSize, request.pageToken.string)
    read(call) { [self] () async throws(RPCError) in
      let limit = try Self.pageSize(ofList: size)
      let after = try PageToken.place(token, in: .actions)
      let page = page(of: try chosen(name), after: after, limit: limit) { [catalogue] in
        catalogue.actions(of: $0.id)
      } name: {
        $0.declaration.type
      }
      let boards = try await boards(page.integrations)
      let found = boards.flatMap { $0.shown(page.items[$0.stored.id] ?? [], .brief) }
      var response = ListActionsResponse()
      response.actions = Array(found.prefix(PageBudget.fitting(found, \.textBytes)))
      if page.hasMore || response.actions.count < found.count, let last = response.actions.last {
        response.nextPageToken = PageToken.text(
          .actions, .init(integration: last.integration, name: last.definition?.type ?? ""))
      }
      return response
    }
  }

  /// One action with what its agent declared, what operators set instead, and its schedules.
  public func getAction(
    _ request: GetActionRequestView, _ call: ServerCall<GetActionResponse>
  ) {
    let (name, type) = (request.integration.string, request.type.string)
    read(call) { [self] () async throws(RPCError) in
      let stored = try known(name)
      let action = try action(type, of: stored)
      let board = try await boards([stored]).first
      var response = GetActionResponse()
      response.action = board?.shown([action], .full).first
      response.integration = board?.integration
      response.schedules = schedules(of: action)
      return response
    }
  }

  /// The schedules that ask for an action.
  private func schedules(of action: StoredAction) -> [Schedule] {
    let all = schedules.all(of: action.integration).map(\.shown)
    return all.filter { $0.actionType == action.declaration.type }
      .map { Schedule($0, nil, catalogue) }
  }

  /// Sets rules of an action instead of those that its agent declares, or takes that back.
  public func updateAction(
    _ request: UpdateActionRequestView, _ call: ServerCall<UpdateActionResponse>
  ) {
    let fields = request.makeMessage()
    changeAction(call, fields.integration, fields.type) { stored, action throws(RPCError) in
      var checks = FieldChecks()
      let (change, cleared) = checks.override(fields.set, clearing: fields.clear)
      guard checks.isEmpty else { throw .invalid(checks.violations) }
      return .overridePolicy(
        OverridePolicy(
          integration: stored.id, actionType: action.declaration.type, change: change,
          cleared: cleared))
    } _: { action in
      var response = UpdateActionResponse()
      response.action = action
      return response
    }
  }

  /// Hands out no request of one action until it is resumed; queued work waits, agents are told.
  public func pauseAction(
    _ request: PauseActionRequestView, _ call: ServerCall<PauseActionResponse>
  ) {
    let reason = request.reason.string
    changeAction(
      call, request.integration.string, request.type.string
    ) { stored, action throws(RPCError) in
      var checks = FieldChecks()
      checks.bytes(reason, "reason", FieldRules.maximumMessageBytes)
      guard checks.isEmpty else { throw .invalid(checks.violations) }
      return .pauseAction(stored.id, type: action.declaration.type, reason: reason)
    } _: { action in
      var response = PauseActionResponse()
      response.action = action
      return response
    }
  }

  /// Ends a pause of an action.
  public func resumeAction(
    _ request: ResumeActionRequestView, _ call: ServerCall<ResumeActionResponse>
  ) {
    changeAction(
      call, request.integration.string, request.type.string
    ) { stored, action throws(RPCError) in
      .resumeAction(stored.id, type: action.declaration.type)
    } _: { action in
      var response = ResumeActionResponse()
      response.action = action
      return response
    }
  }

  /// A change whose answer shows the action whole, with its counts.
  private func changeAction<Response: ProtobufMessage>(
    _ call: ServerCall<Response>, _ integration: String, _ type: String,
    _ makeCommand: (StoredIntegration, StoredAction) throws(RPCError) -> StoreCommand,
    _ makeResponse: @escaping @Sendable (Action?) -> Response
  ) {
    guard isOperator(call.handle) else { return }
    let stored: StoredIntegration
    let command: StoreCommand
    do throws(RPCError) {
      stored = try known(integration)
      command = try makeCommand(stored, try action(type, of: stored))
    } catch {
      return call.fail(error)
    }
    read(call) { [self] () async throws(RPCError) in
      let outcome = try await commit(command, for: call)
      guard case .action(let action) = outcome else {
        preconditionFailure("the store answered a command with another's outcome")
      }
      return makeResponse(try await boards([stored]).first?.shown([action], .full).first)
    }
  }

  private func action(
    _ type: String, of integration: StoredIntegration
  ) throws(RPCError) -> StoredAction {
    guard let action = catalogue.action(integration.id, type) else {
      throw .unknownAction(type, of: integration.name, known: catalogue.actions(of: integration.id))
    }
    return action
  }
}
