import IntegrationAPI
import IntegrationModel
import ProtobufRuntime

extension FieldChecks {
  /// What may be wrong with a report, whatever is stored.
  ///
  /// `prefix` names the report's place in its message: `report.` or `reports[3].`. Returns the
  /// log's id, to be used when nothing is wrong.
  mutating func report(
    _ report: LogReportView, _ prefix: @autoclosure () -> String
  ) -> LogID {
    let logID = unsafe LogID(text: report.logID.bytes)
    note("\(prefix())log_id", FieldRules.complaint(logID: logID))
    count(report.sequence, "\(prefix())sequence")
    optionalName(report.actionType, "\(prefix())action_type")
    if let entity = report.entity {
      self.entity(
        type: entity.type, id: entity.id, displayName: entity.displayName, url: entity.url,
        "\(prefix())entity.")
    }
    statusAndTrigger(report, prefix())
    text(
      report.statusMessage, "\(prefix())status_message", maximum: FieldRules.maximumMessageBytes)
    text(report.leaseToken, "\(prefix())lease_token", maximum: FieldRules.maximumShortTextBytes)
    count(report.recordsDone, "\(prefix())records_done")
    count(report.recordsTotal, "\(prefix())records_total")
    if report.labels.count > 0 { labels(report, prefix()) }
    if report.errors.count > 0 { recordErrors(report, prefix()) }
    document(report.result, "\(prefix())result")
    return logID ?? .lowest
  }

  private mutating func statusAndTrigger(
    _ report: LogReportView, _ prefix: @autoclosure () -> String
  ) {
    if report.status != .unspecified, report.status.model == nil {
      note("\(prefix())status", "expected 0 to 6; it is \(report.status.rawValue)")
    }
    if report.trigger != .unspecified, report.trigger.model == nil {
      note("\(prefix())trigger", "expected 0 to 4; it is \(report.trigger.rawValue)")
    }
  }

  private mutating func labels(_ report: LogReportView, _ prefix: @autoclosure () -> String) {
    list(report.labels.count, "\(prefix())labels", maximum: FieldRules.maximumLabels)
    for label in report.labels.prefix(FieldRules.maximumLabels) {
      if label.key.isEmpty { note("\(prefix())labels", "expected a key; it is empty") }
      text(label.key, "\(prefix())labels", maximum: FieldRules.maximumShortTextBytes)
      text(
        label.value, "\(prefix())labels[\(label.key)]", maximum: FieldRules.maximumShortTextBytes)
    }
  }

  private mutating func recordErrors(
    _ report: LogReportView, _ prefix: @autoclosure () -> String
  ) {
    list(report.errors.count, "\(prefix())errors", maximum: FieldRules.maximumRecordErrors)
    for (index, error) in report.errors.enumerated().prefix(FieldRules.maximumRecordErrors) {
      text(
        error.referenceID, "\(prefix())errors[\(index)].reference_id",
        maximum: FieldRules.maximumShortTextBytes)
      text(
        error.message, "\(prefix())errors[\(index)].message",
        maximum: FieldRules.maximumMessageBytes)
      text(
        error.cause, "\(prefix())errors[\(index)].cause", maximum: FieldRules.maximumMessageBytes)
    }
  }
}
