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
    let makeCommand: @Sendable () throws(RPCError) -> StoreCommand = {
      [catalogue] () throws(RPCError) in
      let wish = try RequestWish(fields, catalogue, now: call.now.instant)
      var item = RequestItem()
      item.entity = fields.entity
      item.input = fields.input
      item.idempotencyKey = fields.idempotencyKey
      return .createRequest(try wish.command(item, principal))
    }
    let makeResponse: @Sendable (CommandOutcome) -> CreateRequestResponse? = {
      [catalogue] outcome in
      guard case .requested(let log, let duplicate) = outcome else { return nil }
      var response = CreateRequestResponse()
      response.log = ActionLog(log, catalogue)
      response.duplicate = duplicate
      return response
    }
    guard InputCheck.isLong(fields, catalogue) else {
      return change(call, makeCommand, makeResponse)
    }
    changeAfterReading(call) { () async throws(RPCError) in
      .command(try makeCommand(), makeResponse)
    }
  }

  /// Open requests: who waits, who holds what until when.
  public func listRequests(
    _ request: ListRequestsRequestView, _ call: ServerCall<ListRequestsResponse>
  ) {
    let fields = request.makeMessage()
    read(call, through: pages) { [self] () async throws(RPCError) in
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
