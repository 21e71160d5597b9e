import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Asks an integration for an action: a log that is QUEUED until an agent holds it.
  public func createRequest(
    _ request: CreateRequestRequestView, _ call: ServerCall<CreateRequestResponse>
  ) {
    let fields = request.makeMessage()
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in .createRequest(try command(fields, principal)) },
      { [catalogue] outcome in
        guard case .requested(let log, let duplicate) = outcome else { return nil }
        var response = CreateRequestResponse()
        response.log = ActionLog(log, catalogue)
        response.duplicate = duplicate
        return response
      })
  }

  private func command(
    _ fields: CreateRequestRequest, _ principal: String
  ) throws(RPCError) -> CreateRequest {
    let integration = try known(fields.integration)
    guard let action = catalogue.action(integration.id, fields.actionType) else {
      throw .unknownAction(
        fields.actionType, of: integration.name,
        known: catalogue.actions(of: integration.id).filter { !$0.isRetired })
    }
    var entity = fields.entity?.reference ?? EntityReference()
    if entity.type.isEmpty, !entity.id.isEmpty { entity.type = action.declaration.entityType }
    var checks = FieldChecks()
    checks.request(fields, entity, action.declaration)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    try Self.checkInput(fields.input, action.declaration)
    return CreateRequest(
      integration: integration.id, actionType: fields.actionType, logID: Self.newLogID(),
      entity: entity, input: fields.input, idempotencyKey: fields.idempotencyKey,
      notBefore: fields.notBefore?.instant, principal: principal)
  }

  /// Checks an input against the action's schema.
  static func checkInput(
    _ input: String, _ action: ActionDeclaration
  ) throws(RPCError) {
    guard !action.inputSchema.isEmpty else {
      guard input.isEmpty else {
        throw RPCError(
          .invalidArgument, "\(action.type) declares no input schema: it takes no input",
          reason: Reason.inputInvalid,
          violations: [FieldViolation(field: "input", description: "expected no input")])
      }
      return
    }
    // A schema is checked when it is registered; one that cannot be read any more checks nothing.
    let found = (try? InputSchema(action.inputSchema))?.violations(of: input) ?? []
    guard !found.isEmpty else { return }
    throw RPCError(
      .invalidArgument,
      "the input does not satisfy the schema of \(action.type): "
        + "`integrationctl actions show` prints it",
      reason: Reason.inputInvalid,
      violations: found.map { FieldViolation(field: $0.path, description: $0.description) })
  }

  /// Open requests: who waits, who holds what until when.
  public func listRequests(
    _ request: ListRequestsRequestView, _ call: ServerCall<ListRequestsResponse>
  ) {
    let fields = request.makeMessage()
    read(call) { [self] () async throws(RPCError) in
      guard
        let query = try logQuery(
          fields.filter, order: .oldestFirst, size: fields.pageSize, token: fields.pageToken)
      else { return ListRequestsResponse() }
      let page: RequestPage
      do throws(StoreError) {
        page = try await store.openRequests(query)
      } catch {
        throw refusal(error)
      }
      var response = ListRequestsResponse()
      let count = PageBudget.fitting(page.requests) { $0.log.textBytes + $0.input.utf8.count }
      let next = count < page.requests.count ? page.requests[count - 1].log.position : page.next
      response.requests = page.requests.prefix(count).map { ActionRequest($0, catalogue) }
      response.nextPageToken = next.map(PageToken.text) ?? ""
      return response
    }
  }

  /// Withdraws a queued request at once; asks the agent to stop one that runs.
  public func cancelRequest(
    _ request: CancelRequestRequestView, _ call: ServerCall<CancelRequestResponse>
  ) {
    let text = request.id.string
    let reason = request.reason.string
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in
        var checks = FieldChecks()
        checks.bytes(reason, "reason", FieldRules.maximumMessageBytes)
        guard checks.isEmpty else { throw RPCError.invalid(checks.violations) }
        return .cancelRequest(
          logID: try Self.logID(text), reason: reason, principal: principal)
      },
      { [catalogue] outcome in
        guard case .cancelled(let log, let askedAgent) = outcome else { return nil }
        var response = CancelRequestResponse()
        response.log = ActionLog(log, catalogue)
        response.askedAgent = askedAgent
        return response
      })
  }
}

extension FieldChecks {
  /// What may be wrong with a request for an action.
  mutating func request(
    _ fields: CreateRequestRequest, _ entity: EntityReference, _ action: ActionDeclaration
  ) {
    bytes(fields.input, "input", FieldRules.maximumDocumentBytes)
    bytes(fields.idempotencyKey, "idempotency_key", FieldRules.maximumShortTextBytes)
    if let time = fields.notBefore { timestamp(time, "not_before") }
    bytes(entity.id, "entity.id", FieldRules.maximumShortTextBytes)
    bytes(entity.displayName, "entity.display_name", FieldRules.maximumShortTextBytes)
    bytes(entity.url, "entity.url", FieldRules.maximumMessageBytes)
    if !entity.type.isEmpty { note("entity.type", FieldRules.complaint(name: entity.type)) }
    if action.entityType.isEmpty {
      if !entity.id.isEmpty || !entity.type.isEmpty {
        note("entity", "\(action.type) works on no record; expected none")
      }
    } else if entity.id.isEmpty {
      note("entity.id", "\(action.type) needs a record: expected the id of a \(action.entityType)")
    } else if entity.type != action.entityType {
      note("entity.type", "expected \(action.entityType), which \(action.type) works on")
    }
  }

  /// A time that people can be shown: within what google.protobuf.Timestamp allows, after 1970.
  mutating func timestamp(_ time: Timestamp, _ field: String) {
    // 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
    let isTime = (0...253_402_300_799).contains(time.seconds)
    guard isTime, (0...999_999_999).contains(time.nanos) else {
      return note(
        field,
        "expected a time from 1970 to 9999, with 0 to 999999999 nanos; it has "
          + "\(time.seconds) seconds and \(time.nanos) nanos")
    }
  }
}

extension RPCError {
  static func unknownAction(
    _ type: String, of integration: String, known: [StoredAction]
  ) -> RPCError {
    let types = known.prefix(10).map(\.declaration.type).joined(separator: ", ")
    return RPCError(
      .notFound,
      "\(integration) has no action \"\(shown(type))\"; it declares "
        + (types.isEmpty ? "none: its agent has not registered yet" : types),
      reason: Reason.actionUnknown)
  }
}
