import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Creates an integration and its first key, which is shown once.
  public func createIntegration(
    _ request: CreateIntegrationRequestView, _ call: ServerCall<CreateIntegrationResponse>
  ) {
    guard isOperator(call.handle) else { return }
    let fields = request.makeMessage()
    let made: NewKey
    do throws(RPCError) {
      try Self.check(fields)
      made = try newKey(integration: 0, by: call.principal, now: call.now.instant)
    } catch {
      return call.fail(error)
    }
    let stored = StoredIntegration(
      id: 0, name: fields.name,
      displayName: fields.displayName.isEmpty ? fields.name : fields.displayName,
      category: fields.category, author: fields.author, supportContact: fields.supportContact,
      description: fields.description, createdAt: call.now.instant)
    perform(.createIntegration(stored, firstKey: made.stored), call) { outcome in
      guard case .integration(let integration, let key?) = outcome else { return nil }
      var response = CreateIntegrationResponse()
      response.integration = Integration(integration)
      response.integration?.health = .neverSeen
      response.key = Key(key, integration: integration.name, now: ServerClock.now)
      response.secret = made.secret
      return response
    }
  }

  private static func check(_ fields: CreateIntegrationRequest) throws(RPCError) {
    var checks = FieldChecks()
    checks.note("name", FieldRules.complaint(name: fields.name))
    for (field, text) in [("author", fields.author), ("support_contact", fields.supportContact)] {
      if text.isEmpty { checks.note(field, "expected whom to call; it is empty") }
    }
    checks.shown(
      displayName: fields.displayName, category: fields.category, author: fields.author,
      supportContact: fields.supportContact, description: fields.description)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
  }

  /// All integrations, by name.
  public func listIntegrations(
    _ request: ListIntegrationsRequestView, _ call: ServerCall<ListIntegrationsResponse>
  ) {
    let size = request.pageSize
    let token = request.pageToken.string
    read(call) { [self] () async throws(RPCError) in
      let limit = try Self.pageSize(size, "page_size")
      let after = try PageToken.name(token)
      let all = catalogue.integrations().filter { $0.name > after ?? "" }
      let page = Array(all.prefix(limit))
      var response = ListIntegrationsResponse()
      response.integrations = try await boards(page).map(\.integration)
      if all.count > limit, let last = page.last {
        response.nextPageToken = PageToken.text(name: last.name)
      }
      return response
    }
  }

  /// One integration with its agents, actions and keys, without secrets.
  public func getIntegration(
    _ request: GetIntegrationRequestView, _ call: ServerCall<GetIntegrationResponse>
  ) {
    let name = request.name.string
    read(call) { [self] () async throws(RPCError) in
      let stored = try known(name)
      let boards = try await boards([stored])
      let now = ServerClock.now
      var response = GetIntegrationResponse()
      if let board = boards.first {
        response.integration = board.integration
        response.take(
          board.agents.prefix(ServiceLimits.shownAgents).map(\.agent), of: board.agents.count,
          board.shown(board.actions, .brief))
      }
      response.keys = catalogue.keys(of: stored.id).map {
        Key($0, integration: stored.name, now: now)
      }
      return response
    }
  }

  /// Changes what people see of an integration.
  public func updateIntegration(
    _ request: UpdateIntegrationRequestView, _ call: ServerCall<UpdateIntegrationResponse>
  ) {
    let fields = request.makeMessage()
    changeIntegration(
      call, { () throws(RPCError) in .updateIntegration(try change(fields)) },
      { UpdateIntegrationResponse($0) })
  }

  private func change(
    _ fields: UpdateIntegrationRequest
  ) throws(RPCError) -> IntegrationChange {
    var change = IntegrationChange(integration: try known(fields.name).id)
    var checks = FieldChecks()
    for field in fields.updateFields.prefix(10) {
      switch field {
      case "display_name": change.displayName = fields.displayName
      case "category": change.category = fields.category
      case "author": change.author = fields.author
      case "support_contact": change.supportContact = fields.supportContact
      case "description": change.description = fields.description
      default:
        checks.note(
          "update_fields",
          "expected display_name, category, author, support_contact or description; "
            + "\"\(RPCError.shown(field))\" is none of them")
      }
    }
    if fields.updateFields.isEmpty {
      checks.note("update_fields", "expected the names of the fields to take; it is empty")
    }
    if change.author == "" { checks.note("author", "expected whom to call; it is empty") }
    if change.supportContact == "" {
      checks.note("support_contact", "expected whom to call; it is empty")
    }
    checks.shown(
      displayName: change.displayName ?? "", category: change.category ?? "",
      author: change.author ?? "", supportContact: change.supportContact ?? "",
      description: change.description ?? "")
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    return change
  }

  /// Tells the integration's agents to take nothing new; queued work waits.
  public func pauseIntegration(
    _ request: PauseIntegrationRequestView, _ call: ServerCall<PauseIntegrationResponse>
  ) {
    let name = request.name.string
    let reason = request.reason.string
    changeIntegration(
      call,
      { () throws(RPCError) in
        var checks = FieldChecks()
        checks.bytes(reason, "reason", FieldRules.maximumMessageBytes)
        guard checks.isEmpty else { throw RPCError.invalid(checks.violations) }
        return .pauseIntegration(try known(name).id, reason: reason)
      }, { PauseIntegrationResponse($0) })
  }

  /// Ends a pause.
  public func resumeIntegration(
    _ request: ResumeIntegrationRequestView, _ call: ServerCall<ResumeIntegrationResponse>
  ) {
    let name = request.name.string
    changeIntegration(
      call, { () throws(RPCError) in .resumeIntegration(try known(name).id) },
      { ResumeIntegrationResponse($0) })
  }

  /// A change whose answer shows the integration whole, with its health and counts.
  private func changeIntegration<Response: ProtobufMessage>(
    _ call: ServerCall<Response>, _ makeCommand: () throws(RPCError) -> StoreCommand,
    _ makeResponse: @escaping @Sendable (Integration) -> Response
  ) {
    guard isOperator(call.handle) else { return }
    let command: StoreCommand
    do throws(RPCError) {
      command = try makeCommand()
    } catch {
      return call.fail(error)
    }
    read(call) { [self] () async throws(RPCError) in
      let outcome = try await commit(command, for: call)
      guard case .integration(let stored, _) = outcome else {
        preconditionFailure("the store answered a command with another's outcome")
      }
      let boards = try await boards([stored])
      return makeResponse(boards.first?.integration ?? Integration(stored))
    }
  }
}

