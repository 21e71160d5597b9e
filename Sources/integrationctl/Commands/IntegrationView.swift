import IntegrationAPI

/// The text of `integrations show`: the header, then agents, actions and keys.
enum IntegrationView {
  static func text(_ reply: GetIntegrationResponse, _ presentation: Presentation) -> String {
    var document = Document(presentation)
    if let integration = reply.integration { addHeader(integration, to: &document, presentation) }
    document.table(
      "Agents", AgentCommands.table, reply.agents, empty: "none has ever phoned home")
    document.table(
      "Actions", ActionCommands.table, reply.actions, empty: "no agent has declared any")
    if reply.hasMoreAgents || reply.hasMoreActions {
      let name = reply.integration?.name ?? ""
      let nouns = [reply.hasMoreAgents ? "agents" : "", reply.hasMoreActions ? "actions" : ""]
      let commands = nouns.filter { !$0.isEmpty }.map { "integrationctl \($0) list \(name)" }
      document.line(Cell("There are more: \(commands.joined(separator: ", "))", .warning))
    }
    document.table("Keys", KeyCommands.table, reply.keys, empty: "none: no agent can connect")
    return document.text
  }

  private static func addHeader(
    _ integration: Integration, to document: inout Document, _ presentation: Presentation
  ) {
    let now = presentation.now
    document.line(
      Cell(integration.displayName, .heading),
      integration.displayName == integration.name ? "" : Cell("(\(integration.name))"),
      .health(integration.health))
    document.fields([
      ("Author", Cell(integration.author)),
      ("Support contact", Cell(integration.supportContact)),
      ("Category", Cell(integration.category)),
      ("Description", Cell(integration.description)),
      ("Paused", integration.paused ? Cell(pauseWords(integration), .warning) : ""),
      ("Last log update", .moment(integration.lastLogAt, now, missing: "never")),
      ("Phoned home", .moment(integration.lastPhoneHomeAt, now, missing: "never")),
      ("Logs", Cell(logWords(integration), integration.failedLogsDay > 0 ? .bad : .plain)),
      ("Created", .moment(integration.createdAt, now)),
    ])
  }

  static func pauseWords(_ integration: Integration) -> String {
    integration.pauseReason.isEmpty ? "yes" : integration.pauseReason
  }

  private static func logWords(_ integration: Integration) -> String {
    "\(integration.logs) in all, \(integration.openLogs) open, "
      + "\(integration.failedLogsDay) failed in 24 hours"
  }
}
