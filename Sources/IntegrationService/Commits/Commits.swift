import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

// A commit comes back: memory follows, calls are answered, those who wait are woken.

extension IntegrationService: CommitObserver {
  /// Whether somebody tails.
  public var wantsLogEvents: Bool { tails.isWatched }

  /// Answers the batch's calls; the order below is what makes hints reliable.
  ///
  /// First memory follows the events, so that no reply is ahead of it. Then outcomes, in which
  /// polls that got nothing begin to wait. Then come the events that wake: a request that was
  /// committed before a poll's lease is seen by that lease, one committed after it wakes the poll.
  public func committed(
    _ batch: borrowing CommandBatch, _ outcomes: [CommandOutcome], _ events: [StoreEvent]
  ) {
    var turns: [PollDesk.Poll] = []
    var available = owedWakes.withLock { owed in
      defer { owed = [] }
      return owed
    }
    for event in events { follow(event, &available) }
    var replies = ReplyWriter()
    var position = 0
    while position < batch.count {
      let entry = batch.entries[position]
      guard case .token(let connection, let call) = entry.origin else {
        position += 1
        continue
      }
      let token = CallToken(connectionBits: connection, callBits: call)
      if token.isNumbered {
        position = answerBatch(at: position, batch, outcomes, &replies)
      } else {
        if entry.kind == .lease {
          let integration = batch.leases[Int(entry.index)].integration
          turns += polls.leaseEnded(token, of: integration)
        }
        answer(token, entry, batch, outcomes[position], &replies, &available)
        position += 1
      }
    }
    replies.flush()
    // Want of space refuses a batch as a whole.
    if outcomes.first?.isStorageFull == true { noteFullDisk() }
    Self.dropDelivered(&available, outcomes)
    if !available.isEmpty { turns += polls.wake(available) }
    lease(turns)
    tails.publish(events, catalogue)
  }

  /// Takes away what a lease of the same batch has delivered: nobody else need be woken for it.
  private static func dropDelivered(
    _ available: inout [(integration: Int64, action: String)], _ outcomes: [CommandOutcome]
  ) {
    guard !available.isEmpty else { return }
    var delivered: Set<LogID> = []
    for case .leased(let lease) in outcomes { delivered.formUnion(lease.requests.map(\.logID)) }
    guard !delivered.isEmpty else { return }
    for case .requested(let log, duplicate: false) in outcomes where delivered.contains(log.id) {
      let place = available.firstIndex {
        $0.integration == log.integration && $0.action == log.actionType
      }
      if let place { available.remove(at: place) }
    }
  }

  /// The store has failed for good: nothing is acknowledged any more.
  ///
  /// Nothing else is answered either: the process waits a moment for the reader of its last line.
  public func storeFailed(_ error: StoreError) {
    server.withLock { $0 }?.stopNow()
    configuration.storeFailed(error)
  }

  /// The store found something damaged that it makes anew.
  public func storeMended(_ what: String) {
    configuration.log(
      "level=warning event=store_mended what=\"\(what)\" "
        + "hint=\"searches take longer until it is made again; look after the disk\"")
  }

  /// Says in the log that the disk is full, at most once a minute while it is.
  private func noteFullDisk() {
    storeHealth.withLock { $0.refused(atMs: ServiceTimer<Deadline>.nowMs) }
    let now = ServerClock.now
    let isDue = fullDiskSaidAt.withLock { last in
      if let last, (0..<60_000).contains(now.milliseconds(since: last)) { return false }
      last = now
      return true
    }
    guard isDue else { return }
    configuration.log(
      "level=error event=storage_full directory=\"\(configuration.dataDirectory)\" "
        + "hint=\"what needs room is refused, nothing acknowledged is lost; free space there\"")
    storeHealth.withLock { $0.isSaid = true }
  }

  private func follow(
    _ event: StoreEvent, _ available: inout [(integration: Int64, action: String)]
  ) {
    switch event {
    case .requestAvailable(let integration, let action): available.append((integration, action))
    case .cancelWanted(let wish):
      guard let agent = agents.find(integration: wish.integration, id: wish.agentID) else { return }
      tell(agent, .init(wish))
    case .logChanged: break
    case .dueChanged(let due): expect(due: due)
    case .integrationChanged(let integration): follow(integration)
    case .integrationRemoved(let id): forget(id)
    case .actionsChanged(let integration, let actions): follow(actions, of: integration)
    case .keyChanged(let key): follow(key)
    case .tokenChanged(let token): follow(token)
    case .scheduleChanged(let schedule): follow(schedule)
    case .scheduleRemoved(let name): schedules.remove(name)
    }
  }

  private func follow(_ integration: StoredIntegration) {
    let before = catalogue.integration(integration.id)
    catalogue.update(integration)
    guard let before, before.isPaused != integration.isPaused else { return }
    let wish: AgentDirectives.Wish =
      integration.isPaused ? .pause(reason: integration.pauseReason) : .resume
    for agent in agents.agents(of: integration.id) { tell(agent, wish) }
  }

