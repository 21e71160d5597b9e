import CommandLineOptions

/// The server program.
@main
enum IntegrationServerProgram {
  static let commandLine = CommandLineProgram(
    Command("integrationd", "the Integration Manager's server", flags: ServerFlags.all))

  static func main() {
    _ = commandLine.parseOrExit()
  }
}
