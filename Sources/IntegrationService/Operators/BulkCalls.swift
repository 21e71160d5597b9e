import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// A step of a retry of many logs.
  public func retryLogs(
    _ request: RetryLogsRequestView, _ call: ServerCall<RetryLogsResponse>
  ) {
    let fields = request.makeMessage()
    // Read anew: the call's own clock may be a moment older than what the caller saw fail.
    let (principal, now) = (call.principal.name, ServerClock.now)
    changeAfterReading(call) { [self] () async throws(RPCError) in
      let step = try bulkStep(
        BulkFields(fields.filter, fields.pageSize, fields.pageToken, fields.reason), .retry,
        now: now)
      let page: LogPage
      do throws(StoreError) {
        page = try await store.logs(step.query)
      } catch {
        throw refusal(error)
      }
      let next = page.next.map { BulkToken(until: step.until, after: $0).text(.retry) } ?? ""
      let logs = page.logs.map(\.position)
      guard !logs.isEmpty else {
        var response = RetryLogsResponse()
        response.nextPageToken = next
        return .answer(response)
      }
      // Not before `until`: no step of this retry finds them.
      let items = logs.map { log in
        RetryLogs.Item(log: log, newID: Self.newLogID(from: step.until))
      }
      let command = RetryLogs(items: items, reason: fields.reason, principal: principal)
      return .command(.retryLogs(command)) { outcome in
        guard case .many(let outcomes) = outcome else { return nil }
        return RetryLogsResponse(outcomes, of: logs, next: next)
      }
    }
  }

  /// A step of a cancellation of many requests.
  public func cancelRequests(
    _ request: CancelRequestsRequestView, _ call: ServerCall<CancelRequestsResponse>
  ) {
    let fields = request.makeMessage()
    let (principal, now) = (call.principal.name, ServerClock.now)
    changeAfterReading(call) { [self] () async throws(RPCError) in
      let step = try bulkStep(
        BulkFields(fields.filter, fields.pageSize, fields.pageToken, fields.reason), .cancel,
        now: now)
      let page: RequestPage
      do throws(StoreError) {
        page = try await store.openRequests(step.query)
      } catch {
        throw refusal(error)
      }
      let next = page.next.map { BulkToken(until: step.until, after: $0).text(.cancel) } ?? ""
      let logs = page.requests.map(\.log.position)
      guard !logs.isEmpty else {
        var response = CancelRequestsResponse()
        response.nextPageToken = next
        return .answer(response)
      }
      let command = StoreCommand.cancelRequests(
        logs, reason: fields.reason, principal: principal)
      return .command(command) { outcome in
        guard case .many(let outcomes) = outcome else { return nil }
        return CancelRequestsResponse(outcomes, of: logs, next: next)
      }
    }
  }

  /// Asks for one action on many records.
  public func createRequests(
    _ request: CreateRequestsRequestView, _ call: ServerCall<CreateRequestsResponse>
  ) {
    let fields = request.makeMessage()
    let (principal, now) = (call.principal.name, call.now.instant)
    changeAfterReading(call) { [self] () async throws(RPCError) in
      var checks = FieldChecks()
      checks.list(fields.items.count, "items", maximum: FieldRules.maximumItems)
      if fields.items.isEmpty { checks.note("items", "expected 1 to 1000; there is none") }
      guard checks.isEmpty else { throw .invalid(checks.violations) }
      let wish = try RequestWish(fields, catalogue, now: now)
      var commands: [CreateRequest] = []
      var checked: [RPCError?] = []
      for item in fields.items {
        do throws(RPCError) {
          commands.append(try wish.command(item, principal))
          checked.append(nil)
        } catch {
          checked.append(error)
        }
        // A schema may make each check 2 ms: others come in between.
        if checked.count.isMultiple(of: 16) { await Task.yield() }
      }
      guard !commands.isEmpty else {
        return .answer(CreateRequestsResponse([], checked, catalogue))
      }
      return .command(.createRequests(commands)) { [catalogue, checked] outcome in
        guard case .many(let outcomes) = outcome else { return nil }
        return CreateRequestsResponse(outcomes, checked, catalogue)
      }
    }
  }

  // MARK: - Steps

  /// What every step over a filter says.
  struct BulkFields {
    var filter: LogFilter?
    var pageSize: UInt32
    var pageToken: String
    var reason: String

    init(_ filter: LogFilter?, _ pageSize: UInt32, _ pageToken: String, _ reason: String) {
      self.filter = filter
      self.pageSize = pageSize
      self.pageToken = pageToken
      self.reason = reason
    }
  }

  /// What a step looks at.
  struct BulkStep {
    var query: LogQuery
    /// Logs that are made later are not touched, in this step and those that follow.
    var until: Instant
  }

  /// Reads a step; the first one sets the time up to which logs are touched, so that what fails
  /// again meanwhile is not swept in.
  private func bulkStep(
    _ fields: BulkFields, _ kind: BulkToken.Kind, now: Instant
  ) throws(RPCError) -> BulkStep {
    var checks = FieldChecks()
    checks.bytes(fields.reason, "reason", FieldRules.maximumMessageBytes)
    checks.bulkStatuses(fields.filter?.statuses ?? [], kind)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    guard let filter = fields.filter, filter != LogFilter() else { throw .filterEmpty }
    let wanted = try Self.pageSize(fields.pageSize, "page_size")
    let limit = fields.pageSize == 0 ? ServiceLimits.defaultBulkSize : wanted
    let token = try BulkToken(fields.pageToken, kind)
    var selection = try selection(filter) ?? LogSelection()
    if kind == .retry, selection.statuses.isEmpty { selection.statuses = [.failed, .timedOut] }
    let end = now.adding(milliseconds: 1)
    // A token that names a time to come would have new logs carry ids of that time.
    let until = min(token?.until ?? selection.until ?? end, end)
    selection.until = until
    return BulkStep(
      query: LogQuery(selection, order: .oldestFirst, limit: limit, after: token?.after),
      until: until)
  }
}

