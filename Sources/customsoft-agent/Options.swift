import CommandLineOptions
import Glibc
import RPCWire

/// The command line of `customsoft-agent`.
enum Options {
  static let server = Flag.value(
    FlagName("server", environment: "INTEGRATION_SERVER"), address,
    default: defaultServer, help: "the server's address: unix:PATH or tcp:HOST:PORT")
  static let key = Flag.optional(
    FlagName("key", environment: "INTEGRATION_TOKEN"), .text.named("KEY"),
    help: "the integration's API key, imk_…; seen by others in the list of processes")
  static let keyFile = Flag.optional(
    FlagName("key-file", environment: "INTEGRATION_KEY_FILE"), .path,
    help: "a file with the API key")
  static let agentID = Flag.value(
    "agent-id", .text.named("ID"), default: "customsoft-1",
    help: "the agent's name, stable over restarts and unique in the integration")
  static let quotes = Flag.optional(
    "quotes", .path.named("DIR"),
    help: "the folder with quotes as .csv and .json and with contacts*.csv; left out: the set that"
      + " comes with the program")
  static let database = Flag.value(
    "database", .path.named("FILE"), default: "customsoft.db", help: "CustomSoft's own database")
  static let outbox = Flag.value(
    "outbox", .path.named("FILE"), default: "customsoft-outbox.db",
    help: "where reports wait while the server is away; one for each agent")
  static let maximumReports = Flag.value(
    "maximum-outbox-reports", .integer(1...100_000_000), default: 100_000,
    help: "how many reports may wait")
  static let maximumJobs = Flag.value(
    "maximum-jobs", .integer(1...1000), default: 4,
    help: "how many requests are worked on at once")
  static let scanEvery = Flag.value(
    "scan-every", .duration(.milliseconds(50)...(.seconds(86_400))), default: .seconds(2),
    help: "how often the folder is looked at for new and changed quotes")
  static let noScan = Flag.toggle("no-scan", help: "export only what is requested")
  static let once = Flag.toggle(
    "once", help: "look at the folder once, send what can be sent, and end")
  static let pauseMilliseconds = Flag.value(
    "pause-ms", .integer(0...600_000), default: 0,
    help: "wait so long before each line and contact, to watch progress")
  static let quiet = Flag.toggle("quiet", help: "write only errors")

  static let program = CommandLineProgram(
    Command(
      "customsoft-agent", "exports quotes and imports contacts between a folder and CustomSoft",
      flags: [
        server, key, keyFile, agentID, quotes, database, outbox, maximumReports, maximumJobs,
        scanEvery, noScan, once, pauseMilliseconds, quiet,
      ]
    ).withDiscussion(
      "An example of an integration's agent. Every quote in the folder is exported when it appears"
        + " or changes, and when an operator asks for it.\nIt stops on SIGINT and SIGTERM when"
        + " what it holds is done, and at once on the second one.\nExit codes: 0 stopped, 1 the"
        + " server refuses the key or a file cannot be used, 2 wrong usage, 3 with --once: reports"
        + " stay in the outbox, because the server was not reached."
    ).withExamples([
      CommandExample(
        "customsoft-agent --server tcp:127.0.0.1:7300 --key-file customsoft.key",
        "work on the quotes that come with the program"),
      CommandExample(
        "customsoft-agent --quotes ./quotes --pause-ms 500", "watch a folder, slowly"),
    ]))

  private static let address = ValueForm<ListenAddress>("ADDRESS") { text throws(ValueProblem) in
    do throws(AddressError) {
      return try ListenAddress(text)
    } catch {
      throw ValueProblem(expected: error.expected)
    }
  }

  private static var defaultServer: ListenAddress {
    .unix(path: DefaultPaths.current.socket)
  }

  /// The folder that is built beside the program.
  static var bundledQuotes: String {
    let executable = unsafe realpath("/proc/self/exe", nil)
    defer { unsafe free(executable) }
    guard let executable = unsafe executable else { return "Data" }
    let path = unsafe String(cString: executable)
    let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    return directory.joined(separator: "/")
      + "/integration-manager_customsoft-agent.resources/Data"
  }
}
