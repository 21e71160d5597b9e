import CommandLineOptions
import IntegrationAPI
import RPCClient
import RPCWire

/// `integrationctl`: finds the verb that a command line names and runs it.
struct OperatorProgram: Sendable {
  /// Makes a channel to the server at an address with a token.
  typealias Connect =
    @Sendable (ListenAddress, _ token: String) async throws(RPCError) -> any RPCChannel

  let environment: Environment
  let console: Console
  let connect: Connect

  init(
    environment: Environment, console: Console,
    connect: @escaping Connect = { (address, token) async throws(RPCError) in
      try await RPCConnection.connect(
        to: address,
        hello: ClientIdentity(
          token: token, clientName: "integrationctl", clientVersion: ProductVersion.text))
    }
  ) {
    self.environment = environment
    self.console = console
    self.connect = connect
  }

  /// Follows one command line, without the program's name; what it says goes to the console.
  func run(_ line: [String]) async -> ExitCode {
    if line.first == CompletionShell.request {
      await CompletionAnswer(program: self).write(Array(line.dropFirst()))
      return .done
    }
    do {
      let program = CommandLineProgram(CommandTree.root)
      switch try program.parse(line, environment: environment, width: console.width ?? 80) {
      case .print(let text): try console.write(text)
      case .run(let arguments): try await perform(arguments)
      }
      return .done
    } catch let error as UsageError {
      console.warn("\(error)\n")
      return .usage
    } catch let failure as Failure {
      if !failure.text.isEmpty { console.warn(failure.text) }
      return failure.code
    } catch {
      // Only a message's own `encode(to:)` could bring another error; generated ones throw none.
      console.warn("integrationctl: \(error)\n")
      return .refused
    }
  }

  // MARK: Running a verb

  private func perform(_ arguments: Arguments) async throws {
    guard let verb = CommandTree.verb(at: arguments.path) else {
      preconditionFailure("the command tree has no verb at \(arguments.path)")
    }
    var arguments = arguments
    if !verb.isLocal {
      try ServerChoice.put(into: &arguments, ContextFile(environment: environment))
    }
    var console = console
    if arguments[GlobalFlags.noColour] { console.hasColour = false }
    if arguments[GlobalFlags.noPager] { console.page = nil }
    try Self.check(verb, arguments)
    try await TimeDisplay.$style.withValue(arguments[GlobalFlags.time]) {
      [arguments, console] in
      guard arguments.declares(ListFlags.watch), let interval = arguments[ListFlags.watch] else {
        return try await verb.run(invocation(arguments, console))
      }
      var loop = WatchLoop(
        title: title(arguments), interval: interval, console: console,
        output: arguments[GlobalFlags.output])
      try await loop.run { try await verb.run(invocation(arguments, $0)) }
    }
  }

  private func invocation(_ arguments: Arguments, _ console: Console) -> Invocation {
    Invocation(arguments: arguments, console: console, connect: connect, environment: environment)
  }

  private func title(_ arguments: Arguments) -> String {
    "integrationctl \(arguments.path.joined(separator: " "))"
  }

  /// Flags that do not go with each other.
  private static func check(_ verb: Verb, _ arguments: Arguments) throws(UsageError) {
    let title = "integrationctl \(arguments.path.joined(separator: " "))"
    let output = arguments[GlobalFlags.output]
    let watches = arguments.declares(ListFlags.watch) && arguments[ListFlags.watch] != nil
    if output == .csv, verb.result == .one {
      throw UsageError(
        "\(title): csv is for lists", hint: "Choose --output table, json or jsonl.")
    }
    if output == .csv, watches {
      throw UsageError(
        "\(title): csv is one table, and --watch has no end",
        hint: "Choose --output jsonl: one object a line.")
    }
    let namesColumns =
      arguments.declares(ListFlags.columns) && !arguments[ListFlags.columns].isEmpty
    if output == .json || output == .jsonl, namesColumns {
      throw UsageError(
        "\(title): --columns is for table and csv",
        hint: "Choose --output csv, or pick members of the JSON with jq.")
    }
  }
}
