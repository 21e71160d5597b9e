import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `status`: one screen, what is wrong first.
enum StatusCommand {
  static let verb = Verb(
    Command("status", "what is wrong first, then every integration").withExamples([
      CommandExample("integrationctl status", "what is wrong, whom to call, what to do"),
      CommandExample("integrationctl status --watch", "on a screen that somebody looks at"),
      CommandExample("integrationctl status --output json | jq '.troubles[].kind'", "for a script"),
    ])
  ) { invocation in
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.getStatus(GetStatusRequest())
    }
    try invocation.write(reply) { presentation in text(reply, presentation) }
  }.watched()

  static func text(_ reply: GetStatusResponse, _ presentation: Presentation) -> String {
    var document = Document(presentation)
    if reply.troubles.isEmpty {
      document.line(Cell("Nothing is wrong.", .good))
    } else {
      let count = reply.troubles.count
      document.line(Cell(count == 1 ? "1 thing is wrong" : "\(count) things are wrong", .bad))
      for trouble in reply.troubles { add(trouble, to: &document) }
    }
    document.table(
      "Integrations", IntegrationCommands.listing.table, reply.integrations,
      empty: "none yet; begin with: integrationctl integrations create NAME --author A "
        + "--support-contact C")
    document.line(Cell(workWords(reply, presentation.now)))
    return document.text
  }

  private static func add(_ trouble: Trouble, to document: inout Document) {
    document.line(Cell(trouble.kind, tone(of: trouble.kind)), Cell(trouble.integration, .heading))
    document.attachFields([("", Cell(trouble.message))])
    document.attachFields(
      [
        ("call", Cell(trouble.supportContact)), ("next", Cell(trouble.nextStep, .active)),
      ], .never)
  }

  /// What stops work is red, what only may is not.
  private static func tone(of kind: String) -> Tone {
    let stopping = [
      "STORAGE_FULL", "STORE_NOT_WHOLE", "INTEGRATION_DOWN", "UNSERVED_REQUESTS",
      "NOT_TAKING_WORK", "AGENT_DOWN",
    ]
    if stopping.contains(kind) { return .bad }
    return kind == "NEVER_SEEN" ? .faint : .warning
  }

  private static func workWords(_ reply: GetStatusResponse, _ now: WallTime) -> String {
    var text = "\(reply.queued) queued, \(reply.inProgress) in progress"
    if let oldest = reply.oldestQueuedAt, reply.queued > 0 {
      let waited = max(0, now.milliseconds - WallTime(oldest).milliseconds)
      text += "; the oldest has waited \(TimeText.span(milliseconds: waited))"
    }
    return text
  }
}
