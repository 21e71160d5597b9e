import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCTransport
import RPCWire

extension IntegrationService {
  /// Phones home, renews leases, and brings back what the operators want.
  ///
  /// Without leases it stays in memory and allocates nothing.
  public func heartbeat(
    _ request: HeartbeatRequestView, _ call: ServerCall<HeartbeatResponse>
  ) {
    // One that is refused must not make an agent known.
    guard let caller = caller(request.agentID, call, firstCheck: { $0.heartbeat(request) }) else {
      return
    }
    let record = caller.record
    let condition = request.state.model
    let isSame = record.details.withLock { $0.isSame(as: request) }
    if !isSame || request.leases.count > 0 {
      var checks = FieldChecks()
      checks.heartbeat(request)
      guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    }
    if condition == .stopped {
      // Before it is noted: repeated, it would be taken for the goodbye of the last process.
      if let refusal = call.handle.refusalOfWork { return call.fail(refusal) }
      if isTwinGoodbye(request, record, call.now) {
        return renew(request, condition, caller, call)
      }
    }
    note(request, condition, record, call.now)
    if !isSame { noteDetails(AgentDetails(request), record, call.now) }
    if request.leases.count > 0 || condition == .stopped {
      // That the agent lives is noted all the same.
      if let refusal = call.handle.refusalOfWork { return call.fail(refusal) }
      return renew(request, condition, caller, call)
    }
    let reply = HeartbeatResponseView(besides: request.reference)
    reply.serverTime = Timestamp(microseconds: call.now.wallMicroseconds)
    reply.nextHeartbeatMs = nextHeartbeatMs(record)
    if caller.hasWishes || record.isDrainWanted.load(ordering: .relaxed) {
      let wishes = Self.heartbeatWishes(of: record, caller.session)
      reply.makeDirectives(count: wishes.count).assign(wishes)
    }
    call.answer(reply)
  }

  /// What an agent is told with a heartbeat: what is new to its connection, and again that it is to
  /// drain while it does not say that it does.
  static func heartbeatWishes(
    of record: AgentRecord, _ session: AgentSession
  ) -> [AgentDirectives.Wish] {
    var wishes = session.takeWishes(of: record)
    if let drain = record.openDrain, !wishes.contains(where: \.isDrain) { wishes.append(drain) }
    return wishes
  }

  /// Takes over clocks and state; writes only what differs.
  @inline(__always)
  private func note(
    _ request: HeartbeatRequestView, _ condition: AgentCondition, _ record: AgentRecord,
    _ now: ServerTime
  ) {
    let nowMs = now.instant.milliseconds
    record.lastHeartbeatMs.update(nowMs)
    let intervalMs = min(request.intervalMs, Self.longestIntervalMs)
    if record.intervalMs.load(ordering: .relaxed) != intervalMs {
      record.intervalMs.update(intervalMs)
      agents.markUnsaved(record)
    }
    if record.condition.load(ordering: .relaxed) != condition.rawValue {
      record.condition.update(condition.rawValue)
      agents.markUnsaved(record)
    }
    if let sentAt = request.sentAt {
      let skew = sentAt.instant.milliseconds(since: now.instant)
      record.clockSkewMs.update(min(max(skew, -Self.largestSkewMs), Self.largestSkewMs))
    }
    if nowMs - record.lastSavedMs.load(ordering: .relaxed) > Self.savedClockMs {
      record.lastSavedMs.update(nowMs)
      agents.markUnsaved(record)
    }
  }

  /// The longest interval that is believed: one day.
  ///
  /// An agent that says more is told to phone home every few minutes and counts as down after two
  /// days.
  static let longestIntervalMs: UInt32 = 86_400_000
  /// The largest clock skew that is shown: ten years, whatever the agent's clock says.
  static let largestSkewMs: Int64 = 315_360_000_000
  /// How old the saved clocks of a running agent may be: after a crash of the server, operators see
  /// when it phoned home last with this precision.
  static let savedClockMs: Int64 = 60_000

  /// Whether another process goes on under the id of one that says goodbye.
  ///
  /// Its leases go back to the queue; the agent is not down.
  private func isTwinGoodbye(
    _ request: HeartbeatRequestView, _ record: AgentRecord, _ now: ServerTime
  ) -> Bool {
    let lastHeardMs = record.lastHeartbeatMs.load(ordering: .relaxed)
    return record.instances.withLock {
      $0.ended(
        request.instanceID.string, atMs: now.instant.milliseconds, withinMs: record.downAfterMs,
        lastHeardMs: lastHeardMs)
    }
  }

