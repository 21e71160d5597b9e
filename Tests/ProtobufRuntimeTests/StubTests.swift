import IntegrationAPI
import ProtobufRuntime
import RPCClient
import RPCInProcess
import RPCServer
import RPCWire
import Testing

/// Answers each call with what tells the test that the right handler got the right message.
private struct Echo: AgentServiceHandler, Authenticator, ConnectionObserver {
  func authenticate(_ credential: Credential) -> Result<Principal, RPCError> {
    .failure(RPCError(.unauthenticated, "in-process only", reason: WireReason.tokenMissing))
  }

  func registerAction(
    _ request: RegisterActionRequestView, _ call: ServerCall<RegisterActionResponse>
  ) {
    var response = RegisterActionResponse()
    response.actions = request.actions.messages()
    call.reply(response)
  }

  func reportLog(_ request: ReportLogRequestView, _ call: ServerCall<ReportLogResponse>) {
    let arena = Arena()
    defer { withExtendedLifetime(arena) {} }
    let response = ReportLogResponseView(in: arena)
    if let report = request.report {
      response.logID = report.logID
      response.sequence = report.sequence
    }
    call.reply(response)
  }

  func pollRequests(
    _ request: PollRequestsRequestView, _ call: ServerCall<PollRequestsResponse>
  ) {
    call.fail(RPCError(.resourceExhausted, "too many", reason: "TOO_MANY_POLLS"))
  }

  func heartbeat(_ request: HeartbeatRequestView, _ call: ServerCall<HeartbeatResponse>) {
    // Answered from another thread, after the view is gone.
    let interval = request.intervalMs
    Task.detached {
      var response = HeartbeatResponse()
      response.nextHeartbeatMs = interval
      call.reply(response)
    }
  }

  func reportLogBatch(
    _ request: ReportLogBatchRequestView, _ call: ServerCall<ReportLogBatchResponse>
  ) {
    call.reply(ReportLogBatchResponse())
  }
}

@Suite struct StubTests {
  private let server: RPCServer
  private let channel: InProcessChannel

  init() throws {
    let echo = Echo()
    var router = ServiceRouter()
    echo.registerAgentService(in: &router)
    server = RPCServer(
      configuration: RPCServerConfiguration(), router: router, authenticator: echo, observer: echo)
    try server.start()
    channel = server.makeInProcessChannel(
      as: Principal(name: "integration:test", kind: .agent, id: 1, credentialID: ""))
  }

  @Test("A generated client reaches the generated handler, with values and with views")
  func calls() async throws {
    defer { server.stopNow() }
    let client = AgentServiceClient(channel: channel)
    let reported = try await client.reportLog(Samples.report)
    #expect(reported.logID == Samples.report.report?.logID)
    #expect(reported.sequence == 300)
    let beaten = try await client.heartbeat(Samples.heartbeat)
    #expect(beaten.nextHeartbeatMs == 10_000)
    var action = ActionDefinition()
    action.type = "export_order"
    action.retry = RetryPolicy()
    var request = RegisterActionRequest()
    request.actions = [action]
    #expect(try await client.registerAction(request).actions == [action])
  }

  @Test("A handler's error arrives as it was")
  func failure() async throws {
    defer { server.stopNow() }
    let client = AgentServiceClient(channel: channel)
    let error = await #expect(throws: RPCError.self) {
      try await client.pollRequests(PollRequestsRequest())
    }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.reason == "TOO_MANY_POLLS")
  }

  @Test(
    "A payload that is no message is refused before the handler, with the field",
    arguments: [
      BadBytes.inEntity(Wire.field(2, "a\u{0}")), [0x12, 5, 1], [0x12, 0x03, 0x22, 0x01, 0x0a],
    ])
  func badPayload(payload: [UInt8]) async throws {
    defer { server.stopNow() }
    let error = await #expect(throws: RPCError.self) {
      try await channel.call(
        AgentServiceMethods.reportLog, payload: payload, options: CallOptions())
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.reason == WireReason.payloadInvalid)
    #expect(error?.message.contains("at byte") == true)
  }

  @Test("The method table has the schema's numbers and deadlines")
  func methods() {
    defer { server.stopNow() }
    #expect(AgentServiceMethods.all.map(\.id) == [1, 2, 3, 4, 5])
    #expect(
      AgentServiceMethods.heartbeat.fullName == "integrationmanager.v1.AgentService/Heartbeat")
    #expect(AgentServiceMethods.pollRequests.defaultDeadlineMs == 90_000)
    #expect(AgentServiceMethods.reportLog.defaultDeadlineMs == 30_000)
    #expect(OperatorServiceMethods.tailLogs.defaultDeadlineMs == 0)
    #expect(
      OperatorServiceMethods.all.filter(\.isServerStreaming).map(\.name)
        == ["TailLogs", "BackUp", "ExportData"])
  }
}