extension FieldChecks {
  /// What people see of an integration.
  mutating func shown(
    displayName: String, category: String, author: String, supportContact: String,
    description: String
  ) {
    bytes(displayName, "display_name", FieldRules.maximumShortTextBytes)
    bytes(category, "category", FieldRules.maximumShortTextBytes)
    bytes(author, "author", FieldRules.maximumShortTextBytes)
    bytes(supportContact, "support_contact", FieldRules.maximumShortTextBytes)
    bytes(description, "description", FieldRules.maximumMessageBytes)
  }
}

extension GetIntegrationResponse {
  /// As many agents and actions as fit into one reply; the lists have them all.
  mutating func take(_ agents: [Agent], of count: Int, _ actions: [Action]) {
    let half = PageBudget.maximumBytes / 2
    self.agents = Array(agents.prefix(PageBudget.fitting(agents, within: half, \.textBytes)))
    self.actions = Array(actions.prefix(PageBudget.fitting(actions, within: half, \.textBytes)))
    hasMoreAgents = self.agents.count < count
    hasMoreActions = self.actions.count < actions.count
  }
}

extension UpdateIntegrationResponse {
  init(_ integration: Integration) {
    self.init()
    self.integration = integration
  }
}

extension PauseIntegrationResponse {
  init(_ integration: Integration) {
    self.init()
    self.integration = integration
  }
}

extension ResumeIntegrationResponse {
  init(_ integration: Integration) {
    self.init()
    self.integration = integration
  }
}
