import Glibc

/// A program's command line: from one tree of declarations come parsing, `--help` and `--version`.
///
/// ```swift
/// let data = Flag.value(
///   FlagName("data", environment: "INTEGRATIOND_DATA"), .path, default: "/var/lib/integrationd",
///   help: "the data directory")
/// let program = CommandLineProgram(Command("integrationd", "the server", flags: [data]))
/// let arguments = program.parseOrExit()
/// let directory = arguments[data]
/// ```
public struct CommandLineProgram: Sendable {
  /// What a command line asks for.
  public enum Request: Sendable {
    /// Do the work with these values.
    case run(Arguments)
    /// Print this text to standard output and exit with 0.
    case print(String)
  }

  /// The exit code of a usage error.
  public static let usageExitCode: Int32 = 2

  /// The tree; its root is named as the program.
  public let root: Command
  /// What `--version` prints behind the name.
  public let version: String

  /// A program; `--help`, `-h`, `--man`, `--version` and, where there are commands, `help` come
  /// with it.
  public init(_ root: Command, version: String = ProductVersion.text) {
    self.root = root
    self.version = version
  }

  /// Parses a command line without the program's own name.
  ///
  /// - Parameter width: the columns of help text; help is never wider than 100.
  public func parse(
    _ line: [String], environment: Environment, width: Int = 80
  ) throws(UsageError) -> Request {
    var parser = CommandLineParser(program: root, environment: environment)
    switch try parser.parse(line) {
    case .run(let arguments): return .run(arguments)
    case .help(let path): return .print(CommandHelp(path: path, width: min(width, 100)).text)
    case .manual(let path): return .print(ManualPage(path: path, version: version).text)
    case .version: return .print("\(root.name) \(version)\n")
    }
  }

  /// Its manual pages, each with the name of its file: one for the program, and one for each
  /// command that has others below it.
  public var manualPages: [(fileName: String, text: String)] {
    let nouns = root.subcommands.filter { !$0.subcommands.isEmpty }.map { [root, $0] }
    return ([[root]] + nouns).map { path in
      let page = ManualPage(path: path, version: version)
      return (page.fileName, page.text)
    }
  }

  /// Parses the process's own command line; prints help, version or the usage error and exits where
  /// that is what the line asks for.
  public func parseOrExit() -> Arguments {
    StandardStream.reserveClosedDescriptors()
    do {
      let width = TerminalWidth.columns(of: .output, environment: .process) ?? 80
      switch try parse(
        try CommandLineWords.ofProcess(), environment: .process, width: width)
      {
      case .run(let arguments): return arguments
      case .print(let text): exit(StandardStream.output.write(text) == .written ? 0 : 1)
      }
    } catch {
      fail(error)
    }
  }

  /// Prints a usage error that only the program could find, such as two flags that exclude each
  /// other, and exits with 2.
  public func fail(_ error: UsageError) -> Never {
    StandardStream.error.write("\(error)\n")
    exit(Self.usageExitCode)
  }
}
