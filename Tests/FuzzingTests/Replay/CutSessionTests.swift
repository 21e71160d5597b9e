import Glibc
import IntegrationAPI
import ProtobufRuntime
import RPCEnvelope
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService
@testable import RPCServer

/// Whole sessions as clients send them, in pieces and cut short, against the whole service.
///
/// Each call may be made again: a report has its sequence, a request its idempotency key.
@Suite(.offPool) struct CutSessionTests {
  let stage: Stage

  init() throws { stage = try Stage.made() }

  @Test(
    "A session that comes in two pieces is answered as a whole one",
    arguments: Session.Kind.allCases)
  func twoPieces(_ kind: Session.Kind) throws {
    let session = Session(kind, stage)
    let expected = try session.answers(stage, [])
    #expect(expected.count == session.answered.count)
    for place in 1..<session.bytes.count {
      let answers = try session.answers(stage, [place])
      #expect(answers == expected, "split at byte \(place)")
    }
    try expectNothingLeft()
  }

  @Test("The beginning of a session may come in three pieces, wherever they part")
  func threePieces() throws {
    let session = Session(.short, stage)
    let expected = try session.answers(stage, [])
    let end = min(200, session.bytes.count)
    for first in 1..<end - 1 {
      for second in first + 1..<end {
        let answers = try session.answers(stage, [first, second])
        if answers != expected { Issue.record("split at bytes \(first) and \(second)") }
      }
    }
    try expectNothingLeft()
  }

  @Test("A session that ends at any byte leaves nothing", arguments: Session.Kind.allCases)
  func cut(_ kind: Session.Kind) throws {
    let session = Session(kind, stage)
    let expected = try session.answers(stage, [])
    for end in 0..<session.bytes.count {
      var connection = try stage.connect(as: .byCredential)
      try connection.send(Array(session.bytes[..<end]))
      // Half of them go when the server has read all, half at once.
      if end % 2 == 0 { try connection.waitUntilRead() }
    }
    try expectNothingLeft()
    #expect(try session.answers(stage, []) == expected)
  }

  private func expectNothingLeft() throws {
    let limit = ContinuousClock.now + .seconds(20)
    while stage.server.statistics.connections > stage.keptConnections {
      try #require(ContinuousClock.now < limit, "connections stay when their peers are gone")
      usleep(200)
    }
    #expect(stage.service.sessions.withLock { $0.count } <= stage.keptConnections)
  }
}

/// The bytes of one client from its first to its last, and which of its frames are answered.
struct Session {
  enum Kind: CaseIterable {
    /// HELLO, a heartbeat and a ping.
    case short
    /// All that an agent does.
    case agent
    /// Reading, a request, a tail.
    case `operator`
  }

  private(set) var bytes: [UInt8] = FrameParser.preamble
  /// The calls, and 0 for the ping.
  private(set) var answered: Set<UInt32> = [0]
  private var lastCall: UInt32 = 0

  init(_ kind: Kind, _ stage: Stage) {
    var hello = ClientHello()
    hello.protocolMin = 1
    hello.protocolMax = 1
    hello.token = kind == .operator ? "" : stage.secret
    hello.clientName = "cut"
    bytes += FrameHeader(.hello).frame(hello.serializedBytes())
    switch kind {
    case .short: heartbeat()
    case .agent: agent()
    case .operator: `operator`()
    }
    bytes += FrameHeader(.ping).frame([7, 8, 9])
  }

  private mutating func call(_ method: MethodDescriptor, _ payload: [UInt8]) {
    lastCall += 1
    answered.insert(lastCall)
    bytes += FrameHeader(.call, number: method.id, call: lastCall, time: 30_000).frame(payload)
  }

  private mutating func heartbeat() {
    var heartbeat = HeartbeatRequest()
    heartbeat.agentID = "agent-1"
    heartbeat.instanceID = "i"
    heartbeat.intervalMs = 10_000
    call(AgentServiceMethods.heartbeat, heartbeat.serializedBytes())
  }

  private mutating func agent() {
    var action = ActionDefinition()
    action.type = "import"
    var registration = RegisterActionRequest()
    registration.agentID = "agent-1"
    registration.actions = [action]
    call(AgentServiceMethods.registerAction, registration.serializedBytes())
    let report = ReportLogRequest.export("aa", .completed, "größer")
    call(AgentServiceMethods.reportLog, report.serializedBytes())
    var batch = ReportLogBatchRequest()
    batch.agentID = "agent-1"
    batch.reports = [report.report, report.report].compactMap(\.self)
    batch.reports[1].logID = "no id"
    call(AgentServiceMethods.reportLogBatch, batch.serializedBytes())
    var poll = PollRequestsRequest()
    poll.agentID = "agent-1"
    poll.maximumRequests = 1
    call(AgentServiceMethods.pollRequests, poll.serializedBytes())
    heartbeat()
    // What is refused: a payload that is no message, a method that is none, a name that is none.
    call(AgentServiceMethods.heartbeat, [0x0a, 2, 0xc3, 0x28])
    call(OperatorServiceMethods.getStatus, [])
    call(AgentServiceMethods.heartbeat, [])
  }

  private mutating func `operator`() {
    call(OperatorServiceMethods.listLogs, [])
    var request = CreateRequestRequest.export(entity: "2")
    request.idempotencyKey = "k"
    call(OperatorServiceMethods.createRequest, request.serializedBytes())
    var log = GetLogRequest()
    log.id = "01890000"
    call(OperatorServiceMethods.getLog, log.serializedBytes())
    call(OperatorServiceMethods.tailLogs, [])
    bytes += FrameHeader(.credit, call: lastCall, time: 5).frame([])
    call(OperatorServiceMethods.getStatus, [])
    bytes += FrameHeader(.cancel, call: lastCall - 1).frame([])
  }

  /// What is answered when the bytes part at some places: by call, the code, and of a failure or a
  /// pong the payload.
  func answers(_ stage: Stage, _ places: [Int]) throws -> [UInt32: Answer] {
    var connection = try stage.connect(as: .byCredential)
    var start = 0
    for end in places + [bytes.count] {
      try connection.send(Array(bytes[start..<end]))
      // Else the server may read two pieces at once.
      if end < bytes.count { try connection.waitUntilRead() }
      start = end
    }
    var answers: [UInt32: Answer] = [:]
    while answers.count < answered.count {
      guard let (header, payload) = try connection.nextFrame(withinMs: 20_000) else {
        throw Broken("no more answers after \(answers.keys.sorted())")
      }
      switch FrameKind(rawValue: header.kind) {
      case .reply:
        let isSuccess = header.number == 0
        answers[header.call] = Answer(code: header.number, payload: isSuccess ? [] : payload)
      case .pong: answers[0] = Answer(code: 0, payload: payload)
      case .goAway: throw Broken("GOAWAY: \(try GoAway(serializedBytes: payload).reason)")
      default: break
      }
    }
    return answers
  }

  struct Answer: Equatable {
    var code: UInt16
    var payload: [UInt8]
  }
}
