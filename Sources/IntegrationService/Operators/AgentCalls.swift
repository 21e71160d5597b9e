import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Agents with their three clocks.
  public func listAgents(
    _ request: ListAgentsRequestView, _ call: ServerCall<ListAgentsResponse>
  ) {
    let name = request.integration.string
    let (size, token) = (request.pageSize, request.pageToken.string)
    read(call) { [self] () async throws(RPCError) in
      let limit = try Self.pageSize(ofList: size)
      let after = try PageToken.place(token, in: .agents)
      let page = page(of: try chosen(name), after: after, limit: limit) { [agents] in
        agents.agents(of: $0.id)
      } name: {
        $0.id
      }
      let boards = try await boards(page.integrations) { page.items[$0.id] ?? [] }
      let found = boards.flatMap { $0.agents.map(\.agent) }
      var response = ListAgentsResponse()
      response.agents = Array(found.prefix(PageBudget.fitting(found, \.textBytes)))
      if page.hasMore || response.agents.count < found.count, let last = response.agents.last {
        response.nextPageToken = PageToken.text(
          .agents, .init(integration: last.integration, name: last.agentID))
      }
      return response
    }
  }

  /// Some of what integrations have, in the order of integrations and names.
  struct IntegrationPage<Item> {
    var integrations: [StoredIntegration] = []
    var items: [IntegrationID: [Item]] = [:]
    var hasMore = false
  }

  /// The first things behind a place; `all` gives those of an integration by name.
  func page<Item>(
    of integrations: [StoredIntegration], after: PageToken.Place?, limit: Int,
    _ all: (StoredIntegration) -> [Item], name: (Item) -> String
  ) -> IntegrationPage<Item> {
    var page = IntegrationPage<Item>()
    var room = limit
    for integration in integrations where integration.name >= after?.integration ?? "" {
      var items = all(integration)
      if let after, after.integration == integration.name {
        items.removeAll { name($0) <= after.name }
      }
      guard !items.isEmpty else { continue }
      page.hasMore = items.count > room
      if room > 0 {
        page.integrations.append(integration)
        page.items[integration.id] = Array(items.prefix(room))
      }
      room -= min(room, items.count)
      if page.hasMore { break }
    }
    return page
  }

  /// A page's size where one that is not named is as long as it may be.
  static func pageSize(ofList wanted: UInt32) throws(RPCError) -> Int {
    wanted == 0 ? Int(ServiceLimits.maximumPageSize) : try pageSize(wanted, "page_size")
  }

  /// One agent with what it holds.
  public func getAgent(
    _ request: GetAgentRequestView, _ call: ServerCall<GetAgentResponse>
  ) {
    let name = request.integration.string
    let id = request.agentID.string
    read(call) { [self] () async throws(RPCError) in
      let stored = try known(name)
      _ = try agent(id, of: stored)
      let held: [StoredRequest]
      do throws(StoreError) {
        held = try await store.held(stored.id, agentID: id, limit: FieldRules.maximumLeases)
      } catch {
        throw refusal(error)
      }
      let board = try await boards([stored]).first
      var response = GetAgentResponse()
      response.agent = board?.agents.first { $0.agent.agentID == id }?.agent
      response.integration = board?.integration
      let count = PageBudget.fitting(held) { $0.log.textBytes + $0.input.utf8.count }
      response.held = held.prefix(count).map { ActionRequest($0, catalogue) }
      return response
    }
  }

  /// Asks an agent to finish what it holds and stop.
  public func drainAgent(
    _ request: DrainAgentRequestView, _ call: ServerCall<DrainAgentResponse>
  ) {
    guard isOperator(call.handle) else { return }
    let name = request.integration.string
    let id = request.agentID.string
    let reason = request.reason.string
    var checks = FieldChecks()
    checks.bytes(reason, "reason", FieldRules.maximumMessageBytes)
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    read(call) { [self] () async throws(RPCError) in
      let integration = try known(name)
      let record = try agent(id, of: integration)
      tell(record, .drain(reason: reason))
      // On disk before the reply: the wish outlives a crash of the server.
      try await recordAudit(
        AuditRecord(
          target: "agent/\(name)/\(id)", after: ["drainReason": reason], reason: reason),
        for: call, with: [.saveAgents([record.stored])])
      let board = try await boards([integration]) { _ in [record] }
      var response = DrainAgentResponse()
      response.agent = board.first?.agents.first?.agent
      return response
    }
  }

  private func agent(
    _ id: String, of integration: StoredIntegration
  ) throws(RPCError) -> AgentRecord {
    guard let record = agents.find(integration: integration.id, id: id) else {
      throw RPCError(
        .notFound,
        "no agent of \(integration.name) has the id \"\(RPCError.shown(id))\": "
          + "`integrationctl agents list \(integration.name)`",
        reason: Reason.agentUnknown)
    }
    return record
  }
}
