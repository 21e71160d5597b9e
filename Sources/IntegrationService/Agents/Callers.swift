import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

/// The agent that makes a call, as found in its connection's session.
struct Caller {
  let session: AgentSession
  let record: AgentRecord
  /// Whether operators want something that this connection has not been told.
  let hasWishes: Bool
}

extension IntegrationService {
  /// The agent that makes a call; nil when the call has been failed.
  ///
  /// The first call of an agent on a connection makes it known; later ones find it without
  /// allocating. `firstCheck` is made before that; what it refuses leaves no agent behind.
  @inline(__always)
  func caller<Response>(
    _ agentID: ProtobufText, _ call: ServerCall<Response>,
    firstCheck: (inout FieldChecks) -> Void = { _ in }
  ) -> Caller? {
    let principal = call.principal
    guard principal.kind == .agent else {
      call.fail(.agentOnly)
      return nil
    }
    let session = session(of: call.connection, principal)
    if let found = session.find(agentID) {
      found.record.lastFrameMs.update(call.now.instant.milliseconds)
      #if PLANTED_LEAK_CALL
        unsafe UnsafeMutableRawPointer.allocate(byteCount: 4_096, alignment: 16)
          .initializeMemory(as: UInt8.self, repeating: 1, count: 4_096)
      #endif
      #if PLANTED_UNLOCKED_AGENT
        unsafe found.record.calls += 1
      #endif
      return Caller(session: session, record: found.record, hasWishes: found.hasWishes)
    }
    return firstCall(of: agentID, in: session, call, firstCheck)
  }

  /// The session of an agent's connection: it hangs on the connection's principal.
  @inline(__always)
  func session(of connection: ConnectionID, _ principal: Principal) -> AgentSession {
    if let attachment = principal.attachment {
      // Only `Principal.agent` attaches anything to a principal of an agent.
      return unsafe unsafeDowncast(attachment, to: AgentSession.self)
    }
    return embeddedSession(of: connection, principal)
  }

  /// The session of a connection whose principal was made elsewhere, for an in-process channel.
  private func embeddedSession(
    of connection: ConnectionID, _ principal: Principal
  ) -> AgentSession {
    sessions.withLock { sessions in
      if let session = sessions[connection] { return session }
      let session = AgentSession(integration: principal.id, keyID: principal.credentialID)
      sessions[connection] = session
      return session
    }
  }

  private func firstCall<Response>(
    of agentID: ProtobufText, in session: AgentSession, _ call: ServerCall<Response>,
    _ firstCheck: (inout FieldChecks) -> Void
  ) -> Caller? {
    var checks = FieldChecks()
    checks.name(agentID, "agent_id")
    firstCheck(&checks)
    guard checks.isEmpty else {
      call.fail(.invalid(checks.violations))
      return nil
    }
    let record: AgentRecord
    let arrival = agents.findOrAdd(
      integration: session.integration, id: agentID.string, now: call.now.instant,
      maximum: configuration.limits.maximumAgents)
    switch arrival {
    case .known(let known): record = known
    case .new(let new):
      record = new
      welcome(new)
    case .tooMany:
      call.fail(.tooManyAgents(maximum: configuration.limits.maximumAgents))
      return nil
    }
    if session.add(record) { agentConnected(record) }
    record.lastFrameMs.update(call.now.instant.milliseconds)
    let hasWishes = record.directiveVersion.load(ordering: .acquiring) != 0
    return Caller(session: session, record: record, hasWishes: hasWishes)
  }

  /// An agent was heard for the first time: it is saved, and hears of pauses.
  private func welcome(_ record: AgentRecord) {
    agents.markUnsaved(record)
    for wish in keyWishes(of: record.integration) { record.want(wish) }
    for wish in catalogue.pauses(of: record.integration) { record.want(wish) }
  }

  /// An agent is back: its leases do not end after the grace time.
  func agentConnected(_ record: AgentRecord) {
    guard record.isLost.exchange(false, ordering: .sequentiallyConsistent) else { return }
    let now = ServerClock.now
    let taken = store.submit(.integration(record.integration)) { batch in
      batch.append(
        .connectionRestored(record.integration, agentID: record.id), now: now,
        origin: .completion { [weak self] outcome in
          if case .failed = outcome { self?.noteUntold(record, isLost: true) }
        })
    }
    if !taken { noteUntold(record, isLost: true) }
  }

