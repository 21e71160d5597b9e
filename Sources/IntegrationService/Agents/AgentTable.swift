import IntegrationModel
import IntegrationStore
import Synchronization

/// All agents that have ever been seen, by integration and id.
///
/// Looked into on the first call of an agent on a connection; later calls find the record in their
/// connection's ``AgentSession``. Safe to use from any thread.
final class AgentTable: Sendable {
  private struct State {
    var integrations: [Int64: [String: AgentRecord]] = [:]
    /// What the store does not know yet, each record once.
    var unsaved: [AgentRecord] = []
  }

  private let state = Mutex(State())

  /// Fills the table when the server starts.
  func load(_ records: [AgentRecord]) {
    state.withLock { state in
      for record in records {
        state.integrations[record.integration, default: [:]][record.id] = record
      }
    }
  }

  /// The record of an agent, if it was ever seen.
  func find(integration: Int64, id: String) -> AgentRecord? {
    state.withLock { $0.integrations[integration]?[id] }
  }

  /// What ``findOrAdd(integration:id:now:maximum:)`` found.
  enum Arrival {
    case known(AgentRecord)
    case new(AgentRecord)
    /// The integration has as many agents as it may.
    case tooMany
  }

  /// The record of an agent; a new one when it was never seen.
  func findOrAdd(integration: Int64, id: String, now: Instant, maximum: Int) -> Arrival {
    state.withLock { state in
      if let known = state.integrations[integration]?[id] { return .known(known) }
      guard state.integrations[integration]?.count ?? 0 < maximum else { return .tooMany }
      let record = AgentRecord(
        StoredAgent(integration: integration, agentID: id, firstSeenAt: now))
      state.integrations[integration, default: [:]][id] = record
      return .new(record)
    }
  }

  /// All agents, in no order.
  func all() -> [AgentRecord] {
    state.withLock { $0.integrations.values.flatMap(\.values) }
  }

  /// An integration's agents in the order of their ids.
  func agents(of integration: Int64) -> [AgentRecord] {
    let records = state.withLock { state in
      state.integrations[integration].map { Array($0.values) } ?? []
    }
    return records.sorted { $0.id < $1.id }
  }

  /// Forgets the agents of an integration.
  func remove(integration: Int64) {
    state.withLock { state in
      state.integrations[integration] = nil
      state.unsaved.removeAll { $0.integration == integration }
    }
  }

  /// Notes that the store must hear of a record; nothing happens when it is noted already.
  func markUnsaved(_ record: AgentRecord) {
    let (isNew, _) = record.isUnsaved.compareExchange(
      expected: false, desired: true, ordering: .acquiringAndReleasing)
    if isNew { state.withLock { $0.unsaved.append(record) } }
  }

  /// Takes up to `maximum` records that the store must hear of.
  func takeUnsaved(maximum: Int) -> [AgentRecord] {
    let taken = state.withLock { state -> [AgentRecord] in
      let taken = Array(state.unsaved.prefix(maximum))
      state.unsaved.removeFirst(taken.count)
      return taken
    }
    // Cleared before the record is read: what changes from now on notes it again.
    for record in taken { record.isUnsaved.store(false, ordering: .releasing) }
    return taken
  }
}
