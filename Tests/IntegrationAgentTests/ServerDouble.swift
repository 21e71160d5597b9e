import IntegrationAPI
import IntegrationClient
import ProtobufRuntime
import RPCClient
import RPCServer
import RPCTransport
import RPCWire
import Synchronization
import TestSupport

/// An Integration Manager in memory behind a real socket: it can be stopped and started again, and
/// keeps what a test wants to look at.
final class ServerDouble: AgentServiceHandler, Authenticator, ConnectionObserver {
  static let goodKey = "imk_good"

  struct State {
    var definitions: [ActionDefinition] = []
    var registrations = 0
    var heartbeats: [HeartbeatRequest] = []
    /// Reports that were stored, in the order of their arrival.
    var reports: [LogReport] = []
    var duplicates = 0
    /// Log id to the token of the delivery that counts.
    var leases: [String: String] = [:]
    var queue: [DeliveredRequest] = []
    var polls: [(call: ServerCall<PollRequestsResponse>, maximum: Int)] = []
    var directives: [Directive] = []
    /// What a report is refused with; nil: it is stored.
    var refusal: (@Sendable (LogReport) -> RPCError?)?
    /// Polls that the server has seen, also those that are answered.
    var pollCount = 0
    var lostLeases: [String] = []
    /// A paused integration's requests stay in the queue.
    var isPaused = false
    /// What time it is by the server; nil: it does not say.
    var time: Timestamp?
    /// Polls are answered at once, so that connections can end.
    var isDraining = false

    var hasWork: Bool { !isPaused && !queue.isEmpty }
  }

  let state = Mutex(State())
  let address: ListenAddress
  private let directory: ScratchDirectory
  private let server = Mutex<RPCServer?>(nil)

  init() throws {
    directory = try ScratchDirectory()
    address = .unix(path: directory.file("manager"))
    try start()
  }

  deinit { server.withLock { $0 }?.stopNow() }

  /// Listens again, with all that was stored.
  func start() throws {
    var router = ServiceRouter()
    registerAgentService(in: &router)
    let started = RPCServer(
      configuration: RPCServerConfiguration(), router: router, authenticator: self, observer: self)
    try started.start()
    _ = try started.listen(on: [address])
    state.withLock { $0.isDraining = false }
    server.withLock { $0 = started }
  }

  /// Goes away as a killed server does: connections break, nothing is answered any more.
  func stop() async {
    let running = server.withLock { server in
      defer { server = nil }
      return server
    }
    state.withLock { $0.polls = [] }
    running?.stopNow()
    await running?.waitUntilStopped()
  }

  /// Says goodbye to its connections first.
  func drain() async {
    let running = server.withLock { server in
      defer { server = nil }
      return server
    }
    state.withLock { $0.isDraining = true }
    answerPolls()
    running?.beginGracefulShutdown()
    await running?.waitUntilStopped()
  }

  // MARK: What a test asks for

  /// Puts a request into the queue; a waiting poll gets it at once.
  func request(
    _ action: String, entity: String = "E-1", delivery: UInt32 = 1,
    logID: String = LogIDMaker.shared.make()
  ) -> String {
    var request = DeliveredRequest()
    request.logID = logID
    request.actionType = action
    var record = Entity()
    record.type = "thing"
    record.id = entity
    request.entity = record
    request.delivery = delivery
    request.attempt = 1
    request.idempotencyKey = "key-\(logID)"
    request.leaseToken = "token-\(logID)-\(delivery)"
    state.withLock { $0.queue.append(request) }
    answerPolls()
    return logID
  }

  /// Sends a directive with the next reply; a waiting poll is answered for it.
  func direct(_ kind: Directive.Kind) {
    var directive = Directive()
    directive.kind = kind
    state.withLock { state in
      state.directives.append(directive)
      switch kind {
      case .pause: state.isPaused = true
      case .resume: state.isPaused = false
      case .cancel, .drain, .rotateKey, .pauseAction, .resumeAction: break
      }
    }
    answerPolls()
  }

  func reports(of logID: String) -> [LogReport] {
    state.withLock { $0.reports.filter { $0.logID == logID } }
  }

  func statuses(of logID: String) -> [LogStatus] {
    reports(of: logID).map(\.status).filter { $0 != .unspecified }
  }

