import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// A page of logs under a filter.
  public func listLogs(_ request: ListLogsRequestView, _ call: ServerCall<ListLogsResponse>) {
    let fields = request.makeMessage()
    read(call, through: pages) { [self] () async throws(RPCError) in
      guard
        let query = try logQuery(
          fields.filter, order: fields.order, size: fields.pageSize, token: fields.pageToken)
      else { return ListLogsResponse() }
      let page: LogPage
      do throws(StoreError) {
        page = try await store.logs(query)
      } catch {
        throw refusal(error)
      }
      var response = ListLogsResponse()
      let count = PageBudget.fitting(page.logs, \.textBytes)
      let next = count < page.logs.count ? page.logs[count - 1].position : page.next
      response.logs = page.logs.prefix(count).map { ActionLog($0, catalogue) }
      response.nextPageToken = next.map(PageToken.text) ?? ""
      return response
    }
  }

  /// One log with its timeline and the first of its record errors.
  public func getLog(_ request: GetLogRequestView, _ call: ServerCall<GetLogResponse>) {
    let fields = request.makeMessage()
    read(call, through: pages) { [self] () async throws(RPCError) in
      let id = try await logID(ofPrefix: fields.id)
      let wanted = try Self.pageSize(fields.errorPageSize, "error_page_size")
      let limit = min(wanted, PageBudget.maximumErrors)
      let after = try PageToken.number(fields.errorPageToken)
      let detail: LogDetail?
      do throws(StoreError) {
        detail = try await store.log(id, errorsAfter: after, errorLimit: limit)
      } catch {
        throw refusal(error)
      }
      guard let detail else { throw .unknownLog(id) }
      var response = GetLogResponse(detail, catalogue)
      if let stored = catalogue.integration(detail.log.integration) {
        response.integration = try await boards([stored]).first?.integration
      }
      return response
    }
  }

  /// The id of the one log whose id begins with a text.
  private func logID(ofPrefix text: String) async throws(RPCError) -> LogID {
    if let id = LogID(text) { return id }
    guard let range = LogID.range(ofPrefix: text) else {
      throw .invalid(
        "id", "expected a log's id, a UUID as 36 characters, or at least the first 8 of them")
    }
    let found: [LogID]
    do throws(StoreError) {
      found = try await store.logIDs(in: range, limit: 4)
    } catch {
      throw refusal(error)
    }
    guard let first = found.first else {
      throw RPCError(.notFound, "no log's id begins with \(text)", reason: Reason.logUnknown)
    }
    // Two integrations may have logs of one id; it names whichever the id alone does.
    guard Set(found).count == 1 else {
      let more = found.count > 3 ? " and more" : ""
      throw RPCError(
        .invalidArgument,
        "several logs' ids begin with \(text): "
          + found.prefix(3).map(\.description).joined(separator: ", ") + "\(more); give more of it",
        reason: Reason.logAmbiguous)
    }
    return first
  }

  /// A new log for the same work, linked by retry_of.
  public func retryLog(_ request: RetryLogRequestView, _ call: ServerCall<RetryLogResponse>) {
    let fields = request.makeMessage()
    let principal = call.principal.name
    changeAfterReading(call) { [self] () async throws(RPCError) in
      var checks = FieldChecks()
      checks.bytes(fields.reason, "reason", FieldRules.maximumMessageBytes)
      checks.bytes(fields.input, "input", FieldRules.maximumDocumentBytes)
      if !fields.replaceInput, !fields.input.isEmpty {
        checks.note("replace_input", "expected true beside an input; it is false")
      }
      guard checks.isEmpty else { throw .invalid(checks.violations) }
      let id = try Self.logID(fields.id)
      if fields.replaceInput { try await checkInput(fields.input, ofRetry: id) }
      let command = StoreCommand.retryLog(
        logID: id, newID: Self.newLogID(), principal: principal,
        input: fields.replaceInput ? fields.input : nil, reason: fields.reason)
      return .command(command) { [catalogue] outcome in
        guard case .requested(let log, _) = outcome else { return nil }
        var response = RetryLogResponse()
        response.log = ActionLog(log, catalogue)
        return response
      }
    }
  }

  /// Checks the input that a retry of a log is to have.
  private func checkInput(_ input: String, ofRetry id: LogID) async throws(RPCError) {
    let detail: LogDetail?
    do throws(StoreError) {
      detail = try await store.log(id, errorsAfter: 0, errorLimit: 1)
    } catch {
      throw refusal(error)
    }
    guard let log = detail?.log else { throw .unknownLog(id) }
    guard let action = catalogue.action(log.integration, log.actionType) else { return }
    try InputCheck(action.declaration).check(input)
  }

  /// The store's form of a list's filter, order and page; nil: nothing can match.
  func logQuery(
    _ filter: LogFilter?, order: Order, size: UInt32, token: String
  ) throws(RPCError) -> LogQuery? {
    let limit = try Self.pageSize(size, "page_size")
    let after = try PageToken.position(token)
    guard let selection = try selection(filter) else { return nil }
    let direction: LogOrder
    switch order {
    case .unspecified, .newestFirst: direction = .newestFirst
    case .oldestFirst: direction = .oldestFirst
    case .unrecognized(let number):
      throw .invalid("order", "expected 0 to 2; it is \(number)")
    }
    return LogQuery(selection, order: direction, limit: limit, after: after)
  }

  /// The store's form of a filter; nil: it names only integrations that do not exist, which the
  /// caller hears as an error, or values that nothing can have.
  func selection(_ filter: LogFilter?) throws(RPCError) -> LogSelection? {
    var selection = LogSelection()
    guard let filter else { return selection }
    var checks = FieldChecks()
    checks.filter(filter)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    for name in filter.integrations { selection.integrations.append(try known(name).id) }
    selection.actionTypes = filter.actionTypes
    selection.statuses = Set(filter.statuses.compactMap(\.model))
    selection.triggers = Set(filter.triggers.compactMap(\.model))
    selection.entityType = filter.entityType
    selection.entityIDs = filter.entityIds
    selection.agentIDs = filter.agentIds
    selection.since = filter.since?.instant
    selection.until = filter.until?.instant
    selection.text = filter.text
    selection.labels = filter.labels
    selection.isHandled = filter.handling.model
    return selection
  }
}

