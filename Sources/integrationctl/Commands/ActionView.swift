import IntegrationAPI

/// The text of `actions show`, and how lists name what operators did.
enum ActionView {
  static func text(_ reply: GetActionResponse, _ presentation: Presentation) -> String {
    let action = reply.action ?? Action()
    let definition = action.definition ?? ActionDefinition()
    var document = Document(presentation)
    document.line(
      Cell(definition.name.isEmpty ? definition.type : definition.name, .heading),
      Cell("(\(definition.type) of \(action.integration))"),
      action.paused ? Cell("paused", .warning) : "",
      definition.retired ? Cell("retired", .faint) : "")
    document.fields([
      ("Description", Cell(definition.description)),
      ("Paused", action.paused ? Cell(pauseWords(action), .warning) : ""),
      ("Works on", Cell(definition.entityType)),
      ("Can be cancelled", words(definition.supportsCancel)),
      ("Notify on failure", words(definition.notifyOnFailure)),
      ("Queued", Cell("\(action.queued)")),
      ("In progress", Cell("\(action.inProgress)")),
      ("Polled by", Cell(action.pollingAgents == 1 ? "1 agent" : "\(action.pollingAgents) agents")),
      ("Last log", .moment(action.lastLogAt, presentation.now, missing: "never")),
      ("Expected by", .moment(action.expectedBy, presentation.now)),
      ("Whom to call", Cell(reply.integration?.supportContact ?? "")),
    ])
    document.fields(policy(action))
    document.fields([
      ("Input schema", Cell(definition.inputSchema)), ("Revision", Cell("\(definition.revision)")),
    ])
    addNextSteps(action, definition, to: &document)
    return document.text
  }

  private static func addNextSteps(
    _ action: Action, _ definition: ActionDefinition, to document: inout Document
  ) {
    let target = "\(action.integration) \(definition.type)"
    if action.paused {
      document.line(Cell("End the pause: integrationctl actions resume \(target)", .faint))
    }
    if action.override != nil {
      document.line(
        Cell("As declared again: integrationctl actions update \(target) --clear RULE", .faint))
    }
    if definition.canBeRequested, !definition.retired {
      let record = definition.entityType.isEmpty ? "" : " --entity ID"
      document.line(Cell("Ask for it: integrationctl requests create \(target)\(record)", .faint))
    }
  }

  /// The rules that hold, each with what the agent declares where operators set another.
  static func policy(_ action: Action) -> [(label: String, value: Cell)] {
    let holds = action.definition ?? ActionDefinition()
    let declared = action.declared ?? holds
    let set = Set(action.override?.fields ?? [])
    func rule(_ label: String, _ field: String, _ text: (ActionDefinition) -> String)
      -> (label: String, value: Cell)
    {
      guard set.contains(field) else { return (label, Cell(text(holds))) }
      return (label, Cell("\(text(holds)), set by operators; declared: \(text(declared))"))
    }
    let rate = Rate(
      limit: action.override?.rateLimit ?? 0, periodMs: action.override?.ratePeriodMs ?? 0)
    return [
      rule("Can be requested", "can_be_requested") { $0.canBeRequested ? "yes" : "no" },
      rule("Retries", "retry") { retryWords($0.retry) },
      rule("Queue timeout", "queue_timeout_ms") { span($0.queueTimeoutMs) },
      rule("Progress timeout", "progress_timeout_ms") { span($0.progressTimeoutMs) },
      rule("At most in flight", "maximum_in_flight") { limit($0.maximumInFlight) },
      (
        "Rate",
        Cell(set.contains("rate_limit") ? "\(rate.words), set by operators" : "unlimited")
      ),
      rule("One open per record", "one_open_per_entity") { $0.oneOpenPerEntity ? "yes" : "no" },
    ]
  }

  /// What operators did, for the last column of lists.
  static func notes(_ action: Action) -> Cell {
    let rules = (action.override?.fields ?? []).compactMap { field in
      ActionFlags.Rule.allCases.first { $0.fieldName == field }?.rawValue
    }
    let overridden = rules.isEmpty ? "" : "set: \(rules.joined(separator: ", "))"
    guard action.paused else { return Cell(overridden) }
    let reason = action.pauseReason.isEmpty ? "" : " (\(action.pauseReason))"
    return Cell(
      ["paused\(reason)", overridden].filter { !$0.isEmpty }.joined(separator: "; "), .warning)
  }

  /// ", 3 requests wait", where some do.
  static func waiting(_ action: Action?) -> String {
    switch action?.queued ?? 0 {
    case 0: ""
    case 1: "; 1 request waits"
    case let count: "; \(count) requests wait"
    }
  }

  private static func pauseWords(_ action: Action) -> String {
    action.pauseReason.isEmpty ? "yes" : action.pauseReason
  }

  private static func words(_ flag: Bool) -> Cell { flag ? "yes" : "no" }

  private static func span(_ milliseconds: UInt32) -> String {
    milliseconds == 0 ? "the server's default" : TimeText.span(milliseconds: Int64(milliseconds))
  }

  private static func limit(_ count: UInt32) -> String { count == 0 ? "unlimited" : "\(count)" }

  private static func retryWords(_ policy: RetryPolicy?) -> String {
    guard let policy, policy.maximumAttempts > 1 else { return "none by itself" }
    let first = TimeText.span(milliseconds: Int64(policy.initialBackoffMs))
    let longest = policy.maximumBackoffMs == 0 ? 3_600_000 : Int64(policy.maximumBackoffMs)
    return "up to \(policy.maximumAttempts) attempts, \(first) to "
      + "\(TimeText.span(milliseconds: longest)) apart"
  }
}