  /// Waits until a log's newest status is this one; its last report.
  @discardableResult
  func wait(for status: LogStatus, of logID: String) async throws -> LogReport {
    try await eventually("\(status) of \(logID)") {
      guard self.statuses(of: logID).last == status else { return nil }
      return self.reports(of: logID).last
    }
  }

  // MARK: The service

  func registerAction(
    _ request: RegisterActionRequestView, _ call: ServerCall<RegisterActionResponse>
  ) {
    let message = request.makeMessage()
    state.withLock { state in
      state.definitions = message.actions
      state.registrations += 1
    }
    call.reply(RegisterActionResponse())
  }

  func reportLog(_ request: ReportLogRequestView, _ call: ServerCall<ReportLogResponse>) {
    let report = request.makeMessage().report ?? LogReport()
    switch store(report) {
    case .success(let duplicate):
      var response = ReportLogResponse()
      response.logID = report.logID
      response.duplicate = duplicate
      response.directives = takeDirectives()
      call.reply(response)
    case .failure(let error): call.fail(error)
    }
  }

  func reportLogBatch(
    _ request: ReportLogBatchRequestView, _ call: ServerCall<ReportLogBatchResponse>
  ) {
    var response = ReportLogBatchResponse()
    for report in request.makeMessage().reports {
      var outcome = ReportOutcome()
      switch store(report) {
      case .success(let duplicate): outcome.duplicate = duplicate
      case .failure(let error):
        outcome.code = UInt32(error.code.rawValue)
        outcome.reason = error.reason
        outcome.message = error.message
      }
      response.outcomes.append(outcome)
    }
    response.directives = takeDirectives()
    call.reply(response)
  }

  func pollRequests(_ request: PollRequestsRequestView, _ call: ServerCall<PollRequestsResponse>) {
    let maximum = Int(request.maximumRequests)
    state.withLock { state in
      state.pollCount += 1
      state.polls.append((call, maximum))
    }
    answerPolls()
  }

  func heartbeat(_ request: HeartbeatRequestView, _ call: ServerCall<HeartbeatResponse>) {
    let message = request.makeMessage()
    var response = HeartbeatResponse()
    state.withLock { state in
      state.heartbeats.append(message)
      response.serverTime = state.time
      response.lostLeases = state.lostLeases
      state.lostLeases = []
    }
    response.directives = takeDirectives()
    call.reply(response)
  }

  // MARK: Inside

  private func store(_ report: LogReport) -> Result<Bool, RPCError> {
    state.withLock { state in
      if let error = state.refusal?(report) { return .failure(error) }
      if !report.leaseToken.isEmpty, state.leases[report.logID] != report.leaseToken {
        return .failure(RPCError(.aborted, "somebody else holds it", reason: "LEASE_LOST"))
      }
      let known = state.reports.last {
        $0.logID == report.logID && $0.leaseToken == report.leaseToken
      }
      if let known, report.sequence <= known.sequence {
        state.duplicates += 1
        return .success(true)
      }
      state.reports.append(report)
      return .success(false)
    }
  }

  private func takeDirectives() -> [Directive] {
    state.withLock { state in
      defer { state.directives = [] }
      return state.directives
    }
  }

  private func answerPolls() {
    let answers = state.withLock { state in
      var answers: [(ServerCall<PollRequestsResponse>, PollRequestsResponse)] = []
      while !state.polls.isEmpty, state.hasWork || !state.directives.isEmpty || state.isDraining {
        let poll = state.polls.removeFirst()
        var response = PollRequestsResponse()
        if state.hasWork { response.requests = Array(state.queue.prefix(poll.maximum)) }
        state.queue.removeFirst(response.requests.count)
        for request in response.requests { state.leases[request.logID] = request.leaseToken }
        response.directives = state.directives
        state.directives = []
        answers.append((poll.call, response))
      }
      return answers
    }
    for (call, response) in answers { call.reply(response) }
  }

  func callEnded(_ token: CallToken) {
    state.withLock { state in state.polls.removeAll { $0.call.token == token } }
  }

  func authenticate(_ credential: Credential) -> Result<Principal, RPCError> {
    guard String(decoding: credential.token, as: UTF8.self) == Self.goodKey else {
      return .failure(
        RPCError(.unauthenticated, "no such key", reason: WireReason.tokenInvalid))
    }
    return .success(
      Principal(name: "integration:test", kind: .agent, id: 1, credentialID: "test"))
  }
}
