import CommandLineOptions
import Credentials
import FoundationEssentials
import Glibc
import IntegrationAgent
import RPCWire
import Synchronization

/// The example of an agent: what is particular to CustomSoft stands in `Actions`, `Quotes` and
/// `Database`; what makes it an agent is in `makeAgent`.
@main enum Main {
  /// The reports that no server has at the end.
  private static let keptReports = Mutex(0)

  static func main() async {
    // A reader of standard error that goes away must not end the agent.
    _ = signal(SIGPIPE, SIG_IGN)
    let arguments = Options.program.parseOrExit()
    do {
      let configuration = try configuration(arguments)
      let database = try CustomSoftDatabase(path: arguments[Options.database])
      let agent = makeAgent(configuration, arguments, database)
      try await agent.run()
      say("stopped")
      // Who asks for one look wants to know whether anybody heard of it.
      if arguments[Options.once], keptReports.withLock({ $0 }) > 0 { exit(3) }
    } catch {
      say("\(error)")
      exit(1)
    }
  }

  private static func makeAgent(
    _ configuration: AgentConfiguration, _ arguments: Arguments, _ database: CustomSoftDatabase
  ) -> Agent {
    let folder = QuoteFolder(path: arguments[Options.quotes] ?? Options.bundledQuotes)
    let source = QuoteSource(folder: folder)
    let pause = Duration.milliseconds(arguments[Options.pauseMilliseconds])
    let export = ExportQuote(source: source, database: database, pause: pause)
    let contact = ImportContact(source: source, database: database)
    let contacts = BulkImportContacts(source: source, database: database, pause: pause)

    let agent = Agent(configuration)
    agent.action("export_quote", name: "Export Quote") {
      $0.description = "Puts a quote of the folder into CustomSoft, or finds it there."
      $0.entityType = "quote"
      $0.notifyOnFailure = true
      $0.oneOpenPerEntity = true
    } handler: {
      try await export.run($0)
    }

    agent.action("import_contact", name: "Import Contact") {
      $0.description = "Puts one contact into CustomSoft; the entity's id is its email."
      $0.entityType = "contact"
      $0.inputSchema = ImportContact.inputSchema
    } handler: {
      try await contact.run($0)
    }

    agent.action("bulk_import_contacts", name: "Bulk Import Contacts") {
      $0.description = "Puts every contact of the folder's contacts files into CustomSoft."
      $0.inputSchema = BulkImportContacts.inputSchema
      $0.maximumInFlight = 1
    } handler: {
      try await contacts.run($0)
    }

    let watch = FolderWatch(export: export, interval: arguments[Options.scanEvery], complain: say)
    if arguments[Options.once] {
      agent.whileRunning { agent in
        try await watch.look(agent)
        agent.stop()
      }
    } else if !arguments[Options.noScan] {
      agent.whileRunning { try await watch.run($0) }
    }
    return agent
  }

  private static func configuration(_ arguments: Arguments) throws -> AgentConfiguration {
    var configuration = AgentConfiguration(
      server: arguments[Options.server], key: try key(arguments),
      agentID: arguments[Options.agentID], outboxPath: arguments[Options.outbox])
    configuration.version = ProductVersion.text
    configuration.targetSystem = "CustomSoft"
    configuration.targetVersion = "1.0"
    configuration.retiresUndeclaredActions = true
    configuration.maximumJobs = arguments[Options.maximumJobs]
    configuration.outboxLimits.maximumReports = arguments[Options.maximumReports]
    let isQuiet = arguments[Options.quiet]
    configuration.onEvent = { event in
      if case .reportsKept(let reports, _) = event { keptReports.withLock { $0 = reports } }
      if !isQuiet { say("\(event)") }
    }
    return configuration
  }

  private static func key(_ arguments: Arguments) throws(SourceFault) -> String {
    if let file = arguments[Options.keyFile] {
      guard let text = try? String(contentsOfFile: file, encoding: .utf8),
        let line = text.split(whereSeparator: \.isWhitespace).first
      else {
        throw SourceFault(
          "The key file \(file) cannot be read or is empty; put the key that `integrationctl"
            + " integrations create` or `keys create` printed into it.")
      }
      if let problem = problem(with: String(line)) {
        throw SourceFault("The key file \(file) has no API key: \(problem).")
      }
      return String(line)
    }
    // Without a key a Unix socket may still know the caller; the server says so if it does not.
    guard let key = arguments[Options.key] else { return "" }
    if let problem = problem(with: key) {
      Options.program.fail(
        UsageError(
          "customsoft-agent: --key or INTEGRATION_TOKEN is no API key: \(problem)",
          hint: "A new one: integrationctl keys create INTEGRATION"))
    }
    return key
  }

  /// What no server would take; nil where only the server can tell.
  private static func problem(with key: String) -> String? {
    do throws(CredentialError) {
      guard try AccessKey(parsing: key.utf8).kind == .integration else {
        return "an operator's token lets nobody work for an integration"
      }
      return nil
    } catch {
      return "\(error)"
    }
  }

  private static func say(_ line: String) {
    StandardStream.error.write("customsoft-agent: \(line)\n")
  }
}
