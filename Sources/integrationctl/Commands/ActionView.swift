import IntegrationAPI

/// The text of `actions show`.
enum ActionView {
  static func text(_ action: Action, _ presentation: Presentation) -> String {
    let definition = action.definition ?? ActionDefinition()
    var document = Document(presentation)
    document.line(
      Cell(definition.name.isEmpty ? definition.type : definition.name, .heading),
      Cell("(\(definition.type) of \(action.integration))"),
      definition.retired ? Cell("retired", .faint) : "")
    document.fields([
      ("Description", Cell(definition.description)),
      ("Works on", Cell(definition.entityType)),
      ("Can be requested", words(definition.canBeRequested)),
      ("Can be cancelled", words(definition.supportsCancel)),
      ("Notify on failure", words(definition.notifyOnFailure)),
      ("Queued", Cell("\(action.queued)")),
      ("In progress", Cell("\(action.inProgress)")),
      ("Polled by", Cell(action.pollingAgents == 1 ? "1 agent" : "\(action.pollingAgents) agents")),
      ("Last log", .moment(action.lastLogAt, presentation.now, missing: "never")),
    ])
    document.fields([
      ("Retries", Cell(retryWords(definition.retry))),
      ("Queue timeout", Cell(span(definition.queueTimeoutMs))),
      ("Progress timeout", Cell(span(definition.progressTimeoutMs))),
      ("At most in flight", Cell(limit(definition.maximumInFlight))),
      ("One open per record", words(definition.oneOpenPerEntity)),
      ("Input schema", Cell(definition.inputSchema)),
      ("Revision", Cell("\(definition.revision)")),
    ])
    if definition.canBeRequested, !definition.retired {
      let record = definition.entityType.isEmpty ? "" : " --entity ID"
      document.line(
        Cell(
          "Ask for it: integrationctl requests create \(action.integration) "
            + "\(definition.type)\(record)", .faint))
    }
    return document.text
  }

  private static func words(_ flag: Bool) -> Cell { flag ? "yes" : "no" }

  private static func span(_ milliseconds: UInt32) -> String {
    milliseconds == 0 ? "the server's default" : TimeText.span(milliseconds: Int64(milliseconds))
  }

  private static func limit(_ count: UInt32) -> String { count == 0 ? "unlimited" : "\(count)" }

  private static func retryWords(_ policy: RetryPolicy?) -> String {
    guard let policy, policy.maximumAttempts > 1 else { return "none by itself" }
    let first = TimeText.span(milliseconds: Int64(policy.initialBackoffMs))
    let last = TimeText.span(milliseconds: Int64(policy.maximumBackoffMs))
    return "up to \(policy.maximumAttempts) attempts, \(first) to \(last) apart"
  }
}
