import IntegrationAPI
import IntegrationClient
import RPCClient
import RPCWire

extension AgentRuntime {
  // MARK: Requests

  /// Asks for requests as long as there is room for them.
  func takeRequests() async throws -> LoopEnd {
    var isFirst = true
    var backoff = configuration.backoff
    while lifecycle.phase != .stopped {
      guard isRegistered, isBacklogSent, lifecycle.takesWork, freeSlots > 0, !actions.isEmpty
      else {
        await pollWake.wait()
        try Task.checkCancellation()
        continue
      }
      do {
        if isFirst { try await releasePredecessorsLeases() }
        isFirst = false
        let began = clock.now
        let response = try await pollOnce()
        // What comes when the agent has begun to drain goes back with its goodbye.
        for request in response.requests where lifecycle.phase == .running { take(request) }
        follow(response.directives)
        let isEmpty = response.requests.isEmpty && response.directives.isEmpty
        if isEmpty, clock.now - began < min(configuration.pollWait / 2, .seconds(1)) {
          // A server that does not let polls wait must not be asked without end.
          try await Task.sleep(for: backoff.failed())
        } else {
          backoff.succeeded()
        }
      } catch let error as RPCError {
        try Task.checkCancellation()
        guard lifecycle.takesWork else { continue }
        let wait = backoff.failed(retryAfter: .milliseconds(error.retryAfterMs))
        try await failed("PollRequests", error, wait: wait)
      }
    }
    return .workDone
  }

  private var freeSlots: Int {
    let taken = jobs.values.count { $0.job.order.isLeased }
    return min(max(configuration.maximumJobs, 1), 1000) - taken
  }

  /// One poll, in a task of its own so that a drain can end it.
  private func pollOnce() async throws -> PollRequestsResponse {
    var request = PollRequestsRequest()
    request.agentID = configuration.agentID
    request.actionTypes = actions.map(\.definition.type)
    request.maximumRequests = UInt32(freeSlots)
    request.waitMs = configuration.pollWait.wholeMilliseconds
    request.leaseMs = configuration.leaseDuration.wholeMilliseconds
    let options = CallOptions(deadline: configuration.pollWait + .seconds(15))
    let client = client
    let call = Task { try await client.agents.pollRequests(request, options: options) }
    poll = call
    defer { poll = nil }
    return try await withTaskCancellationHandler {
      try await call.value
    } onCancel: {
      call.cancel()
    }
  }

  private func take(_ request: DeliveredRequest) {
    var order = Job.Order(logID: request.logID, actionType: request.actionType)
    order.entity = request.entity ?? Entity()
    order.input = request.input
    order.delivery = request.delivery
    order.attempt = request.attempt
    order.idempotencyKey = request.idempotencyKey
    order.requestedBy = request.requestedBy
    order.leaseToken = request.leaseToken
    let before = jobs[request.logID]
    if before?.job.order.leaseToken == request.leaseToken { return }
    before?.end(.leaseLost)
    let handler = handlers[request.actionType]
    start(order, after: before?.task) { job in
      guard let handler else {
        return .failed("This agent does not do \(job.order.actionType); no handler is declared.")
      }
      return try await handler(job)
    }
    event(
      .requestTaken(
        logID: order.logID, action: order.actionType, entityID: order.entity.id,
        delivery: order.delivery))
  }

  // MARK: Attempts

  /// Makes an attempt that nobody queued.
  func attempt(
    _ type: String, entity: Entity, trigger: Trigger, handler: @escaping Agent.Handler
  ) async throws(AgentError) -> JobOutcome {
    guard lifecycle.phase == .starting || lifecycle.phase == .running else { throw .notRunning }
    let time = serverClock.milliseconds(own: WallClock.milliseconds(), at: clock.now)
    var generator = SystemRandomNumberGenerator()
    let logID = LogIDMaker.shared.make(milliseconds: time, using: &generator)
    var order = Job.Order(logID: logID, actionType: type)
    order.entity = entity
    order.trigger = trigger
    order.idempotencyKey = order.logID
    let task = start(order, after: nil, handler: handler)
    do {
      return try await task.value ?? .cancelled("The agent stopped before this attempt ended.")
    } catch let error as AgentError {
      throw error
    } catch {
      throw .notRunning
    }
  }

  @discardableResult
  private func start(
    _ order: Job.Order, after before: Task<JobOutcome?, any Error>?,
    handler: @escaping Agent.Handler
  ) -> Task<JobOutcome?, any Error> {
    let outbox = outbox
    let senderWake = senderWake
    let job = Job(order, interval: configuration.progressInterval) {
      (report, place) async throws(AgentError) in
      try await outbox.append(report, place: place)
      senderWake.notify()
    }
    let task = Task { try await perform(JobRun(job: job, handler: handler), after: before) }
    jobs[order.logID] = RunningJob(job: job, task: task)
    return task
  }

  /// The whole life of an attempt.
  ///
  /// Throws when it could not begin or its end could not be kept.
  private func perform(
    _ run: JobRun, after before: Task<JobOutcome?, any Error>?
  ) async throws(AgentError) -> JobOutcome? {
    let job = run.job
    let order = job.order
    defer { ended(job) }
    do throws(AgentError) {
      try await job.begin()
      // The handler of a lost delivery of the same log must not run beside this one.
      _ = await before?.result
      guard let outcome = await run.outcome() else {
        event(
          .attemptAbandoned(
            logID: order.logID, action: order.actionType, entityID: order.entity.id,
            reason: job.ending == .leaseLost ? "its lease is lost" : "the agent stops"))
        try await outbox.forgetLog(order.logID, leaseToken: order.leaseToken)
        return nil
      }
      if order.isLeased { unsettledLeases[order.logID] = order.leaseToken }
      try await job.end(outcome)
      event(
        .attemptEnded(
          logID: order.logID, action: order.actionType, entityID: order.entity.id, outcome))
      return outcome
    } catch {
      unsettledLeases[order.logID] = nil
      if lifecycle.phase != .stopped {
        event(
          .attemptAbandoned(
            logID: order.logID, action: order.actionType, entityID: order.entity.id,
            reason: "\(error)"))
      }
      throw error
    }
  }

  private func ended(_ job: Job) {
    // A newer delivery of the same log may stand in its place.
    if jobs[job.logID]?.job === job { jobs[job.logID] = nil }
    pollWake.notify()
    if jobs.isEmpty { handle(.workEnded) }
  }
}