/// Where the next step over a filter goes on.
struct BulkToken {
  /// What the steps do; a token of one is none of another.
  enum Kind: String {
    case retry = "r"
    case cancel = "c"
  }

  let until: Instant
  let after: LogPosition

  init(until: Instant, after: LogPosition) {
    self.until = until
    self.after = after
  }

  /// Reads a token; nil for an empty one: from the beginning.
  init?(_ token: String, _ kind: Kind) throws(RPCError) {
    guard !token.isEmpty else { return nil }
    let parts = token.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
    guard token.utf8.count <= 96, token.hasPrefix(kind.rawValue), parts.count == 2,
      let until = Int64(parts[0], radix: 36), until >= 0,
      let after = try PageToken.position(String(parts[1]))
    else { throw PageToken.invalid("page_token") }
    self.init(until: Instant(milliseconds: until), after: after)
  }

  func text(_ kind: Kind) -> String {
    "\(kind.rawValue)\(String(until.milliseconds, radix: 36)).\(PageToken.text(after))"
  }
}

extension FieldChecks {
  /// Statuses that a step can do nothing about are a mistake, not a filter that matches little.
  mutating func bulkStatuses(_ statuses: [LogStatus], _ kind: BulkToken.Kind) {
    let possible: Set<LogStatus> =
      switch kind {
      case .retry: [.failed, .timedOut, .cancelled]
      case .cancel: [.queued, .inProgress]
      }
    guard statuses.contains(where: { !possible.contains($0) }) else { return }
    note(
      "filter.statuses",
      kind == .retry
        ? "only FAILED, TIMED_OUT and CANCELLED can be retried"
        : "only QUEUED and IN_PROGRESS can be cancelled")
  }
}

extension ActionLog {
  /// A log without what may be long: a thousand of them fit into a frame.
  fileprivate init(brief log: StoredLog, _ catalogue: Catalogue) {
    var brief = log
    brief.result = ""
    brief.message = ""
    brief.labels = [:]
    brief.entity.url = ""
    self.init(brief, catalogue)
  }
}

extension BulkFailure {
  /// A thousand of them fit into a frame.
  private static let maximumMessage = 1_000

  /// One of many that was refused.
  init(_ id: String, _ error: RPCError) {
    self.init()
    self.id = id
    reason = error.reason
    let details = error.violations.prefix(3).map { "\($0.field): \($0.description)" }
    let text = ([error.message] + details).joined(separator: "; ")
    message = text.utf8.count <= Self.maximumMessage ? text : "\(text.prefix(250))…"
  }
}

extension RetryLogsResponse {
  init(_ outcomes: [CommandOutcome], of logs: [LogPosition], next: String) {
    self.init()
    nextPageToken = next
    for (outcome, log) in zip(outcomes, logs) {
      switch outcome {
      case .requested: retried += 1
      case .failed(let failure): failures.append(BulkFailure("\(log.logID)", RPCError(failure)))
      default: skipped += 1
      }
    }
  }
}

extension CancelRequestsResponse {
  init(_ outcomes: [CommandOutcome], of logs: [LogPosition], next: String) {
    self.init()
    nextPageToken = next
    for (outcome, log) in zip(outcomes, logs) {
      switch outcome {
      case .cancelled(_, let askedAgent):
        if askedAgent { askedAgents += 1 } else { cancelled += 1 }
      case .failed(let failure): failures.append(BulkFailure("\(log.logID)", RPCError(failure)))
      default: break
      }
    }
  }
}

extension CreateRequestsResponse {
  /// `checked` has nil for each item that became a command; their outcomes come in that order.
  init(_ outcomes: [CommandOutcome], _ checked: [RPCError?], _ catalogue: Catalogue) {
    self.init()
    var rest = outcomes.makeIterator()
    self.outcomes = checked.enumerated().map { index, error in
      var shown = RequestOutcome()
      if let error {
        shown.failure = BulkFailure("\(index + 1)", error)
        return shown
      }
      switch rest.next() {
      case .requested(let log, let duplicate):
        shown.log = ActionLog(brief: log, catalogue)
        shown.duplicate = duplicate
      case .failed(let failure):
        shown.failure = BulkFailure("\(index + 1)", RPCError(failure))
      default: break
      }
      return shown
    }
  }
}

extension RPCError {
  static let filterEmpty = RPCError(
    .invalidArgument, "a step over many needs a filter with at least one field; none is set",
    reason: Reason.filterEmpty,
    violations: [FieldViolation(field: "filter", description: "expected at least one field")])
}
