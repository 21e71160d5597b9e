import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Who changed what, and when.
  public func listAudit(
    _ request: ListAuditRequestView, _ call: ServerCall<ListAuditResponse>
  ) {
    let fields = request.makeMessage()
    read(call, through: pages) { [self] () async throws(RPCError) in
      let query = try Self.auditQuery(fields)
      let page: AuditPage
      do throws(StoreError) {
        page = try await store.audit(query)
      } catch {
        throw refusal(error)
      }
      let count = PageBudget.fitting(page.entries) {
        400 + $0.before.utf8.count + $0.after.utf8.count + $0.reason.utf8.count
      }
      let next = count < page.entries.count ? page.entries[count - 1].number : page.next
      var response = ListAuditResponse()
      response.entries = page.entries.prefix(count).map(AuditEntry.init)
      response.nextPageToken =
        next.map { PageToken.text(auditNumber: $0, isOldestFirst: fields.oldestFirst) } ?? ""
      return response
    }
  }

  private static func auditQuery(_ fields: ListAuditRequest) throws(RPCError) -> AuditQuery {
    var checks = FieldChecks()
    checks.bytes(fields.principal, "principal", FieldRules.maximumShortTextBytes)
    checks.bytes(fields.action, "action", FieldRules.maximumShortTextBytes)
    checks.bytes(fields.target, "target", FieldRules.maximumShortTextBytes)
    if let since = fields.since, let until = fields.until, until.instant <= since.instant {
      checks.note("until", "expected a time after since: as it is, nothing can match")
    }
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    var query = AuditQuery()
    query.principal = fields.principal
    query.action = fields.action
    query.target = fields.target
    query.since = fields.since?.instant
    query.until = fields.until?.instant
    query.isOldestFirst = fields.oldestFirst
    query.limit = try pageSize(fields.pageSize, "page_size")
    query.after = try PageToken.auditNumber(
      fields.pageToken, isOldestFirst: fields.oldestFirst)
    return query
  }
}

extension AuditEntry {
  /// An entry as stored.
  init(_ stored: StoredAuditEntry) {
    self.init()
    number = UInt64(clamping: stored.number)
    at = Timestamp(stored.at)
    principal = stored.context.principal
    from = stored.context.from
    action = stored.context.action
    target = stored.target
    before = stored.before
    after = stored.after
    reason = stored.reason
  }
}
