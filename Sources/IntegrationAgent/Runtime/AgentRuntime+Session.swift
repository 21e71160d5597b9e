import IntegrationAPI
import IntegrationClient
import RPCClient
import RPCWire

extension AgentRuntime {
  // MARK: Session

  /// Keeps a connection and declares the actions on each new one.
  func keepSession() async throws -> LoopEnd {
    while !Task.isCancelled {
      let connection: RPCConnection
      do throws(RPCError) {
        connection = try await client.connect()
        try await register()
      } catch {
        try Task.checkCancellation()
        try await failed("RegisterAction", error)
        continue
      }
      sessionBegan()
      let reason = await connection.closed
      isRegistered = false
      if lifecycle.phase != .stopped { event(.disconnected(reason)) }
      try Task.checkCancellation()
    }
    return .workDone
  }

  private func register() async throws(RPCError) {
    var request = RegisterActionRequest()
    request.agentID = configuration.agentID
    request.actions = actions.map(\.definition)
    request.retireUndeclared = configuration.retiresUndeclaredActions
    _ = try await client.agents.registerAction(request)
  }

  private func sessionBegan() {
    isRegistered = true
    outages.end()
    leasesRenewedAt = nil
    isPauseConfirmed = false
    event(.connected(server: configuration.server.description))
    let waiting = outbox.counts.reports
    if waiting > 0 { event(.backlog(reports: waiting)) }
    handle(.registered)
    for wakeup in [heartbeatWake, senderWake, pollWake] { wakeup.notify() }
  }

  /// Throws where trying again cannot help; otherwise says what failed and waits a little.
  func failed(_ call: String, _ error: RPCError, wait: Duration = .seconds(1)) async throws {
    if error.refusesAgent || (call == "RegisterAction" && error.code == .invalidArgument) {
      throw AgentError.refused(error)
    }
    if error.code != .cancelled { event(.callFailed(call: call, error)) }
    try await Task.sleep(for: wait)
  }

  // MARK: Heartbeat

  /// Phones home, renews leases and hears what operators want.
  func phoneHome() async throws -> LoopEnd {
    while lifecycle.phase != .stopped {
      guard isRegistered else {
        await heartbeatWake.wait()
        try Task.checkCancellation()
        continue
      }
      do throws(RPCError) {
        try await beat()
      } catch {
        try Task.checkCancellation()
        try await failed("Heartbeat", error)
        continue
      }
      await heartbeatWake.wait(for: untilNextHeartbeat)
      try Task.checkCancellation()
    }
    return .workDone
  }

  private func beat() async throws(RPCError) {
    isBeating = true
    defer {
      isBeating = false
      if lifecycle.phase == .stopped { endWake.notify() }
    }
    var request = heartbeat(state: lifecycle.phase == .draining ? .draining : .running)
    let leases = isRenewalDue ? heldLeases : [:]
    request.leases = leases.map { logID, token in
      var lease = HeldLease()
      lease.logID = logID
      lease.leaseToken = token
      return lease
    }
    if !leases.isEmpty { leasesRenewedAt = clock.now }
    let options = CallOptions(deadline: .seconds(10))
    let response: HeartbeatResponse
    do throws(RPCError) {
      response = try await client.agents.heartbeat(request, options: options)
    } catch {
      leasesRenewedAt = nil
      throw error
    }
    if response.nextHeartbeatMs > 0 {
      heartbeatInterval = max(.milliseconds(response.nextHeartbeatMs), .milliseconds(100))
    }
    if let time = response.serverTime { serverClock.hear(time, at: clock.now) }
    for logID in response.lostLeases {
      // The request may have come back with a newer lease since this heartbeat left.
      guard let running = jobs[logID], running.job.order.leaseToken == leases[logID] else {
        continue
      }
      running.end(.leaseLost)
    }
    follow(response.directives)
    // A pause that still holds is said again on each connection, at the latest with its first
    // heartbeat; one that ended while there was no connection must not last for ever.
    if !isPauseConfirmed { handle(.resumeWanted) }
    isPauseConfirmed = true
  }

  func heartbeat(state: AgentState) -> HeartbeatRequest {
    var request = HeartbeatRequest()
    request.agentID = configuration.agentID
    request.instanceID = instanceID
    request.intervalMs = heartbeatInterval.wholeMilliseconds
    request.agentVersion = configuration.version
    request.host = configuration.host
    request.platform = AgentConfiguration.platform
    request.targetSystem = configuration.targetSystem
    request.targetVersion = configuration.targetVersion
    request.state = state
    request.sentAt = .now
    return request
  }

  /// Log id to token: what is worked on, and what has ended but is not stored as ended.
  private var heldLeases: [String: String] {
    var leases = unsettledLeases
    for (logID, running) in jobs where running.job.order.isLeased {
      leases[logID] = running.job.order.leaseToken
    }
    return leases
  }

  private var isRenewalDue: Bool {
    guard let leasesRenewedAt else { return true }
    return clock.now - leasesRenewedAt >= min(configuration.leaseDuration / 3, heartbeatInterval)
  }

  private var untilNextHeartbeat: Duration {
    var wait = heartbeatInterval
    // While paused no poll is open either, and only heartbeats bring the end of the pause.
    if lifecycle.isPaused { wait = min(wait, configuration.attentiveInterval) }
    if !jobs.isEmpty {
      wait = min(wait, configuration.leaseDuration / 3)
      // With every slot taken no poll is open, and only heartbeats bring a wish to cancel.
      if poll == nil { wait = min(wait, configuration.attentiveInterval) }
    }
    return wait
  }

  // MARK: Goodbye of the process before

  /// Returns what an earlier process of this agent held when it was killed, so that it is delivered
  /// again at once instead of when its leases run out.
  func releasePredecessorsLeases() async throws {
    guard !predecessor.leaseHolders.isEmpty else { return }
    for instanceID in predecessor.leaseHolders {
      var request = heartbeat(state: .stopped)
      request.instanceID = instanceID
      _ = try await client.agents.heartbeat(request, options: CallOptions(deadline: .seconds(10)))
    }
    try await outbox.forgetLeases(of: .earlierProcesses)
    leasesRenewedAt = nil
    heartbeatWake.notify()
  }
}
