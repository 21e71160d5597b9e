import IntegrationAPI
import IntegrationClient
import RPCClient
import RPCWire

/// One run of an agent: its connection, its outbox and the work that it holds.
///
/// Four loops share this state: the session (connects and declares), the sender of reports, the
/// heartbeat and the polls. Each waits on a wakeup of its own; what they decide is in pure types.
actor AgentRuntime {
  /// Why a loop returned.
  enum LoopEnd: Sendable {
    /// It has nothing left to do; the others go on.
    case workDone
    /// The goodbye is said: everything ends.
    case agentStopped
  }

  nonisolated let configuration: AgentConfiguration
  nonisolated let client: IntegrationClient
  nonisolated let outbox: Outbox
  nonisolated let outages: OutageNotice
  nonisolated let clock = ContinuousClock()
  let actions: [Agent.Action]
  let handlers: [String: Agent.Handler]
  /// New for each process.
  let instanceID: String
  /// What the process before this one left behind.
  let predecessor: Outbox.Predecessor

  var lifecycle = AgentLifecycle()
  var jobs: [String: RunningJob] = [:]
  /// Leases of attempts that have ended and whose last report is not stored yet, by log.
  var unsettledLeases: [String: String] = [:]
  var isRegistered = false
  /// Whether all reports of earlier processes are sent; requests are taken only then, so that an
  /// end that waits in the outbox arrives before its request is delivered again.
  var isBacklogSent = false
  var leasesRenewedAt: ContinuousClock.Instant?
  var heartbeatInterval: Duration
  var serverClock = ServerClock()
  /// Whether this connection has said if the integration is paused.
  var isPauseConfirmed = false
  /// Whether a heartbeat is on its way: the goodbye must not be overtaken by it.
  var isBeating = false
  var poll: Task<PollRequestsResponse, any Error>?

  nonisolated let senderWake = Wakeup()
  nonisolated let heartbeatWake = Wakeup()
  nonisolated let pollWake = Wakeup()
  nonisolated let endWake = Wakeup()
  private var companionTasks: [Task<Void, Never>] = []
  private var companionError: (any Error)?

  init(_ configuration: AgentConfiguration, actions: [Agent.Action]) async throws(AgentError) {
    self.configuration = configuration
    self.actions = actions
    handlers = Dictionary(
      actions.map { ($0.definition.type, $0.handler) }, uniquingKeysWith: { $1 })
    let outages = OutageNotice()
    self.outages = outages
    var clientConfiguration = configuration.clientConfiguration
    clientConfiguration.onConnectFailure = { error in
      guard outages.isDue(at: .now) else { return }
      configuration.onEvent(.unreachable(server: configuration.server.description, error))
    }
    client = IntegrationClient(clientConfiguration)
    instanceID = LogIDMaker.shared.make()
    heartbeatInterval = configuration.heartbeatInterval
    outbox = try await Outbox.open(
      path: configuration.outboxPath, limits: configuration.outboxLimits, instanceID: instanceID)
    predecessor = try await outbox.predecessor()
  }

  var isPaused: Bool { lifecycle.isPaused }

  var event: @Sendable (AgentEvent) -> Void { configuration.onEvent }

  // MARK: The run

  /// Lives until the agent has stopped.
  func run(companions: [@Sendable () async throws -> Void]) async throws {
    try await closeAbandonedLogs()
    for companion in companions { startCompanion(companion) }
    do {
      try await runLoops()
    } catch {
      outbox.close()
      throw error
    }
    outbox.close()
    if let companionError { throw companionError }
  }

  /// The loops, until one of them brings the end or an error that nobody can mend.
  private func runLoops() async throws {
    try await withThrowingTaskGroup(of: LoopEnd.self) { group in
      group.addTask { try await self.keepSession() }
      group.addTask { try await self.sendReports() }
      group.addTask { try await self.phoneHome() }
      group.addTask { try await self.takeRequests() }
      group.addTask { try await self.waitForEnd() }
      do {
        while let end = try await group.next(), end != .agentStopped {}
      } catch {
        await abandon()
        group.cancelAll()
        throw error
      }
      await client.close()
      group.cancelAll()
    }
  }

  private func startCompanion(_ body: @escaping @Sendable () async throws -> Void) {
    let task = Task {
      do {
        try await body()
      } catch is CancellationError {
        // It was asked to end.
      } catch {
        companionFailed(error)
      }
    }
    companionTasks.append(task)
  }

  private func companionFailed(_ error: any Error) {
    if lifecycle.phase == .stopped { return }
    if lifecycle.phase == .draining, error as? AgentError == .notRunning { return }
    companionError = companionError ?? error
    stop()
  }

  /// Logs of work that nobody queued, which the process before this one did not end, get their end.
  private func closeAbandonedLogs() async throws(AgentError) {
    for log in predecessor.openLogs where log.leaseToken.isEmpty {
      var report = LogReport()
      report.logID = log.logID
      report.sequence = log.sequence + 1
      report.status = .failed
      report.statusMessage = "The agent ended before this attempt did."
      report.retryable = true
      report.occurredAt = .now
      try await outbox.append(report, place: .last)
    }
  }

  private func waitForEnd() async throws -> LoopEnd {
    while lifecycle.phase != .stopped {
      await endWake.wait()
      try Task.checkCancellation()
    }
    await sayGoodbye()
    return .agentStopped
  }

  /// Ends everything at once because the agent cannot go on.
  private func abandon() async {
    handle(.failed)
    cancelCompanions()
    await client.close()
  }

  private func cancelCompanions() {
    for task in companionTasks { task.cancel() }
  }

  // MARK: Lifecycle

  /// Begins to stop; a second call cancels what is held.
  func stop() {
    handle(.stopWanted)
  }

  func handle(_ lifecycleEvent: AgentLifecycle.Event) {
    switch lifecycle.handle(lifecycleEvent) {
    case .takeWork:
      if lifecycleEvent == .resumeWanted { event(.resumed) }
      pollWake.notify()
    case .pause(let reason):
      event(.paused(reason: reason))
      poll?.cancel()
      // It may sleep for a whole interval, and from now on heartbeats bring the end of the pause.
      heartbeatWake.notify()
    case .drain(let reason):
      event(.draining(reason: reason))
      poll?.cancel()
      cancelCompanions()
      pollWake.notify()
      heartbeatWake.notify()
      startDrainTimer()
      if jobs.isEmpty { handle(.workEnded) }
    case .cancelWork:
      for running in jobs.values { running.end(.agentStopping) }
      startLastTimer()
    case .finish:
      endWake.notify()
    case nil:
      break
    }
  }

  private func startDrainTimer() {
    Task {
      try? await Task.sleep(for: configuration.drainTimeout)
      handle(.drainTimeEnded)
    }
  }

  /// A handler that does not heed its cancellation must not keep the process alive.
  private func startLastTimer() {
    Task {
      try? await Task.sleep(for: configuration.farewellTimeout)
      handle(.workEnded)
    }
  }

  /// Applies what operators want, as any reply may bring it.
  func follow(_ directives: [Directive]) {
    for directive in directives {
      switch directive.kind {
      case .cancel(let cancel):
        guard let running = jobs[cancel.logID], running.job.ending == nil else { continue }
        event(
          .cancelWanted(
            logID: cancel.logID, reason: cancel.reason, requestedBy: cancel.requestedBy))
        running.end(.cancelWanted(reason: cancel.reason, requestedBy: cancel.requestedBy))
      case .pause(let pause):
        isPauseConfirmed = true
        handle(.pauseWanted(reason: pause.reason))
      case .resume: handle(.resumeWanted)
      case .drain(let drain):
        let reason = drain.reason.isEmpty ? "an operator asked for it" : drain.reason
        handle(.drainWanted(reason: reason))
      case .rotateKey: event(.keyEnds)
      case .pauseAction(let pause):
        event(.actionPaused(action: pause.actionType, reason: pause.reason))
      case .resumeAction(let resume): event(.actionResumed(action: resume.actionType))
      case nil: break
      }
    }
  }

  // MARK: Goodbye

  /// Sends what is left, within the farewell time, and tells the server that nothing is held.
  private func sayGoodbye() async {
    let limit = clock.now + configuration.farewellTimeout
    // A server that is not there by now is hardly coming: what is left waits for the next start.
    let connectLimit = clock.now + min(configuration.farewellTimeout, .seconds(1))
    while outbox.counts.reports > 0, clock.now < (isRegistered ? limit : connectLimit) {
      senderWake.notify()
      await endWake.wait(for: .milliseconds(20))
    }
    while isBeating, clock.now < limit { await endWake.wait(for: .milliseconds(50)) }
    if isRegistered {
      var request = heartbeat(state: .stopped)
      request.leases = []
      let options = CallOptions(deadline: max(limit - clock.now, .seconds(1)))
      do {
        _ = try await client.agents.heartbeat(request, options: options)
        try await outbox.forgetLeases(of: .everybody)
      } catch let error as RPCError {
        event(.callFailed(call: "Heartbeat", error))
      } catch {
        // The outbox cannot be written: the leases run out by themselves.
      }
    }
    let kept = outbox.counts.reports
    if kept > 0 { event(.reportsKept(reports: kept, outbox: configuration.outboxPath)) }
  }
}
