import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Health and troubles")
struct HealthTests {
  static let now = Instant(milliseconds: 1_000_000_000)

  static func integration(paused: Bool = false) -> StoredIntegration {
    StoredIntegration(
      id: 1, name: "customsoft", displayName: "", category: "", author: "a",
      supportContact: "help@customsoft.example", description: "", isPaused: paused,
      pauseReason: paused ? "audit" : "", createdAt: .epoch)
  }

  static func agent(
    _ id: String = "agent-1", heardAgoMs: Int64, polledAgoMs: Int64? = nil,
    condition: AgentCondition = .running
  ) -> AgentRecord {
    var stored = StoredAgent(integration: 1, agentID: id, firstSeenAt: .epoch)
    stored.lastHeartbeatAt = now.adding(milliseconds: -heardAgoMs)
    stored.lastPollAt = polledAgoMs.map { now.adding(milliseconds: -$0) }
    stored.heartbeatIntervalMs = 10_000
    stored.condition = condition
    return AgentRecord(stored)
  }

  static func counts(queued: UInt64 = 0, waitedMs: Int64 = 60_000) -> IntegrationCounts {
    var counts = IntegrationCounts(integration: 1)
    guard queued > 0 else { return counts }
    var action = ActionCounts(integration: 1, actionType: "export_quote")
    action.queued = queued
    action.oldestQueuedAt = now.adding(milliseconds: -waitedMs)
    counts.actions = [action]
    counts.open = queued
    return counts
  }

  static func board(
    _ agents: [AgentRecord], _ counts: IntegrationCounts = counts(), paused: Bool = false
  ) -> HealthBoard {
    HealthBoard(integration(paused: paused), counts, agents: agents, actions: [], now: now)
  }

  @Test("No agent ever: never seen, with a hint how to begin")
  func neverSeen() {
    let board = Self.board([])
    #expect(board.health == .neverSeen)
    #expect(Troubles.find([board]).map(\.kind) == ["NEVER_SEEN"])
  }

  @Test("An agent that phones home and polls is up, and nothing is wrong")
  func isUp() {
    let board = Self.board(
      [Self.agent(heardAgoMs: 1_000, polledAgoMs: 500)], Self.counts(queued: 1))
    #expect(board.health == .up)
    #expect(Troubles.find([board]).isEmpty)
  }

  @Test("The zombie: it phones home, polls nothing, and requests wait")
  func notTakingWork() {
    let board = Self.board([Self.agent(heardAgoMs: 1_000)], Self.counts(queued: 3))
    #expect(board.health == .notTakingWork)
    let troubles = Troubles.find([board])
    #expect(troubles.map(\.kind) == ["UNSERVED_REQUESTS", "NOT_TAKING_WORK"])
    #expect(troubles.allSatisfy { $0.supportContact == "help@customsoft.example" })
    #expect(troubles.allSatisfy { $0.nextStep.hasPrefix("integrationctl ") })
  }

