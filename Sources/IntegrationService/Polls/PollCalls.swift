import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Waits for requests and leases them to the caller.
  public func pollRequests(
    _ request: PollRequestsRequestView, _ call: ServerCall<PollRequestsResponse>
  ) {
    guard let caller = caller(request.agentID, call, firstCheck: { $0.poll(request) }) else {
      return
    }
    var checks = FieldChecks()
    checks.poll(request)
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    let now = call.now
    let actions = polledActions(request, caller.record)
    caller.record.lastPollMs.update(now.instant.milliseconds)
    // What the agent is to be told goes out with this reply: it does not wait.
    let waitMs = caller.hasWishes ? 0 : Int64(request.waitMs)
    let poll = PollDesk.Poll(
      token: call.token, session: caller.session, agent: caller.record,
      actions: actions, maximumRequests: max(1, request.maximumRequests),
      leaseMs: request.leaseMs == 0 ? ServiceLimits.defaultLeaseMs : request.leaseMs,
      due: now.monotonicMs + waitMs)
    switch polls.add(poll, maximum: configuration.limits.maximumWaitingPolls) {
    case .now: lease([poll])
    case .later: break
    case .never(let isOfIntegration):
      call.fail(
        .tooManyPolls(
          maximum: configuration.limits.maximumWaitingPolls, isOfIntegration: isOfIntegration))
    }
  }

  /// Which actions a poll takes, nil: any; its agent's record takes over those of them that are
  /// declared.
  ///
  /// Their texts are the catalogue's: thousands of polls have them once.
  private func polledActions(
    _ request: PollRequestsRequestView, _ record: AgentRecord
  ) -> [String]? {
    guard !request.actionTypes.isEmpty else {
      record.polledActions.withLock { if $0 != nil { $0 = nil } }
      return nil
    }
    let (actions, declared) = catalogue.named(
      request.actionTypes.map(\.string), of: record.integration)
    record.polledActions.withLock { if $0 != declared { $0 = declared } }
    return actions
  }

  /// Adds a lease command for each poll; those that the store does not take are failed,
  /// but for polls that were woken.
  ///
  /// A lease sees what can be delivered at its time. It takes the time where the order of commands
  /// is made, so that no request that was submitted before is later: the call's own clock may be a
  /// moment older, and what that lease left out would wake nobody, its poll being under way. The
  /// store gives one that waits behind its integration's reports a later time when its turn comes.
  func lease(_ waiting: [PollDesk.Poll]) {
    var refused = waiting.filter { poll in
      !store.submit(.integration(poll.integration)) { batch in
        Self.append(poll, to: &batch, now: ServerClock.now)
      }
    }
    guard !refused.isEmpty else { return }
    var replies = ReplyWriter()
    while let poll = refused.popLast() {
      refused += polls.leaseEnded(poll.token, of: poll.integration, wasRefused: true)
      if let action = poll.wokenFor {
        // It waits on. What it was woken for wakes it, or another, with the next commit.
        owedWakes.withLock { $0.append((poll.integration, action)) }
        leasedNothing(poll.token, &replies)
      } else {
        polls.remove(poll.token)
        replies.fail(poll.token, RPCError(.busy))
      }
    }
    replies.flush()
  }

  /// The poll whose lease joins the batch of a new request, so that both are one commit; nil: none
  /// waits for it, or it is not to be delivered at once.
  ///
  /// Where the store takes neither, the poll leases by itself: what came meanwhile did not wake it.
  /// Still a hint: the store decides in the order of the batch, and a request that is refused
  /// leaves the lease with nothing, after which the poll waits on at its place.
  func takePoll(for command: StoreCommand) -> PollDesk.Poll? {
    guard case .createRequest(let request) = command, request.notBefore == nil else { return nil }
    return polls.wake([(request.integration, request.actionType)]).first
  }

  static func append(
    _ poll: PollDesk.Poll, to batch: inout CommandBatch, now: Instant
  ) {
    let first = UInt32(batch.texts.count)
    for action in poll.actions ?? [] {
      let text = batch.text(action)
      batch.append(actionType: text)
    }
    let agentID = batch.text(poll.agent.id)
    batch.append(
      lease: LeaseCommand(
        integration: poll.integration, agentID: agentID, firstActionType: first,
        actionTypeCount: UInt32(poll.actions?.count ?? 0),
        maximumRequests: poll.maximumRequests, leaseMs: poll.leaseMs),
      now: now, origin: .token(poll.token.connectionBits, poll.token.callBits))
  }

  /// A lease command is committed: the poll is answered, or waits on.
  ///
  /// Adds to `next` what other polls may be woken for.
  func leased(
    _ token: CallToken, _ integration: IntegrationID, _ outcome: LeaseOutcome,
    _ replies: inout ReplyWriter,
    _ next: inout [(integration: Int64, action: String)]
  ) {
    guard !outcome.requests.isEmpty else {
      return leasedNothing(token, &replies)
    }
    guard let poll = polls.remove(token) else { return giveBack(outcome, of: integration) }
    poll.agent.mayHoldLeases.store(true, ordering: .relaxed)
    answer(poll, outcome, &replies)
    guard outcome.hasMore else { return }
    let actions = poll.wokenFor.map { [$0] } ?? Array(Set(outcome.requests.map(\.actionType)))
    for action in actions { next.append((poll.integration, action)) }
  }

  /// The caller left while the lease was on its way: nobody has heard of it, so it does not have to
  /// wait for the accept timeout, which is what happens if the store takes nothing now.
  private func giveBack(_ outcome: LeaseOutcome, of integration: IntegrationID) {
    let now = ServerClock.now
    _ = store.submit { batch in
      for request in outcome.requests {
        batch.append(
          .returnLease(integration, request.logID, request.token), now: now, origin: .none)
      }
    }
  }

  private func leasedNothing(_ token: CallToken, _ replies: inout ReplyWriter) {
    switch polls.returned(token, nowMs: ServiceTimer<Deadline>.nowMs) {
    case .waits(let due, let isFirstTime):
      if isFirstTime { schedule(.poll(token), atMs: due) }
    case .ended(let poll):
      answer(poll, &replies)
    case .gone:
      break
    }
  }

  /// Answers a poll without requests, with what its agent is to be told.
  func answer(_ poll: PollDesk.Poll, _ replies: inout ReplyWriter) {
    answer(poll, LeaseOutcome(), &replies)
  }

  private func answer(
    _ poll: PollDesk.Poll, _ outcome: LeaseOutcome, _ replies: inout ReplyWriter
  ) {
    let wishes = poll.session.takeWishes(of: poll.agent)
    replies.answer(poll.token, as: PollRequestsResponseView.self) { view in
      view.hasMore = outcome.hasMore
      let requests = view.makeRequests(count: outcome.requests.count)
      for (index, request) in outcome.requests.enumerated() {
        requests[index].assign(DeliveredRequest(request))
      }
      view.makeDirectives(count: wishes.count).assign(wishes)
    }
  }

  /// Polls whose time is up are answered empty.
  func endPolls(_ tokens: [CallToken]) {
    var replies = ReplyWriter()
    let now = ServiceTimer<Deadline>.nowMs
    for token in tokens {
      guard let poll = polls.timeIsUp(token, nowMs: now) else { continue }
      answer(poll, &replies)
    }
    replies.flush()
  }

  /// An agent is to be told something: where it waits in a poll, at once.
  func tell(_ agent: AgentRecord, _ wish: AgentDirectives.Wish) {
    agent.want(wish)
    guard let poll = polls.takeWaiting(of: agent) else { return }
    var replies = ReplyWriter()
    answer(poll, &replies)
    replies.flush()
  }
}

