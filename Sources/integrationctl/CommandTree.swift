import CommandLineOptions

/// One thing that an operator can do: how it is called and what it does.
struct Verb: Sendable {
  /// What a verb writes.
  enum Result: Sendable { case one, list }

  let command: Command
  let result: Result
  let run: @Sendable (Invocation) async throws -> Void

  init(
    _ command: Command, _ result: Result = .one,
    run: @escaping @Sendable (Invocation) async throws -> Void
  ) {
    self.command = command
    self.result = result
    self.run = run
  }
}

/// Verbs about one kind of thing.
struct Noun: Sendable {
  let command: Command
  let verbs: [Verb]

  init(_ command: Command, _ verbs: [Verb]) {
    self.command = command.withSubcommands(verbs.map(\.command))
    self.verbs = verbs
  }
}

/// All nouns and verbs.
enum CommandTree {
  private static let status = StatusCommand.verb
  private static let nouns = [
    IntegrationCommands.noun, KeyCommands.noun, ActionCommands.noun, LogCommands.noun,
    RequestCommands.noun, ScheduleCommands.noun, AgentCommands.noun, TokenCommands.noun,
    AuditCommands.noun, ServerCommands.noun,
  ]

  /// The program's command with everything below it.
  static let root = Command(
    "integrationctl", "see what integrations do, and put right what is wrong",
    flags: [GlobalFlags.server, GlobalFlags.token, GlobalFlags.output]
  ).withExamples([
    CommandExample("integrationctl status", "what is wrong, and whom to call"),
    CommandExample(
      "integrationctl logs list --status FAILED --since 2d", "what failed in the last two days"),
    CommandExample(
      "integrationctl requests create customsoft export_quote --entity Q-1042",
      "ask for an action"),
    CommandExample("integrationctl logs tail --follow", "watch what happens"),
  ]).withDiscussion(
    "Exit codes: 0 done, 1 refused by the server, 2 wrong usage, 3 server not reached, "
      + "4 not allowed, 5 not found, 130 interrupted."
  ).withSubcommands([status.command] + nouns.map(\.command))

  /// The verb that a parsed path names.
  static func verb(at path: [String]) -> Verb? {
    if path == [status.command.name] { return status }
    let noun = nouns.first { $0.command.name == path.first }
    return noun?.verbs.first { $0.command.name == path.last }
  }
}
