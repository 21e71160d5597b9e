import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime

extension CommandBatch {
  /// Copies a checked report into the batch.
  mutating func append(
    _ report: LogReportView, on logID: LogID, _ agentID: ProtobufText,
    integration: IntegrationID, now: Instant, origin: CommandOrigin
  ) {
    var command = ReportCommand(
      integration: integration, logID: logID, agentID: copy(agentID),
      actionType: copy(report.actionType), sequence: report.sequence,
      status: report.status.model, trigger: report.trigger.model ?? .event)
    if let entity = report.entity {
      command.entityType = copy(entity.type)
      command.entityID = copy(entity.id)
      command.entityName = copy(entity.displayName)
      command.entityURL = copy(entity.url)
    }
    command.message = copy(report.statusMessage)
    command.leaseToken = copy(report.leaseToken)
    command.result = copy(report.result)
    command.recordsDone = report.recordsDone
    command.recordsTotal = report.recordsTotal
    command.isRetryable = report.retryable
    command.retryAfterMs = report.retryAfterMs
    command.occurredAt = report.occurredAt?.instant
    command.isAhead = FieldRules.isAhead(logID, of: now) && FieldRules.isAhead(logID, of: .machine)
    if report.labels.count > 0 { command.labels = copy(report.labels) }
    if report.errors.count > 0 {
      command.firstRecordError = UInt32(recordErrors.count)
      command.recordErrorCount = UInt32(report.errors.count)
      for error in report.errors { copy(error) }
    }
    append(report: command, now: now, origin: origin)
  }

  @inline(__always)
  private mutating func copy(_ text: ProtobufText) -> TextRange {
    unsafe self.text(text.bytes)
  }

  private mutating func copy(_ labels: RepeatedView<LogReportLabelsEntryView>) -> TextRange {
    let start = beginLabels()
    for label in labels {
      unsafe appendLabel(key: label.key.bytes, value: label.value.bytes)
    }
    return endLabels(start)
  }

  private mutating func copy(_ error: RecordErrorView) {
    append(
      recordError: RecordErrorText(
        referenceID: copy(error.referenceID), message: copy(error.message),
        cause: copy(error.cause), isRetryable: error.retryable))
  }
}
