import IntegrationAPI
import RPCClient
import RPCWire

/// From an operator's request to the agent that holds it, both committed.
struct DispatchBenchmark {
  let session: Session
  let shape: LoadShape

  /// One request at a time, its agent waiting in a poll; each is completed before the next.
  func run() async throws -> Measurement {
    let clock = ContinuousClock()
    let connection = try await session.connectAgent()
    defer { connection.close() }
    let histogram = Histogram()
    let start = clock.now
    var failures: UInt64 = 0
    var number = 0
    while clock.now - start < .seconds(shape.warmup + shape.seconds) {
      number += 1
      let taken = try await dispatch(number, over: connection)
      guard clock.now - start > .seconds(shape.warmup) else { continue }
      if let taken { histogram.record(taken) } else { failures += 1 }
    }
    var measurement = Measurement(
      "dispatch", client: "swift",
      load: LoadShape(connections: 1, inFlight: 1, warmup: shape.warmup, seconds: shape.seconds))
    measurement.take(histogram, seconds: shape.seconds)
    measurement.failures = failures
    if failures > 0 { measurement.faults.append("\(failures) requests went to no waiting poll") }
    return measurement
  }

  /// How long it took; nil when the poll brought something else.
  private func dispatch(_ number: Int, over connection: RPCConnection) async throws -> Duration? {
    let agent = AgentServiceClient(channel: connection)
    let poll = startPoll(over: connection)
    // The heartbeat's reply says that the poll, sent before it, has been taken.
    var heartbeat = HeartbeatRequest()
    heartbeat.agentID = Session.agentID
    heartbeat.instanceID = "instance-1"
    heartbeat.intervalMs = 10_000
    _ = try await agent.heartbeat(heartbeat)
    var request = CreateRequestRequest()
    request.integration = Session.integration
    request.actionType = session.target.action
    var entity = Entity()
    entity.type = "order"
    entity.id = "dispatch-\(number)"
    request.entity = entity
    let before = ContinuousClock.now
    let created = try await session.operatorClient().createRequest(request)
    guard let (result, arrived) = await poll.first(where: { _ in true }) else { return nil }
    let delivered = try PollRequestsResponse(serializedBytes: result.get())
    guard let held = delivered.requests.first, held.logID == created.log?.id else { return nil }
    try await complete(held, with: agent)
    return arrived - before
  }

  /// Starts a poll; its one element is the reply with the time at which it arrived, taken on the
  /// connection's reactor.
  private func startPoll(
    over connection: RPCConnection
  ) -> AsyncStream<(Result<[UInt8], RPCError>, ContinuousClock.Instant)> {
    var request = PollRequestsRequest()
    request.agentID = Session.agentID
    request.waitMs = 10_000
    let bytes = request.serializedBytes()
    return AsyncStream { stream in
      _ = connection.startCall(AgentServiceMethods.pollRequests, payload: bytes) { result in
        stream.yield((result, ContinuousClock.now))
        stream.finish()
      }
    }
  }

  private func complete(
    _ held: DeliveredRequest, with agent: AgentServiceClient
  ) async throws {
    var report = LogReport()
    report.logID = held.logID
    report.leaseToken = held.leaseToken
    report.sequence = 1
    report.status = .completed
    var request = ReportLogRequest()
    request.agentID = Session.agentID
    request.report = report
    _ = try await agent.reportLog(request)
  }
}
