import Credentials
import Dispatch
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire
import Synchronization

/// The Integration Manager behind the calls: what agents and operators ask, over a store.
///
/// Handlers run on reactors and never block: they answer from memory, or add a command to the
/// store's current batch and answer at its commit, or read the store in a task. In memory are
/// copies and hints: the catalogue, the agents' clocks, who waits for requests; what is true is in
/// the store.
///
/// Make it, ``load()`` it, register it in a router, give it the server with ``attach(to:)``.
public final class IntegrationService: Sendable {
  let store: any IntegrationStore
  let configuration: ServiceConfiguration
  let catalogue = Catalogue()
  let tokens = TokenTable()
  let agents = AgentTable()
  let polls = PollDesk()
  let tails: TailHub
  let counts: CountDesk
  let reads: ReadDesk
  let pages: PagePlaces
  let registrations: RegistrationDesk
  let zones: ZoneFiles
  let schedules: ScheduleBook
  let failedLogins: FailedLogins
  let keys: KeyAuthenticator
  /// What is wrong with the store itself.
  let storeHealth = Mutex(StoreHealth())
  private let startedAtMs = ServiceTimer<Deadline>.nowMs
  /// Calls of many reports that wait for a commit, where it does not bring all of their outcomes.
  let unfinished = Mutex<[CallToken: UnfinishedReports]>([:])
  /// What polls were woken for that the store was too busy to lease.
  let owedWakes = Mutex<[(integration: Int64, action: String)]>([])
  let sessions = Mutex<[ConnectionID: AgentSession]>([:])
  let server = Mutex<RPCServer?>(nil)
  let retention = RetentionBoard()
  let transfers = PacedStreams(maximum: ServiceLimits.maximumTransfers)
  let schemaVersion = Mutex<Int>(0)
  let addresses = Mutex<[String]>([])
  /// When the timer lets the store handle its deadlines; `max`: it is not set.
  let storeDueMs = Mutex<Int64>(.max)
  /// When the store was last asked to keep its journal of changes.
  let journalKeptAt = Mutex(Instant.epoch)
  /// When the timer looks for keys and tokens that have ended; `max`: it is not set.
  let credentialsDueMs = Mutex<Int64>(.max)
  /// When the timer looks at the schedules; `max`: it is not set.
  let schedulesDueMs = Mutex<Int64>(.max)
  /// Agents that are gone and of which the store could not take note.
  let untoldLosses = Mutex<[ObjectIdentifier: AgentRecord]>([:])
  /// When the log said last that the disk is full.
  let fullDiskSaidAt = Mutex<Instant?>(nil)
  private let timer = Mutex<ServiceTimer<Deadline>?>(nil)
  /// Where schedules fire: the check of an input takes milliseconds, and leases wait for the timer.
  private let scheduling = DispatchQueue(label: "integration.service.schedules")

  /// What the service's timer waits for.
  enum Deadline: Sendable {
    /// A poll's wait ends.
    case poll(CallToken)
    /// The store has something to expire.
    case store
    /// A schedule may have to fire.
    case schedules
    /// Changed agents and used keys are written to the store.
    case save
    /// Logs that are kept no longer may be there.
    case prune
    /// A key or token ends.
    case credentials
    /// The machine's clock is looked at, and the store is told again what it did not take.
    case clock
  }

  /// Makes a service over a store that is not started yet.
  public init(store: any IntegrationStore, configuration: ServiceConfiguration) {
    self.store = store
    self.configuration = configuration
    tails = TailHub(
      maximum: configuration.limits.maximumTails,
      maximumBytes: configuration.limits.maximumTailBytes)
    reads = ReadDesk(
      maximum: configuration.limits.maximumReads,
      maximumWaiting: configuration.limits.maximumWaitingReads,
      maximumWaitingBytes: configuration.limits.maximumWaitingReadBytes)
    registrations = RegistrationDesk(
      maximumBytes: configuration.limits.maximumWaitingSchemaBytes)
    pages = PagePlaces(count: configuration.limits.maximumLongAnswers)
    counts = CountDesk(maximum: configuration.limits.maximumCounts)
    failedLogins = FailedLogins(limits: configuration.limits)
    keys = KeyAuthenticator(catalogue: catalogue, tokens: tokens, failedLogins: failedLogins)
    zones = ZoneFiles(directory: configuration.zoneDirectory)
    schedules = ScheduleBook(zones: zones)
  }

  /// When it was made, by the wall clock of now.
  var startedAt: Instant {
    ServerClock.now.adding(milliseconds: startedAtMs - ServiceTimer<Deadline>.nowMs)
  }

