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

  private func perform(_ arguments: Arguments) async throws {
    guard let verb = CommandTree.verb(at: arguments.path) else {
      preconditionFailure("the command tree has no verb at \(arguments.path)")
    }
    let invocation = Invocation(arguments: arguments, console: console, connect: connect)
    if invocation.output == .csv, verb.result == .one {
      throw UsageError(
        "integrationctl \(arguments.path.joined(separator: " ")): csv is for lists",
        hint: "Choose --output table, json or jsonl.")
    }
    try await verb.run(invocation)
  }
}