  private func noteDetails(_ details: AgentDetails, _ record: AgentRecord, _ now: ServerTime) {
    record.instances.withLock {
      $0.heard(details.instanceID, host: details.host, atMs: now.instant.milliseconds)
    }
    let isNewInstance = record.details.withLock { known in
      let isNew = known.instanceID != details.instanceID
      known = details
      return isNew
    }
    if isNewInstance { record.instanceChanged() }
    agents.markUnsaved(record)
  }

  /// When the agent is to phone home next: as it says, within bounds, or the server's default.
  func nextHeartbeatMs(_ record: AgentRecord) -> UInt32 {
    let wanted = record.intervalMs.load(ordering: .relaxed)
    guard wanted != 0 else {
      return UInt32(clamping: configuration.limits.heartbeatInterval.wholeMilliseconds)
    }
    let bounds = ServiceLimits.heartbeatMs
    return min(max(wanted, bounds.lowerBound), bounds.upperBound)
  }

  /// Renews or, with STOPPED, returns leases through the store; its commit answers.
  private func renew(
    _ request: HeartbeatRequestView, _ condition: AgentCondition, _ caller: Caller,
    _ call: ServerCall<HeartbeatResponse>
  ) {
    let token = call.token
    let integration = caller.session.integration
    let taken = store.submit(.integration(integration)) { batch in
      let first = UInt32(batch.heldLeases.count)
      for lease in request.leases {
        guard let logID = unsafe LogID(text: lease.logID.bytes) else { continue }
        let text = unsafe batch.text(lease.leaseToken.bytes)
        batch.append(heldLease: HeldLeaseText(logID: logID, token: text))
      }
      let agentID = unsafe batch.text(request.agentID.bytes)
      batch.append(
        renewal: RenewCommand(
          integration: integration, agentID: agentID, condition: condition,
          firstLease: first, leaseCount: UInt32(batch.heldLeases.count) - first),
        now: call.now.instant, origin: .token(token.connectionBits, token.callBits))
    }
    if !taken { call.fail(RPCError(.busy)) }
  }
}

extension AgentDetails {
  /// Whether a heartbeat says the same.
  @inline(__always)
  func isSame(as request: HeartbeatRequestView) -> Bool {
    Self.isSame(request.instanceID, instanceID) && Self.isSame(request.agentVersion, version)
      && Self.isSame(request.host, host) && Self.isSame(request.platform, platform)
      && Self.isSame(request.targetSystem, targetSystem)
      && Self.isSame(request.targetVersion, targetVersion)
      && Self.isSame(request.stateMessage, conditionMessage)
  }

  /// Compares lengths before bytes: most of these texts are empty in most heartbeats.
  @inline(__always)
  private static func isSame(_ text: ProtobufText, _ known: String) -> Bool {
    text.count == known.utf8.count && (text.isEmpty || text == known)
  }

  /// What a heartbeat says.
  init(_ request: HeartbeatRequestView) {
    self.init(
      instanceID: request.instanceID.string, version: request.agentVersion.string,
      host: request.host.string, platform: request.platform.string,
      targetSystem: request.targetSystem.string, targetVersion: request.targetVersion.string,
      conditionMessage: request.stateMessage.string)
  }
}

extension FieldChecks {
  /// What may be wrong with a heartbeat.
  mutating func heartbeat(_ request: HeartbeatRequestView) {
    let short = FieldRules.maximumShortTextBytes
    text(request.instanceID, "instance_id", maximum: short)
    text(request.agentVersion, "agent_version", maximum: short)
    text(request.host, "host", maximum: short)
    text(request.platform, "platform", maximum: short)
    text(request.targetSystem, "target_system", maximum: short)
    text(request.targetVersion, "target_version", maximum: short)
    text(request.stateMessage, "state_message", maximum: FieldRules.maximumMessageBytes)
    list(request.leases.count, "leases", maximum: FieldRules.maximumLeases)
    for (index, lease) in request.leases.enumerated().prefix(FieldRules.maximumLeases) {
      let isID = unsafe LogID(text: lease.logID.bytes) != nil
      note("leases[\(index)].log_id", isID ? nil : "expected a UUID as 36 characters")
      text(lease.leaseToken, "leases[\(index)].lease_token", maximum: short)
    }
  }
}
