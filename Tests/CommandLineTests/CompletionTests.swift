import CommandLineOptions
import IntegrationAPI
import RPCWire
import Testing

@testable import integrationctl

@Suite struct CompletionTests {
  /// The candidates of a line, as bash gets them.
  static func bash(_ line: String, _ desk: Desk = Desk()) async -> [String] {
    await answer(desk, "bash", line)
  }

  static func answer(_ desk: Desk, _ words: String...) async -> [String] {
    let outcome = await desk.run([CompletionShell.request] + words)
    #expect(outcome.code == .done)
    #expect(outcome.errors.isEmpty)
    return outcome.output.split(separator: "\n").map(String.init)
  }

  @Test(
    "What the declarations list is completed",
    arguments: [
      ("integrationctl lo", [":", "logs"]),
      ("integrationctl logs sh", [":", "show"]),
      ("integrationctl help logs sh", [":", "show"]),
      ("INTEGRATION_CONTEXT=x integrationctl lo", [":", "logs"]),
      ("integrationctl logs list --st", [":", "--status"]),
      ("integrationctl logs list --status FAI", [":", "FAILED"]),
      ("integrationctl logs list --status 'FAI", [":", "FAILED"]),
      ("integrationctl logs list --status=FAI", [":", "FAILED"]),
      ("integrationctl logs list --status FAILED,CA", [":", "FAILED,CANCELLED"]),
      ("integrationctl logs list --status=FAILED,CA", [":", "FAILED,CANCELLED"]),
      ("integrationctl -o json logs li", [":", "list"]),
      ("integrationctl logs list --columns mes", [":", "message"]),
      ("integrationctl logs list --watch --no-h", [":", "--no-headers"]),
      ("integrationctl --time u", [":", "utc"]),
      ("integrationctl -s t", [":nospace", "tcp:"]),
      ("integrationctl -s=t", [":"]),
      ("integrationctl keys create x --key-file /tm", [":files"]),
      ("integrationctl man ", [":directories"]),
      ("integrationctl completion f", [":", "fish"]),
      ("integrationctl nonsense --what ", [":", "status", "integrations"]),
      ("integrationctl status extra ", [":"]),
      ("integrationctl logs list --limit ", [":"]),
    ])
  func declared(line: String, expected: [String]) async {
    let lines = await Self.bash(line)
    #expect(Array(lines.prefix(expected.count)) == expected)
    if expected.count < 3 { #expect(lines.count == expected.count, "\(lines)") }
  }

  static func stocked() -> Desk {
    let desk = Desk()
    var integrations = ListIntegrationsResponse()
    integrations.integrations = [Samples.integration]
    desk.server.answer(OperatorServiceMethods.listIntegrations, integrations)
    var actions = ListActionsResponse()
    actions.actions = [Samples.action, Samples.action]
    desk.server.answer(OperatorServiceMethods.listActions, actions)
    var logs = ListLogsResponse()
    logs.logs = [Samples.log()]
    desk.server.answer(OperatorServiceMethods.listLogs, logs)
    var requests = ListRequestsResponse()
    requests.requests = [Samples.request]
    desk.server.answer(OperatorServiceMethods.listRequests, requests)
    var agents = ListAgentsResponse()
    agents.agents = [Samples.agent]
    desk.server.answer(OperatorServiceMethods.listAgents, agents)
    var keys = ListKeysResponse()
    keys.keys = [Samples.key]
    desk.server.answer(OperatorServiceMethods.listKeys, keys)
    return desk
  }

  @Test(
    "What the server knows is completed where it is named",
    arguments: [
      ("integrationctl integrations show ", "customsoft"),
      ("integrationctl logs list -i ", "customsoft"),
      ("integrationctl logs list -i other,cu", "other,customsoft"),
      ("integrationctl actions show customsoft ", "export_quote"),
      ("integrationctl logs list -a ", "export_quote"),
      ("integrationctl requests create customsoft exp", "export_quote"),
      ("integrationctl logs show ", Samples.logID),
      ("integrationctl logs retry a ", Samples.logID),
      ("integrationctl requests cancel ", Samples.request.log?.id ?? ""),
      ("integrationctl agents show customsoft ", Samples.agent.agentID),
      ("integrationctl keys revoke ", Samples.key.id),
    ])
  func served(line: String, expected: String) async {
    #expect(await Self.bash(line, Self.stocked()) == [":", expected])
  }

  @Test("A new integration's name is not completed with those that are taken")
  func newNames() async {
    #expect(await Self.bash("integrationctl integrations create ", Self.stocked()) == [":"])
  }

  @Test("Actions and agents are those of the integration on the line")
  func ofTheLine() async throws {
    let desk = Self.stocked()
    _ = await Self.bash("integrationctl actions show crm ", desk)
    _ = await Self.bash("integrationctl logs list --integration=erp,crm -a ", desk)
    let requests: [ListActionsRequest] = try desk.server.requests(
      OperatorServiceMethods.listActions)
    #expect(requests.map(\.integration) == ["crm", "erp"])
  }

  @Test("zsh and fish get a few words about each candidate", arguments: ["zsh", "fish"])
  func descriptions(shell: String) async {
    let lines = await Self.answer(Self.stocked(), shell, "logs", "show", "")
    #expect(lines == [":", "\(Samples.logID)\tFAILED customsoft/export_quote Q-1042 30s ago"])
    let verbs = await Self.answer(Desk(), shell, "logs", "sh")
    #expect(verbs == [":", "show\tone log: how it came about, its history and its errors"])
  }

  @Test("A server that is not there or refuses completes nothing and says nothing")
  func silence() async {
    var desk = Desk()
    desk.refusal = RPCError(.unavailable, "refused", reason: "SERVER_UNREACHABLE")
    #expect(await Self.bash("integrationctl logs show ", desk) == [":"])
    let refused = Desk()
    refused.server.refuse(
      OperatorServiceMethods.listLogs, RPCError(.permissionDenied, "no", reason: "ROLE_MISSING"))
    #expect(await Self.bash("integrationctl logs show ", refused) == [":"])
    let broken = await Self.bash("integrationctl logs show -s nowhere ")
    #expect(broken == [":"])
    #expect(await Desk().run(CompletionShell.request).output.isEmpty)
    #expect(await Desk().run(CompletionShell.request, "tcsh", "x").output.isEmpty)
  }

  @Test("Each argument and flag that names something declares what completes it")
  func everyNameIsCompleted() {
    let named = [
      "INTEGRATION", "ACTION", "AGENT", "LOG_ID", "KEY_ID", "TOKEN_ID", "SCHEDULE", "CONTEXT",
    ]
    for path in CommandTreeTests.verbPaths {
      guard let command = CommandTree.verb(at: path)?.command else { continue }
      for positional in command.positionals.map(\.declaration)
      where named.contains(positional.placeholder) {
        #expect(positional.completion != nil, "\(path) \(positional.placeholder)")
      }
      for flag in command.flags.map(\.declaration) {
        let placeholder = (flag.placeholder ?? "").split(separator: ",").first.map(String.init)
        guard let placeholder, named.contains(placeholder) else { continue }
        #expect(flag.completion != nil, "\(path) --\(flag.name.long)")
      }
    }
  }

  @Test("Each shell's script asks the program", arguments: CompletionShell.allCases)
  func scripts(shell: CompletionShell) async {
    let outcome = await Desk().run("completion", shell.rawValue)
    #expect(outcome.output.contains("\(CompletionShell.request) \(shell.rawValue)"))
    #expect(outcome.code == .done)
  }
}
