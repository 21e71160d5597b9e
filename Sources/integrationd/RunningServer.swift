import CommandLineOptions
import Credentials
import Dispatch
import Glibc
import IntegrationService
import IntegrationStore
import RPCServer
import RPCTransport
import RPCWire
import SQLiteStore

/// The parts of a server that runs, in the order in which they depend on each other.
struct RunningServer {
  let store: SQLiteStore
  let service: IntegrationService
  let server: RPCServer
  /// Where it listens, with the ports that the kernel chose.
  let addresses: [ListenAddress]
  private let log: ServerLog

  /// Opens the data, reads what is needed in memory, and begins to listen.
  static func start(_ arguments: Arguments, log: ServerLog) async throws -> RunningServer {
    let directory = arguments[ServerFlags.data]
    if let file = arguments[ServerFlags.restore] {
      try SQLiteStore.restore(file, into: directory)
      log.line("level=info event=restored")
    }
    let store = try SQLiteStore(directory: directory, limits: storeLimits(arguments))
    do {
      let service = IntegrationService(
        store: store, configuration: try configuration(arguments, log: log))
      try await service.load()
      var router = ServiceRouter()
      service.register(in: &router)
      let server = RPCServer(
        configuration: wireConfiguration(arguments), router: router,
        authenticator: service.authenticator, observer: service)
      try server.start()
      let addresses = try server.listen(on: arguments[ServerFlags.listen])
      service.attach(to: server, addresses: addresses.map(\.description))
      return RunningServer(
        store: store, service: service, server: server, addresses: addresses, log: log)
    } catch {
      await store.close()
      throw error
    }
  }

  /// From here on signals ask to stop instead of ending the process.
  func watchSignals() -> StopSignals {
    StopSignals { [server, log] count in
      switch count {
      case 1:
        log.line("level=info event=draining hint=\"a second signal stops at once\"")
        server.beginGracefulShutdown()
      case 2:
        log.line("level=warning event=stopping_now")
        server.stopNow()
      default:
        // Whoever sends a third one has lost patience; what was acknowledged is on disk.
        _exit(1)
      }
    }
  }

  /// How often memory that is free goes back to the system.
  private static let givesBackEvery = DispatchTimeInterval.seconds(30)

  /// Serves until a signal asks to stop, finishes, and closes the data.
  func runUntilStopped() async {
    let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "integrationd.memory"))
    timer.setEventHandler { ProcessMemory.giveBack() }
    timer.schedule(
      deadline: .now() + Self.givesBackEvery, repeating: Self.givesBackEvery,
      leeway: .seconds(5))
    timer.activate()
    await server.waitUntilStopped()
    timer.cancel()
    await service.stop()
    await store.close()
  }

  private static func storeLimits(_ arguments: Arguments) -> StoreLimits {
    var limits = StoreLimits()
    limits.model = ModelFlags.limits(arguments)
    limits.maximumPendingCommands = arguments[ServiceFlags.maximumPendingCommands]
    limits.maximumPendingBytes = arguments[ServiceFlags.maximumPendingBytes]
    limits.maximumAgents = arguments[ServiceFlags.maximumAgents]
    limits.maximumImportBytes = Int64(arguments[ServerFlags.maximumImportBytes])
    limits.maximumSchedules = arguments[ServiceFlags.maximumSchedules]
    limits.tailJournalMs = Int64(arguments[ServiceFlags.tailJournal] / .milliseconds(1))
    limits.tailJournalChanges = arguments[ServiceFlags.tailJournalChanges]
    return limits
  }

  private static func wireConfiguration(_ arguments: Arguments) -> RPCServerConfiguration {
    var configuration = RPCServerConfiguration()
    configuration.limits = WireFlags.limits(arguments)
    configuration.reactors = arguments[ServerFlags.reactors]
    configuration.serverVersion = ProductVersion.text
    return configuration
  }

  /// Where `TZDIR` says that the system's time zones are; nil: in the usual place.
  private static var zoneDirectory: String? {
    guard let value = unsafe getenv("TZDIR") else { return nil }
    let path = unsafe String(cString: value)
    return path.isEmpty ? nil : path
  }

  private static func configuration(
    _ arguments: Arguments, log: ServerLog
  ) throws(CredentialError) -> ServiceConfiguration {
    let directory = arguments[ServerFlags.data]
    var configuration = ServiceConfiguration()
    configuration.limits = ServiceFlags.limits(arguments)
    configuration.model = ModelFlags.limits(arguments)
    configuration.version = ProductVersion.text
    configuration.dataDirectory = directory
    if let zones = zoneDirectory { configuration.zoneDirectory = zones }
    configuration.otherLimits = WireFlags.described(arguments)
    configuration.sealingKey = try SealingKeyFile.loadOrCreate(directory: directory)
    configuration.otherCounters = { ["memory_bytes": ProcessMemory.allocatedBytes] }
    configuration.log = { log.line($0) }
    configuration.storeFailed = { error in
      // Nothing was acknowledged since the failure; going on could only hide it. The service has
      // stopped the server, and the end of that waits for the store's queue, which stands here.
      log.fatal(
        "the store failed, nothing more is acknowledged: \(error.message); check the disk below "
          + "\(directory), then start again")
      _exit(IntegrationServerProgram.storeFailed)
    }
    return configuration
  }
}

/// Counts the signals that ask to stop: SIGTERM, SIGINT and SIGHUP.
final class StopSignals {
  private let sources: [any DispatchSourceSignal]

  /// `body` gets 1 with the first signal, 2 with the second, on a queue of its own.
  ///
  /// Returns when the kernel reports the signals to Dispatch: until then one that comes would be
  /// lost, because its default action is off already.
  init(_ body: @escaping @Sendable (Int) -> Void) {
    let queue = DispatchQueue(label: "integrationd.signals")
    let counter = SignalCounter()
    let registered = DispatchGroup()
    sources = [SIGTERM, SIGINT, SIGHUP].map { number in
      // Dispatch hears of a signal only while its default action is off.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { body(counter.next()) }
      registered.enter()
      source.setRegistrationHandler { registered.leave() }
      source.activate()
      return source
    }
    registered.wait()
  }

  func cancel() {
    for source in sources { source.cancel() }
  }
}
