import Testing

@testable import CommandLineOptions

@Suite struct CommandLineParserTests {
  static let server = Flag.value(
    FlagName("server", short: "s", environment: "TEST_SERVER"), .text, default: "unix:/x",
    help: "where the server listens")
  static let limit = Flag.value("limit", .integer(1...1000), default: 50, help: "how many")
  static let since = Flag.optional(
    FlagName("since", environment: "TEST_SINCE"), .duration(.seconds(1)...(.seconds(86_400))),
    help: "how long ago")
  static let entities = Flag.list(
    FlagName("entity", short: "e", environment: "TEST_ENTITIES"), .text, help: "which records")
  static let statuses = Flag.commaList("status", .text, help: "which statuses")
  static let follow = Flag.toggle(
    FlagName("follow", short: "f", environment: "TEST_FOLLOW"), help: "go on")
  static let quiet = Flag.toggle(FlagName("quiet", short: "q"), help: "say less")
  static let name = Positional.required(.text.named("NAME"), help: "the integration")
  static let kind = Positional.optional(.text.named("KIND"), help: "the kind")
  static let ids = Positional.list(.text.named("ID"), help: "the logs")

  static let program = CommandLineProgram(
    Command("ctl", "a test", flags: [server]).withSubcommands([
      Command("logs", "logs").withSubcommands([
        Command("list", "a page", flags: [limit, since, entities, statuses, follow, quiet]),
        Command("show", "one", positionals: [name, kind]),
        Command("retry", "again", positionals: [ids]),
      ]),
      Command("status", "what is wrong"),
    ]), version: "1.2.3")

  static func run(
    _ line: [String], _ environment: [String: String] = [:]
  ) throws -> Arguments {
    guard case .run(let arguments) = try program.parse(line, environment: Environment(environment))
    else { throw UsageError("no run", hint: "") }
    return arguments
  }

  static func error(_ line: [String], _ environment: [String: String] = [:]) -> UsageError? {
    do {
      _ = try program.parse(line, environment: Environment(environment))
      return nil
    } catch {
      return error
    }
  }

  @Test("A value comes from the command line, else from the environment, else from the default")
  func sources() throws {
    #expect(try Self.run(["status"])[Self.server] == "unix:/x")
    let fromEnvironment = try Self.run(["status"], ["TEST_SERVER": "tcp:a:1"])
    #expect(fromEnvironment[Self.server] == "tcp:a:1")
    #expect(fromEnvironment.isGiven(Self.server))
    let both = try Self.run(["status", "--server", "tcp:b:2"], ["TEST_SERVER": "tcp:a:1"])
    #expect(both[Self.server] == "tcp:b:2")
    #expect(try !Self.run(["status"], ["TEST_SERVER": ""]).isGiven(Self.server))
  }

  @Test(
    "Every spelling of a flag means the same",
    arguments: [
      ["logs", "list", "--entity", "Q-1", "--follow"],
      ["logs", "list", "--entity=Q-1", "-f"],
      ["logs", "list", "-e", "Q-1", "-fq"],
      ["logs", "list", "-fqeQ-1"],
      ["logs", "list", "-eQ-1", "--follow", "--"],
    ])
  func spellings(line: [String]) throws {
    let arguments = try Self.run(line)
    #expect(arguments.path == ["logs", "list"])
    #expect(arguments[Self.entities] == ["Q-1"])
    #expect(arguments[Self.follow])
  }

  @Test("A program's flags may stand before, between and behind its commands")
  func globalFlagsAnywhere() throws {
    for line in [
      ["-s", "u", "logs", "list"], ["logs", "-s", "u", "list"], ["logs", "list", "-s", "u"],
    ] {
      #expect(try Self.run(line)[Self.server] == "u")
    }
  }

  @Test("Lists grow with each flag; comma lists also split; the environment splits at commas")
  func lists() throws {
    let line = ["logs", "list", "-e", "a,b", "-e", "c", "--status", "X,Y", "--status", "Z"]
    let arguments = try Self.run(line)
    #expect(arguments[Self.entities] == ["a,b", "c"])
    #expect(arguments[Self.statuses] == ["X", "Y", "Z"])
    #expect(try Self.run(["logs", "list"], ["TEST_ENTITIES": "p,q"])[Self.entities] == ["p", "q"])
  }

  @Test("Arguments are taken in order, and behind -- nothing is a flag")
  func positionals() throws {
    let one = try Self.run(["logs", "show", "crm"])
    #expect(one[Self.name] == "crm")
    #expect(one[Self.kind] == nil)
    let dashed = try Self.run(["logs", "show", "--", "--help", "-x"])
    #expect(dashed[Self.name] == "--help")
    #expect(dashed[Self.kind] == "-x")
    #expect(try Self.run(["logs", "retry", "a", "b"])[Self.ids] == ["a", "b"])
  }

