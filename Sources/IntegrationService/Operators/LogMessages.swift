import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime

// Logs and requests as operators see them.

extension ActionLog {
  /// A log as stored.
  init(_ log: StoredLog, _ catalogue: Catalogue) {
    self.init()
    id = log.id.description
    integration = catalogue.name(of: log.integration)
    actionType = log.actionType
    entity = Entity(log.entity)
    status = LogStatus(log.status)
    statusMessage = log.message
    trigger = Trigger(log.trigger)
    requestedBy = log.requestedBy
    agentID = log.agentID
    attempt = log.attempt
    retryOf = log.retryOf?.description ?? ""
    recordsDone = log.recordsDone
    recordsTotal = log.recordsTotal
    recordErrors = log.recordErrors
    labels = log.labels
    result = log.result
    sequence = log.sequence
    createdAt = Timestamp(log.createdAt)
    startedAt = Timestamp(log.startedAt)
    updatedAt = Timestamp(log.updatedAt)
    finishedAt = Timestamp(log.finishedAt)
    handled = log.isHandled
  }
}

extension ActionRequest {
  /// A request as stored.
  init(_ request: StoredRequest, _ catalogue: Catalogue) {
    self.init()
    log = ActionLog(request.log, catalogue)
    input = request.input
    idempotencyKey = request.idempotencyKey
    delivery = request.delivery
    holder = request.holder
    accepted = request.isAccepted
    leaseExpiresAt = Timestamp(request.leaseExpiresAt)
    cancelWanted = request.log.isCancelWanted
    notBefore = Timestamp(request.notBefore)
    expiresAt = Timestamp(request.expiresAt)
  }
}

extension TimelineEntry {
  /// A transition as stored.
  init(_ entry: StoredTimelineEntry) {
    self.init()
    at = Timestamp(entry.at)
    from = entry.from.map { LogStatus($0) } ?? .unspecified
    to = LogStatus(entry.to)
    principal = entry.principal
    agentID = entry.agentID
    cause = TimelineCause(entry.cause)
    message = entry.message
    late = entry.isLate
  }
}

extension GetLogResponse {
  /// Everything that belongs to a log, but for the health of its integration.
  init(_ detail: LogDetail, _ catalogue: Catalogue) {
    self.init()
    log = ActionLog(detail.log, catalogue)
    timeline = detail.timeline.map(TimelineEntry.init)
    errors = detail.recordErrors.map { error in
      var shown = RecordError()
      shown.referenceID = error.referenceID
      shown.message = error.message
      shown.cause = error.cause
      shown.retryable = error.isRetryable
      return shown
    }
    nextErrorPageToken = detail.nextRecordError.map { PageToken.text(number: $0) } ?? ""
    request = detail.request.map { ActionRequest($0, catalogue) }
    retriedBy = detail.retriedBy.map(\.description)
  }
}