  /// Who a connection's credential names.
  public var authenticator: any Authenticator { keys }

  /// Starts the store and reads what the service needs in memory; called once, before calls come.
  public func load() async throws(StoreError) {
    store.start(observer: self)
    // Where the clock was set meanwhile; a store without space keeps it until there is some.
    let clock = try? await store.perform(.moveClock(byMs: 0), now: ServerClock.now)
    if case .clockMoved(_, let doubt)? = clock { noteDoubt(doubt) }
    let stored = try await store.loadCatalog()
    catalogue.load(stored)
    for token in stored.tokens { tokens.update(token) }
    warnOfSealedKeys()
    schemaVersion.withLock { $0 = stored.schemaVersion }
    loadAgents(stored)
    let timer = ServiceTimer<Deadline>(isOver: { [polls] item in
      if case .poll(let token) = item { !polls.contains(token) } else { false }
    }) { [weak self] due in self?.handle(due) }
    self.timer.withLock { $0 = timer }
    timer.schedule(.save, after: configuration.limits.agentSaveInterval)
    retention.set(try await store.retention().rules)
    timer.schedule(.prune, after: configuration.limits.pruneInterval)
    awaitHolders(stored.holders)
    watchClock()
    if clock == nil { retryDeadlines() }
    if let due = stored.nextDue { expect(due: due) }
    expectEnds()
    await loadSchedules(stored.schedules)
    if stored.isDeleting { continueDeletions() }
  }

  /// Gives the service the server whose connections it may close, and where it listens.
  public func attach(to server: RPCServer, addresses: [String] = []) {
    self.server.withLock { $0 = server }
    self.addresses.withLock { $0 = addresses }
  }

  /// Writes what is not yet in the store and stops all timers; called when no more calls come.
  public func stop() async {
    let timer = timer.withLock { $0.take() }
    timer?.cancel()
    while await saveAgents() {}
    await saveUses()
    reportFailedLogins()
    self.server.withLock { $0 = nil }
  }

  /// Sets a deadline of the service.
  func schedule(_ deadline: Deadline, atMs due: Int64) {
    timer.withLock { $0 }?.schedule(deadline, atMs: due)
  }

  func loadAgents(_ stored: StoreCatalog) {
    let now = ServerClock.now
    agents.load(stored.agents.map { AgentRecord($0.heard(before: now)) })
    for integration in stored.integrations {
      let pauses = catalogue.pauses(of: integration.id)
      guard !pauses.isEmpty else { continue }
      for agent in agents.agents(of: integration.id) {
        for wish in pauses { agent.want(wish) }
      }
    }
    for integration in stored.integrations {
      for wish in keyWishes(of: integration.id) {
        for agent in agents.agents(of: integration.id) { agent.want(wish) }
      }
    }
    for wish in stored.cancelWishes {
      agents.find(integration: wish.integration, id: wish.agentID)?.want(.init(wish))
    }
  }

  private func handle(_ due: [Deadline]) {
    var ended: [CallToken] = []
    for deadline in due {
      switch deadline {
      case .poll(let token): ended.append(token)
      case .store: expireDue()
      case .schedules: scheduling.async { self.wakeForSchedules() }
      case .save: saveChanges()
      case .prune: pruneByAndBy()
      case .credentials: endExpired()
      case .clock:
        tellLossesAgain()
        watchClock()
      }
    }
    if !ended.isEmpty { endPolls(ended) }
  }
}

/// What a service is told when it is made.
public struct ServiceConfiguration: Sendable {
  /// What it allows its callers.
  public var limits = ServiceLimits()
  /// The limits that the store was opened with, shown to operators.
  public var model = ModelLimits()
  /// The program's version, shown to operators.
  public var version = ""
  /// Where the data lies, shown to operators.
  public var dataDirectory = ""
  /// Further limits by their flags' names, shown to operators.
  public var otherLimits: [String: String] = [:]
  /// With which keys' secrets are sealed; nil: they cannot be shown again.
  public var sealingKey: SealingKey?
  /// Where the system's time zones are.
  public var zoneDirectory = "/usr/share/zoneinfo"
  /// The wall clock by which schedules fire.
  public var clock: @Sendable () -> Instant = { ServerClock.now }
  /// Further counters, shown to operators.
  public var otherCounters: @Sendable () -> [String: UInt64] = { [:] }
  /// Receives sparse lines for the server's log; must not block.
  public var log: @Sendable (String) -> Void = { _ in }
  /// Called when the store has failed for good; the process should end.
  public var storeFailed: @Sendable (StoreError) -> Void = { _ in }

  /// The defaults.
  public init() {}
}
