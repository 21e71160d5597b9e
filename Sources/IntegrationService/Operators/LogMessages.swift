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
    phases = IntegrationModel.LogPhase.phases(
      of: detail.timeline.filter { !$0.isLate }.map(\.moment)
    )
    .map(IntegrationAPI.LogPhase.init)
    chain = detail.attemptsThatFit.map { ActionLog($0, catalogue) }
  }
}

extension IntegrationAPI.LogPhase {
  /// A phase of the model.
  init(_ phase: IntegrationModel.LogPhase) {
    self.init()
    kind = LogPhaseKind(rawValue: Int32(phase.kind.rawValue))
    startedAt = Timestamp(phase.startedAt)
    endedAt = Timestamp(phase.endedAt)
    delivery = phase.delivery
    agentID = phase.agentID
  }
}

extension StoredTimelineEntry {
  /// What phases need of it.
  var moment: LogMoment { LogMoment(at: at, to: to, cause: cause, agentID: agentID) }
}

extension LogDetail {
  /// The attempts at the same work, as many as fit beside the rest: from the log itself outwards to
  /// the first, then those after it.
  var attemptsThatFit: [StoredLog] {
    let place = chain.firstIndex { $0.id == log.id } ?? 0
    let half = 256 << 10
    let after = Array(chain[place...])
    let before = Array(chain[..<place].reversed())
    return before.prefix(PageBudget.fitting(before, within: half, \.textBytes)).reversed()
      + after.prefix(PageBudget.fitting(after, within: half, \.textBytes))
  }
}