extension FieldChecks {
  /// What may be wrong with a poll.
  mutating func poll(_ request: PollRequestsRequestView) {
    list(
      request.actionTypes.count, "action_types", maximum: ServiceLimits.maximumPolledActions)
    for (index, type) in request.actionTypes.enumerated().prefix(
      ServiceLimits.maximumPolledActions)
    {
      name(type, "action_types[\(index)]")
    }
    range(request.maximumRequests, "maximum_requests", 1...ServiceLimits.maximumRequests)
    range(request.waitMs, "wait_ms", 1...ServiceLimits.maximumWaitMs)
    range(request.leaseMs, "lease_ms", ServiceLimits.leaseMs)
  }
}

extension DeliveredRequest {
  /// A leased request as its agent gets it.
  init(_ request: LeasedRequest) {
    self.init()
    logID = request.logID.description
    actionType = request.actionType
    entity = Entity(request.entity)
    input = request.input
    leaseToken = request.token.description
    leaseExpiresAt = Timestamp(request.leaseExpiresAt)
    delivery = request.delivery
    attempt = request.attempt
    requestedBy = request.requestedBy
    requestedAt = Timestamp(request.requestedAt)
    idempotencyKey = request.idempotencyKey
  }
}

extension RPCError {
  static func tooManyPolls(maximum: Int, isOfIntegration: Bool) -> RPCError {
    let which =
      isOfIntegration
      ? "\(maximum - maximum / 2) of the \(maximum) places for polls, the most that one may have,"
        + " are taken by polls of this integration"
      : "all \(maximum) places for polls are taken"
    return RPCError(
      .resourceExhausted,
      "\(which) (--maximum-waiting-polls): poll again later, or with fewer polls at once and "
        + "fewer action types in each",
      reason: Reason.tooManyPolls
    ).retryAfter(milliseconds: 1_000)
  }
}