  private func follow(_ actions: [StoredAction], of integration: IntegrationID) {
    for wish in catalogue.update(actions) {
      for agent in agents.agents(of: integration) { tell(agent, wish) }
    }
  }

  private func answer(
    _ token: CallToken, _ entry: CommandBatch.Entry, _ batch: borrowing CommandBatch,
    _ outcome: CommandOutcome, _ replies: inout ReplyWriter,
    _ available: inout [(integration: Int64, action: String)]
  ) {
    switch outcome {
    case .reported(let reported):
      let report = batch.reports[Int(entry.index)]
      answer(token, report, reported, batch, &replies)
    case .renewed(let renewed):
      let agentID = batch.string(batch.renewals[Int(entry.index)].agentID)
      answer(token, agentID, renewed, &replies)
    case .leased(let leased):
      let integration = batch.leases[Int(entry.index)].integration
      self.leased(token, integration, leased, &replies, &available)
    case .failed(let failure):
      if entry.kind == .lease { polls.remove(token) }
      replies.fail(token, RPCError(failure))
    case .registered, .requested, .cancelled, .many, .log, .journal, .integration, .action, .key,
      .rotated, .token, .schedule, .scheduleFired, .deleted, .deletionContinued, .expired,
      .clockMoved, .retention, .pruned, .done:
      preconditionFailure("only reports, renewals and leases are answered by token")
    }
  }

  private func answer(
    _ token: CallToken, _ report: ReportCommand, _ outcome: StoreReportOutcome,
    _ batch: borrowing CommandBatch, _ replies: inout ReplyWriter
  ) {
    let wishes = wishes(token, report, batch) { record in
      guard outcome.status.isFinal else { return }
      record.directives.withLock { $0.logEnded(report.logID.description) }
    }
    replies.answer(token, as: ReportLogResponseView.self) { view in
      unsafe withUnsafeTemporaryAllocation(byteCount: LogID.textBytes, alignment: 1) { text in
        unsafe report.logID.write(into: text)
        view.logID = unsafe ProtobufText(borrowing: UnsafeRawBufferPointer(text))
      }
      view.status = LogStatus(outcome.status)
      view.sequence = outcome.sequence
      view.duplicate = outcome.isDuplicate
      if !wishes.isEmpty { view.makeDirectives(count: wishes.count).assign(wishes) }
    }
  }

  private func answer(
    _ token: CallToken, _ agentID: String, _ outcome: RenewOutcome, _ replies: inout ReplyWriter
  ) {
    let session = sessions.withLock { $0[token.connection] }
    let agent = session.flatMap { agents.find(integration: $0.integration, id: agentID) }
    var wishes: [AgentDirectives.Wish] = []
    if let agent, let session { wishes = Self.heartbeatWishes(of: agent, session) }
    for logID in outcome.lost {
      agent?.directives.withLock { $0.logEnded(logID.description) }
    }
    // What is still to be stopped is repeated with each renewal, until the agent ends it.
    for cancel in outcome.cancels.map(AgentDirectives.Wish.init)
    where !wishes.contains(where: { $0.cancelledLog == cancel.cancelledLog }) {
      wishes.append(cancel)
    }
    replies.answer(token, as: HeartbeatResponseView.self) { view in
      view.serverTime = Timestamp(ServerClock.now)
      view.nextHeartbeatMs =
        agent.map(nextHeartbeatMs)
        ?? UInt32(clamping: configuration.limits.heartbeatInterval.wholeMilliseconds)
      let lost = view.makeLostLeases(count: outcome.lost.count)
      for (index, logID) in outcome.lost.enumerated() {
        lost.set(logID.description, at: index)
      }
      view.makeDirectives(count: wishes.count).assign(wishes)
    }
  }

  /// What the agent behind a report is to be told.
  ///
  /// `ended` is given an agent of whom something is wanted: a wish to stop a log ends with the log.
  func wishes(
    _ token: CallToken, _ report: ReportCommand, _ batch: borrowing CommandBatch,
    ended: (AgentRecord) -> Void
  ) -> [AgentDirectives.Wish] {
    guard let session = sessions.withLock({ $0[token.connection] }) else { return [] }
    return batch.withText(report.agentID) { text in
      guard let found = session.find(text) else { return [] }
      if found.record.directiveVersion.load(ordering: .acquiring) != 0 { ended(found.record) }
      return found.hasWishes ? session.takeWishes(of: found.record) : []
    }
  }
}

extension CommandBatch {
  /// Lends a text of the batch.
  borrowing func withText<Result>(
    _ range: TextRange, _ body: (ProtobufText) -> Result
  ) -> Result {
    unsafe bytes.withUnsafeBytes { bytes in
      let start = Int(range.offset)
      let slice = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(range.count)])
      return body(unsafe ProtobufText(borrowing: slice))
    }
  }
}

extension CommandOutcome {
  /// Whether the command was refused for want of space.
  fileprivate var isStorageFull: Bool {
    guard case .failed(let failure) = self else { return false }
    return failure.reason == StoreFailure.storageFull.reason
  }
}