  @Test("Silent for more than twice the interval and 5 s: down", arguments: [25_001, 24_999])
  func isDown(silentMs: Int64) {
    let board = Self.board([Self.agent(heardAgoMs: silentMs)])
    #expect(board.health == (silentMs > 25_000 ? .down : .up))
    #expect(
      Troubles.find([board]).map(\.kind) == (silentMs > 25_000 ? ["INTEGRATION_DOWN"] : []))
  }

  @Test("One of two agents down leaves the integration up, and is said")
  func oneDown() {
    let board = Self.board([
      Self.agent("a", heardAgoMs: 90_000), Self.agent("b", heardAgoMs: 0, polledAgoMs: 0),
    ])
    #expect(board.health == .up)
    #expect(Troubles.find([board]).map(\.kind) == ["AGENT_DOWN"])
  }

  @Test("An agent that said goodbye is down without being a trouble beside another")
  func stopped() {
    let board = Self.board([
      Self.agent("a", heardAgoMs: 90_000, condition: .stopped),
      Self.agent("b", heardAgoMs: 0, polledAgoMs: 0),
    ])
    #expect(board.health == .up && Troubles.find([board]).isEmpty)
  }

  @Test("Degraded, draining and paused are shown as such")
  func conditions() {
    let degraded = Self.agent(heardAgoMs: 0, polledAgoMs: 0, condition: .degraded)
    #expect(Self.board([degraded]).health == .degraded)
    #expect(Troubles.find([Self.board([degraded])]).map(\.kind) == ["AGENT_DEGRADED"])
    let draining = Self.agent(heardAgoMs: 0, condition: .draining)
    #expect(Self.board([draining]).health == .draining)
    let paused = Self.board(
      [Self.agent(heardAgoMs: 0)], Self.counts(queued: 2), paused: true)
    #expect(paused.health == .paused)
    #expect(Troubles.find([paused]).map(\.kind) == ["PAUSED_WITH_QUEUE"])
  }

  @Test("What is wrong with the store is said, and how much")
  func store() {
    var health = StoreHealth()
    #expect(health.troubles(directory: "/d").isEmpty)
    health.refused(atMs: 1)
    health.problems = 1
    let troubles = health.troubles(directory: "/d")
    #expect(troubles.map(\.kind) == ["STORAGE_FULL", "STORE_NOT_WHOLE"])
    #expect(troubles[0].nextStep.contains("below /d"))
    #expect(troubles[1].message.contains("1 problem."))
  }

  @Test("Two processes under one id are a trouble, and the goodbye of one takes down neither")
  func twoProcesses() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    func heard(_ process: String, _ state: AgentState = .running) async throws {
      var request = HeartbeatRequest()
      request.agentID = agent.id
      request.instanceID = process
      request.host = "host-\(process)"
      request.state = state
      request.intervalMs = 10_000
      _ = try await agent.client.heartbeat(request)
    }
    func kinds() async throws -> [String] {
      try await harness.operators.getStatus(GetStatusRequest()).troubles.map(\.kind)
    }
    for process in ["a", "b", "a"] { try await heard(process) }
    #expect(try await kinds() == [])
    try await heard("b")
    let status = try await harness.operators.getStatus(GetStatusRequest())
    #expect(status.troubles.map(\.kind) == ["AGENT_ID_TWICE"])
    #expect(status.troubles.first?.message.contains("b on host-b") == true)
    try await heard("b", .stopped)
    #expect(try await kinds() == [])
    #expect(status.integrations.first?.health == .up)
    try await heard("a", .stopped)
    #expect(try await kinds() == ["INTEGRATION_DOWN"])
  }

  @Test("An agent whose key is revoked is down at once, with the reason")
  func revokedKey() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    let key = try #require(harness.service.catalogue.keys(of: nil).first?.id)
    let record = AgentRecord(Self.agent(heardAgoMs: 0, polledAgoMs: 0).stored)
    harness.service.agents.load([record])
    let session = AgentSession(integration: record.integration, keyID: key)
    _ = session.add(record)
    var revoke = RevokeKeyRequest()
    revoke.keyID = key
    _ = try await harness.operators.revokeKey(revoke)
    #expect(Self.board([record]).health == .up)
    harness.service.sessionClosed(session)
    harness.service.noteEndedKey(of: session)
    let view = try #require(Self.board([record]).agents.first)
    #expect(view.health == .down && view.agent.healthReason.contains(key))
  }

  @Test("The worst comes first, whatever the integrations' names")
  func order() {
    let failed = {
      var counts = Self.counts()
      counts.failedDay = 2
      return counts
    }()
    let boards = [
      Self.board([Self.agent(heardAgoMs: 0, polledAgoMs: 0)], failed),
      Self.board([Self.agent(heardAgoMs: 90_000)]),
      Self.board([]),
    ]
    #expect(
      Troubles.find(boards).map(\.kind) == ["INTEGRATION_DOWN", "FAILED_LOGS", "NEVER_SEEN"])
  }

  @Test("Status and agents show the clocks of a real agent")
  func live() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await agent.heartbeat(.degraded)
    let polled = Task { try await agent.poll(waitMs: 60_000) }
    try await harness.untilPollsWait(1)
    let shown = try #require(
      try await harness.operators.listAgents(ListAgentsRequest()).agents.first)
    #expect(shown.integration == "customsoft" && shown.agentID == "agent-1")
    #expect(shown.connected && shown.polling && shown.health == .degraded)
    #expect(shown.lastHeartbeatAt != nil && shown.lastPollAt != nil && shown.lastFrameAt != nil)
    #expect(shown.instanceID == "process-1" && shown.heartbeatIntervalMs == 10_000)
    let status = try await harness.operators.getStatus(GetStatusRequest())
    #expect(status.integrations.map(\.health) == [.degraded])
    #expect(status.troubles.map(\.kind) == ["AGENT_DEGRADED"])
    let actions = try await harness.operators.listActions(ListActionsRequest()).actions
    #expect(actions.map(\.pollingAgents) == [1])
    polled.cancel()
  }

  @Test("No clock that an agent shows does harm", arguments: [Int64.min, -1, Int64.max])
  func wildClock(seconds: Int64) async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var request = HeartbeatRequest()
    request.agentID = agent.id
    request.host = "crm-1"
    request.sentAt = Timestamp(seconds: seconds, nanos: .min)
    request.intervalMs = .max
    #expect(try await agent.client.heartbeat(request).nextHeartbeatMs == 300_000)
    _ = try await agent.report { $0.occurredAt = Timestamp(seconds: seconds, nanos: .max) }
    let status = try await harness.operators.getStatus(GetStatusRequest())
    #expect(status.troubles.map(\.kind) == ["CLOCK_SKEW"])
    var filter = ListLogsRequest()
    filter.filter = LogFilter()
    filter.filter?.since = Timestamp(seconds: .min, nanos: 0)
    filter.filter?.until = Timestamp(seconds: seconds == .min ? 1 : .max, nanos: 0)
    _ = try await harness.operators.listLogs(filter)
  }

  @Test("What is known of an agent outlives the server")
  func saved() async throws {
    var harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await agent.heartbeat()
    let directory = await harness.stop()
    harness = try await Harness(directory: directory)
    let shown = try #require(
      try await harness.operators.listAgents(ListAgentsRequest()).agents.first)
    #expect(shown.instanceID == "process-1" && !shown.connected && shown.lastHeartbeatAt != nil)
  }
}