extension FieldChecks {
  /// How many values one field of a filter may have.
  static let maximumAlternatives = 100

  /// What may be wrong with a filter.
  mutating func filter(_ filter: LogFilter) {
    let lists: [(String, Int)] = [
      ("integrations", filter.integrations.count), ("action_types", filter.actionTypes.count),
      ("statuses", filter.statuses.count), ("entity_ids", filter.entityIds.count),
      ("agent_ids", filter.agentIds.count), ("triggers", filter.triggers.count),
      ("labels", filter.labels.count),
    ]
    for (field, count) in lists {
      list(count, "filter.\(field)", maximum: Self.maximumAlternatives)
    }
    for status in filter.statuses where status.model == nil {
      note("filter.statuses", "expected 1 to 6; \(status.rawValue) is another")
    }
    for trigger in filter.triggers where trigger.model == nil {
      note("filter.triggers", "expected 1 to 4; \(trigger.rawValue) is another")
    }
    if case .unrecognized(let number) = filter.handling {
      note("filter.handling", "expected 0 to 2; it is \(number)")
    }
    bytes(filter.text, "filter.text", FieldRules.maximumShortTextBytes)
    if let since = filter.since, let until = filter.until, until <= since {
      note("filter.until", "expected a time after since")
    }
  }
}

extension Handling {
  /// Whether logs are to be handled; nil: either.
  fileprivate var model: Bool? {
    switch self {
    case .open: false
    case .handled: true
    case .unspecified, .unrecognized: nil
    }
  }
}

extension RPCError {
  static func unknownLog(_ id: LogID) -> RPCError {
    RPCError(.notFound, "there is no log \(id)", reason: Reason.logUnknown)
  }
}