  @Test(
    "A wrong line says what is wrong and what was meant",
    arguments: [
      ([], "ctl: expected a command: logs, status"),
      (["logs"], "ctl logs: expected a verb: list, show, retry"),
      (
        ["lgos", "list"],
        "ctl: unknown command \"lgos\" (did you mean logs?); expected logs, status"
      ),
      (["schedules"], "ctl: unknown command \"schedules\"; expected logs, status"),
      (["logs", "lst"], "ctl logs: unknown verb \"lst\" (did you mean list?)"),
      (
        ["logs", "list", "--limt", "5"],
        "ctl logs list: unknown flag --limt (did you mean --limit?)"
      ),
      (["logs", "list", "-z"], "ctl logs list: unknown flag -z"),
      (
        ["logs", "list", "--limit", "0"],
        "--limit: expected a whole number from 1 to 1000, got \"0\""
      ),
      (["logs", "list", "--limit"], "--limit needs a value: --limit N"),
      (["logs", "list", "--limit", "--follow"], "--limit needs a value: --limit N"),
      (["logs", "list", "--limit=1", "--limit=2"], "--limit is given twice"),
      (["logs", "list", "--follow=yes"], "--follow takes no value"),
      (["logs", "show"], "ctl logs show: NAME is missing: the integration"),
      (["logs", "retry"], "ctl logs retry: ID is missing: the logs"),
      (["logs", "show", "a", "b", "c"], "unexpected argument \"c\""),
      (["status", "--limit", "3"], "ctl status: unknown flag --limit"),
      (["logs", "list", "-e", ""], "-e: expected some text, got \"\""),
    ])
  func wrongLines(line: [String], expected: String) throws {
    let error = try #require(Self.error(line))
    #expect(error.message.contains(expected))
    #expect(!error.hint.isEmpty)
  }

  @Test(
    "A flag whose value may be left out takes the next word only when it reads as one",
    arguments: [
      (["--watch", "x"], Duration.seconds(2), ["x"]), (["--watch", "5s"], .seconds(5), []),
      (["--watch=7s"], .seconds(7), []), (["x", "--watch"], .seconds(2), ["x"]),
      (["--watch", "--", "5s"], .seconds(2), ["5s"]), ([], nil, []),
    ] as [([String], Duration?, [String])])
  func bareValue(line: [String], expected: Duration?, words: [String]) throws {
    let watch = Flag.optional(
      "watch", .duration(.seconds(1)...(.seconds(60))), bare: .seconds(2), help: "again")
    let rest = Positional.optional(.text.named("WORD"), help: "a word")
    let program = CommandLineProgram(Command("ctl", "a test", flags: [watch], positionals: [rest]))
    guard case .run(let arguments) = try program.parse(line, environment: Environment([:])) else {
      Issue.record("no run")
      return
    }
    #expect(arguments[watch] == expected)
    #expect(arguments[rest] == words.first)
  }

  @Test("Where a value comes from is known, and a default can be replaced")
  func valueSources() throws {
    var arguments = try Self.run(["status", "-s", "a"], ["TEST_SERVER": "b"])
    #expect(arguments.source(of: Self.server) == .commandLine)
    arguments = try Self.run(["status"], ["TEST_SERVER": "b"])
    #expect(arguments.source(of: Self.server) == .environment)
    arguments = try Self.run(["status"])
    #expect(arguments.source(of: Self.server) == .byDefault)
    #expect(!arguments.declares(Self.limit))
    arguments.replace(Self.server, with: "c")
    #expect(arguments[Self.server] == "c")
  }

  @Test("A wrong environment variable is named")
  func wrongEnvironment() throws {
    let error = try #require(Self.error(["logs", "list"], ["TEST_SINCE": "soon"]))
    #expect(error.message.contains("environment variable TEST_SINCE"))
    #expect(error.message.contains("15m"))
    let toggle = try #require(Self.error(["logs", "list"], ["TEST_FOLLOW": "maybe"]))
    #expect(toggle.message.contains("expected 1 or 0, got \"maybe\""))
  }

  @Test("An error repeats neither control characters nor endless words")
  func hostileWords() throws {
    let error = try #require(Self.error(["\u{1B}[31m" + String(repeating: "x", count: 10_000)]))
    #expect(!error.message.contains("\u{1B}"))
    #expect(error.message.utf8.count < 400)
  }

  @Test("Help at each level shows examples first, then usage, flags, defaults and variables")
  func help() throws {
    var root = Self.program.root
    root.examples = [CommandExample("ctl logs list", "what happened")]
    let program = CommandLineProgram(root)
    for line in [["--help"], ["-h"], ["help"]] {
      let environment = Environment([:])
      guard case .print(let text) = try program.parse(line, environment: environment, width: 100)
      else {
        Issue.record("\(line) printed nothing")
        continue
      }
      let example = try #require(text.firstRange(of: "ctl logs list"))
      let usage = try #require(text.firstRange(of: "Usage:"))
      #expect(example.lowerBound < usage.lowerBound)
      #expect(text.contains("[default: unix:/x; env: TEST_SERVER]"))
    }
  }

  @Test(
    "Help names the level that it was asked at",
    arguments: [
      (["logs", "--help"], "ctl logs - logs"),
      (["help", "logs", "show"], "ctl logs show NAME [KIND] [FLAGS]"),
      (["logs", "list", "--limit", "5", "--help"], "--limit N"),
    ])
  func helpLevels(line: [String], expected: String) throws {
    guard case .print(let text) = try Self.program.parse(line, environment: Environment([:])) else {
      Issue.record("no help")
      return
    }
    #expect(text.contains(expected))
  }

  @Test(
    "Help is never wider than the terminal where words can be broken", arguments: [40, 80, 100])
  func helpWidth(width: Int) throws {
    let text = CommandHelp(path: [Self.program.root], width: width).text
    for line in text.split(separator: "\n") where line.contains(" ") {
      #expect(line.count <= width, "\(line)")
    }
  }

  @Test("--version prints the name and the version")
  func version() throws {
    guard case .print(let text) = try Self.program.parse(["--version"], environment: .init([:]))
    else {
      Issue.record("no version")
      return
    }
    #expect(text == "ctl 1.2.3\n")
  }
}
