import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `integrations delete`: asks, with what will be lost.
enum IntegrationDeletion {
  static let withLogs = Flag.toggle(
    "with-logs", help: "its logs go too; without it, an integration with logs is not deleted")

  static let verb = Verb(
    Command(
      "delete", "end an integration for good, with its keys, schedules and open requests",
      flags: [withLogs, GlobalFlags.yes], positionals: [IntegrationCommands.name]
    ).withExamples([
      CommandExample("integrationctl integrations delete trial", "one that has done nothing yet"),
      CommandExample(
        "integrationctl integrations delete customsoft --with-logs", "one with all its history"),
    ]).withDiscussion(
      "Its agents are cut off at once. Logs are removed in small steps behind the answer; the name "
        + "is free again when they are gone. The audit keeps who did it.")
  ) { invocation in
    var show = GetIntegrationRequest()
    show.name = invocation.arguments[IntegrationCommands.name]
    let named = show
    let found = try await invocation.call { client throws(RPCError) in
      try await client.getIntegration(named)
    }
    let logs = found.integration?.logs ?? 0
    let what = logs == 1 ? "its log" : "its \(logs) logs"
    let loss = invocation.arguments[withLogs] && logs > 0 ? " with \(what)" : ""
    try invocation.confirm(
      "Delete \(named.name)\(loss)? \(agentWords(found.agents.count)) This cannot be undone.")
    var request = DeleteIntegrationRequest()
    request.name = named.name
    request.withLogs = invocation.arguments[withLogs]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.deleteIntegration(sent)
    }
    try invocation.write(reply) { _ in
      "Deleted \(sent.name) with \(reply.deletedLogs) logs; "
        + "\(reply.cancelledRequests) requests were open.\n"
    }
  }

  private static func agentWords(_ count: Int) -> String {
    switch count {
    case 0: "It has no agents."
    case 1: "Its agent is cut off at once."
    default: "Its \(count) agents are cut off at once."
    }
  }
}
