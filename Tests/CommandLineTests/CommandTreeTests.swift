import CommandLineOptions
import Testing

@testable import integrationctl

@Suite struct CommandTreeTests {
  static let verbPaths: [[String]] = CommandTree.root.subcommands.flatMap { command in
    command.subcommands.isEmpty
      ? [[command.name]] : command.subcommands.map { [command.name, $0.name] }
  }

  @Test("Each verb that help names can be run", arguments: verbPaths)
  func everyVerbRuns(path: [String]) {
    #expect(CommandTree.verb(at: path)?.command.name == path.last)
  }

  @Test("Help at each level begins with examples of that level", arguments: verbPaths)
  func examples(path: [String]) async throws {
    for depth in 0...path.count {
      let outcome = await Desk().run(Array(path.prefix(depth)) + ["--help"])
      #expect(outcome.code == .done)
      #expect(outcome.errors.isEmpty)
      let lines = outcome.output.split(separator: "\n")
      #expect(lines[1] == "Examples:")
      #expect(lines.contains { $0.hasPrefix("  integrationctl") })
    }
  }

  @Test("The examples of a verb are command lines that it understands", arguments: verbPaths)
  func examplesParse(path: [String]) throws {
    let command = try #require(CommandTree.verb(at: path)?.command)
    for example in command.examples {
      let line = try #require(Self.words(example.line))
      #expect(Array(line.prefix(path.count + 1)) == ["integrationctl"] + path)
      let program = CommandLineProgram(CommandTree.root)
      #expect(throws: Never.self, "\(example.line)") {
        try program.parse(Array(line.dropFirst()), environment: Environment([:]))
      }
    }
  }

  @Test(
    "What later versions bring is unknown now",
    arguments: ["webhooks", "alerts", "integration"])
  func unknownNouns(noun: String) async {
    let outcome = await Desk().run(noun, "list")
    #expect(outcome.code == .usage)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains("unknown command \"\(noun)\""))
  }

  @Test("The integration's name is one letter off: the near noun is suggested")
  func suggestion() async {
    let outcome = await Desk().run("integration", "list")
    #expect(outcome.errors.contains("did you mean integrations?"))
  }

  /// Splits a line as a shell would, as far as the examples need it; not what follows a pipe.
  static func words(_ line: String) -> [String]? {
    var words: [String] = []
    var word = ""
    var isQuoted = false
    for character in line {
      switch character {
      case "'": isQuoted.toggle()
      case " " where !isQuoted:
        words.append(word)
        word = ""
      default: word.append(character)
      }
    }
    words.append(word)
    guard !isQuoted else { return nil }
    return Array(words.prefix { $0 != "|" })
  }
}
