import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Agents as operators see them")
struct AgentListTests {
  @Test("Agents come page by page, in the order of integrations and ids")
  func pages() async throws {
    let harness = try await Harness()
    for name in ["b", "a"] {
      try await harness.createIntegration(name)
      for number in [3, 1, 2] {
        let agent = TestAgent(id: "agent-\(number)", channel: try harness.connection(of: name))
        _ = try await agent.heartbeat()
      }
    }
    var request = ListAgentsRequest()
    request.pageSize = 2
    var pages: [[String]] = []
    repeat {
      let page = try await harness.operators.listAgents(request)
      pages.append(page.agents.map { "\($0.integration)/\($0.agentID)" })
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty && pages.count < 10
    #expect(
      pages == [
        ["a/agent-1", "a/agent-2"], ["a/agent-3", "b/agent-1"], ["b/agent-2", "b/agent-3"],
      ])
    request.pageSize = 0
    request.pageToken = ""
    #expect(try await harness.operators.listAgents(request).agents.count == 6)
    request.integration = "b"
    #expect(try await harness.operators.listAgents(request).agents.count == 3)
  }

  @Test("12,000 agents with long texts come in pages that fit a frame, each once")
  func many() async throws {
    var limits = ServiceLimits()
    limits.maximumAgents = 20_000
    let harness = try await Harness(limits: limits)
    try await harness.createIntegration()
    let records = (0..<12_000).map { number in
      var agent = StoredAgent(
        integration: 1, agentID: "agent-\(number)", firstSeenAt: ServerClock.now)
      agent.host = String(repeating: "h", count: 200)
      agent.conditionMessage = String(repeating: "m", count: 600)
      return AgentRecord(agent)
    }
    harness.service.agents.load(records)
    var request = ListAgentsRequest()
    var ids: [String] = []
    repeat {
      let page = try await harness.operators.listAgents(request)
      ids += page.agents.map(\.agentID)
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty && ids.count < 20_000
    #expect(ids == records.map(\.id).sorted())
    var get = GetIntegrationRequest()
    get.name = "customsoft"
    let shown = try await harness.operators.getIntegration(get)
    #expect(shown.agents.count == 500 && shown.hasMoreAgents)
    #expect(shown.integration?.agents == 12_000)
  }

  @Test("Actions come page by page, and large schemas make shorter pages")
  func actions() async throws {
    let harness = try await Harness()
    let filler = String(repeating: "x", count: 200_000)
    let actions = (0..<25).map { number in
      var action = ActionDefinition.exportQuote
      action.type = "action_\(100 + number)"
      action.inputSchema = "{\"description\": \"\(filler)\"}"
      return action
    }
    for action in actions { _ = try await harness.agent(declaring: [action]) }
    var request = ListActionsRequest()
    var types: [String] = []
    var pages = 0
    repeat {
      let page = try await harness.operators.listActions(request)
      types += page.actions.compactMap { $0.definition?.type }
      request.pageToken = page.nextPageToken
      pages += 1
    } while !request.pageToken.isEmpty && pages < 30
    #expect(types == actions.map(\.type))
    #expect(pages == 3)
    var get = GetIntegrationRequest()
    get.name = "customsoft"
    let shown = try await harness.operators.getIntegration(get)
    #expect(shown.hasMoreActions && !shown.actions.isEmpty)
  }

  @Test(
    "A token of another list, or of none, is refused", arguments: ["x", "acustomsoft/a", "g", "ga"])
  func wrongToken(token: String) async throws {
    let harness = try await Harness()
    var request = ListAgentsRequest()
    request.pageToken = token
    let refused = try await failure { [request] in
      try await harness.operators.listAgents(request)
    }
    #expect(refused.reason == "PAGE_TOKEN_INVALID")
    request.pageToken = ""
    request.pageSize = 1_001
    let large = try await failure { [request] in try await harness.operators.listAgents(request) }
    #expect(large.violations.map(\.field) == ["page_size"])
  }

  @Test("An agent is shown with what it holds and whom to call")
  func show() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await agent.heartbeat()
    for entity in ["Q-1", "Q-2", "Q-3"] { try await harness.request(entity) }
    let held = try await agent.poll(maximum: 2).requests.map(\.logID)
    var request = GetAgentRequest()
    request.integration = "customsoft"
    request.agentID = "agent-1"
    let shown = try await harness.operators.getAgent(request)
    #expect(shown.agent?.agentID == "agent-1" && shown.agent?.heldLeases == 2)
    #expect(shown.held.compactMap { $0.log?.id } == held.sorted())
    #expect(shown.held.map(\.holder) == ["agent-1", "agent-1"])
    #expect(shown.integration?.supportContact == "help@customsoft.example")
    request.agentID = "nobody"
    let unknown = try await failure { [request] in try await harness.operators.getAgent(request) }
    #expect(unknown.reason == "AGENT_UNKNOWN")
  }

  @Test("A first call that is refused makes no agent known")
  func refusedFirstCall() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    let client = TestAgent(id: "agent-1", channel: try harness.connection()).client
    var heartbeat = HeartbeatRequest()
    heartbeat.agentID = "agent-1"
    heartbeat.host = String(repeating: "x", count: 257)
    let refused = try await failure { [heartbeat] in try await client.heartbeat(heartbeat) }
    #expect(refused.violations.map(\.field) == ["host"])
    var poll = PollRequestsRequest()
    poll.agentID = "agent-1"
    poll.waitMs = 60_001
    _ = try await failure { [poll] in try await client.pollRequests(poll) }
    #expect(harness.service.agents.agents(of: 1).isEmpty)
    heartbeat.host = "crm"
    _ = try await client.heartbeat(heartbeat)
    #expect(harness.service.agents.agents(of: 1).map(\.id) == ["agent-1"])
  }

  @Test("A wish to drain is said with each heartbeat until the agent heeds it")
  func drain() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await agent.heartbeat()
    var request = DrainAgentRequest()
    request.integration = "customsoft"
    request.agentID = "agent-1"
    request.reason = "update"
    #expect(try await harness.operators.drainAgent(request).agent?.agentID == "agent-1")
    // A reply that was lost with its call is no loss: the next one says it again.
    for _ in 0..<2 {
      #expect(try await agent.heartbeat().directives.map(\.drain) == ["update"])
    }
    #expect(try await agent.heartbeat(.draining).directives.isEmpty)
  }
}