  /// A connection is gone: agents that have no other and may hold leases are given the grace time.
  func sessionClosed(_ session: AgentSession) {
    for record in session.close()
    where record.connections.load(ordering: .sequentiallyConsistent) == 0 {
      agents.markUnsaved(record)
      if record.mayHoldLeases.load(ordering: .relaxed) { tellLoss(of: record) }
    }
  }

  /// A server that starts has no connection: who holds leases is given the grace time from now on
  /// to come back, however the last server ended.
  ///
  /// Called before calls come, and before deadlines are looked at: the grace time of a connection
  /// that the last server closed when it stopped has not passed for its agent.
  func awaitHolders(_ holders: [(IntegrationID, String)]) {
    for (integration, id) in holders {
      guard let record = agents.find(integration: integration, id: id) else { continue }
      record.mayHoldLeases.store(true, ordering: .relaxed)
      tellLoss(of: record)
    }
  }

  /// Tells the store that an agent has no connection: its grace time begins.
  ///
  /// What the store does not take is told again; or the leases would last to their own end.
  private func tellLoss(of record: AgentRecord) {
    let now = ServerClock.now
    let taken = store.submit(.integration(record.integration)) { batch in
      batch.append(
        .connectionLost(record.integration, agentID: record.id), now: now,
        origin: .completion { [weak self] outcome in
          if case .failed = outcome { self?.noteUntold(record) }
        })
    }
    if !taken { noteUntold(record) }
    // Only now: who comes back and sees the mark is behind the loss in the store's order.
    record.isLost.store(true, ordering: .sequentiallyConsistent)
    // It may have come back between the count and the mark, and not have seen the mark.
    if record.connections.load(ordering: .sequentiallyConsistent) > 0 { agentConnected(record) }
  }

  /// The store does not know that an agent is gone, or that it is back: then it counts as lost.
  private func noteUntold(_ record: AgentRecord, isLost: Bool = false) {
    if isLost { record.isLost.store(true, ordering: .sequentiallyConsistent) }
    untoldLosses.withLock { $0[ObjectIdentifier(record)] = record }
  }

  /// Tells the store again which agents are gone, and which are back.
  func tellLossesAgain() {
    let untold = untoldLosses.withLock { untold in
      defer { untold = [:] }
      return untold.values
    }
    for record in untold {
      if record.connections.load(ordering: .sequentiallyConsistent) == 0 {
        tellLoss(of: record)
      } else {
        agentConnected(record)
      }
    }
  }
}

// MARK: - Connections

extension IntegrationService: ConnectionObserver {
  /// Makes an agent's session known to commits, which have only the connection's number.
  public func connectionOpened(_ connection: ConnectionID, _ principal: Principal) {
    guard let attachment = principal.attachment as? AgentSession else { return }
    sessions.withLock { $0[connection] = attachment }
  }

  /// Forgets the connection's session.
  public func connectionClosed(_ connection: ConnectionID, _ principal: Principal) {
    guard principal.kind == .agent,
      let session = sessions.withLock({ $0.removeValue(forKey: connection) })
    else { return }
    sessionClosed(session)
    noteEndedKey(of: session)
  }

  /// A poll whose caller is gone waits no longer; a tail ends.
  public func callEnded(_ token: CallToken) {
    // A call is one of these; polls end by the thousand.
    if polls.remove(token) != nil { return }
    tails.remove(token)
    counts.end(token)
    reads.end(token)
    registrations.end(token)
    transfers.callEnded(token)
    unfinished.withLock { if $0[token]?.endsWithCall == true { $0[token] = nil } }
  }

  /// Waiting polls are answered empty, so that their connections may end; tails end.
  public func drainBegan() {
    var replies = ReplyWriter()
    for poll in polls.removeAll() { answer(poll, &replies) }
    replies.flush()
    tails.endAll()
  }
}

extension RPCError {
  static let agentOnly = RPCError(
    .permissionDenied,
    "this method is for agents: connect with an integration's API key",
    reason: Reason.agentOnly)

  static func tooManyAgents(maximum: Int) -> RPCError {
    RPCError(
      .resourceExhausted,
      "the integration has \(maximum) agents, the most that it may (--maximum-agents): keep the "
        + "agent_id over restarts",
      reason: Reason.tooManyAgents)
  }
}
