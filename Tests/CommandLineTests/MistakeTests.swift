import CommandLineOptions
import Testing

@testable import integrationctl

@Suite struct MistakeTests {
  @Test(
    "What was meant is named, with the line to type",
    arguments: [
      ("list logs", "\"list\" is a verb of", "Try: integrationctl logs list"),
      ("list log", "\"list\" is a verb of", "Try: integrationctl logs list"),
      ("drain", "a verb of agents", "Try: integrationctl agents drain"),
      ("list", "stands behind its noun", "Try: integrationctl NOUN list"),
      ("log list", "did you mean logs?", "Try: integrationctl logs list"),
      ("key list", "did you mean keys?", "Try: integrationctl keys list"),
      ("request", "did you mean requests?", "Try: integrationctl requests --help"),
      ("stauts", "did you mean status?", "Try: integrationctl status"),
      ("LOGS list", "did you mean logs?", "Try: integrationctl logs list"),
      ("logs shwo x", "did you mean show?", "Try: integrationctl logs show"),
      ("help logs lst", "did you mean list?", "Try: integrationctl logs list"),
      ("frobnicate", "expected status, integrations", "Try: integrationctl --help"),
      ("logs list --statsu X", "did you mean --status?", "Try: integrationctl logs list --help"),
      ("--limit 5 logs list", "flag of integrationctl logs list and", "logs list --help"),
      ("-n 5 requests list", "flag of integrationctl requests list and", "requests list --help"),
      ("--crown x", "unknown flag --crown", "Try: integrationctl --help"),
      ("logs show", "LOG_ID is missing", "For example: integrationctl logs show 0193"),
      ("logs list Q-1042", "unexpected argument", "For example: integrationctl logs list"),
      ("logs", "expected a verb: list", "For example: integrationctl logs list"),
      ("", "expected a command: status", "For example: integrationctl status"),
      ("context use", "NAME is missing", "For example: integrationctl context use prod"),
      (
        "status --time local", "one of relative, absolute, utc", "Try: integrationctl status --help"
      ),
    ])
  func mistakes(line: String, message: String, hint: String) async {
    let outcome = await Desk().run(line.split(separator: " ").map(String.init))
    #expect(outcome.code == .usage)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains(message), "\(outcome.errors)")
    #expect(outcome.errors.contains(hint), "\(outcome.errors)")
  }

  @Test(
    "Help is found from every side",
    arguments: [
      "help logs list", "logs help list", "logs list --help", "logs list -h",
    ])
  func help(line: String) async {
    let outcome = await Desk().run(line.split(separator: " ").map(String.init))
    #expect(outcome.code == .done)
    #expect(outcome.output.hasPrefix("integrationctl logs list - "))
  }

  @Test("Help fits 80 columns, but for lines to copy", arguments: CommandTreeTests.verbPaths)
  func width(path: [String]) async {
    var desk = Desk()
    desk.width = 80
    for depth in 0...path.count {
      let outcome = await desk.run(Array(path.prefix(depth)) + ["--help"])
      for line in outcome.output.split(separator: "\n")
      where !line.contains("integrationctl ") && !line.contains(" <(") {
        #expect(DisplayWidth.columns(String(line)) <= 80, "\(line)")
      }
    }
  }

  @Test("The whole tree has a summary, an example and help for each flag and argument")
  func complete() {
    var rest = [CommandTree.root]
    while let command = rest.popLast() {
      #expect(!command.summary.isEmpty && !command.summary.hasSuffix("."), "\(command.name)")
      #expect(!command.examples.isEmpty, "\(command.name)")
      for help in command.flags.map(\.declaration.help)
        + command.positionals.map(\.declaration.help)
      {
        #expect(!help.isEmpty && !help.hasSuffix("."), "\(command.name): \(help)")
      }
      rest += command.subcommands
    }
  }

  @Test("No verb declares two flags with one name or letter", arguments: CommandTreeTests.verbPaths)
  func uniqueFlags(path: [String]) throws {
    let command = try #require(CommandTree.verb(at: path)?.command)
    let names = (CommandTree.root.flags + command.flags).map(\.declaration.name)
    #expect(Set(names.map(\.long)).count == names.count)
    let letters = names.compactMap(\.short)
    #expect(Set(letters).count == letters.count)
  }
}
