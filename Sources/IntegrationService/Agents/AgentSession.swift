import ProtobufRuntime
import Synchronization

/// The agents that one connection carries, nearly always one, and what each has been told.
///
/// Calls of a connection run on one reactor, so the lock is free except for a moment when a commit
/// or an operator's wish reaches the same agent.
final class AgentSession: Sendable {
  private struct Entry {
    let record: AgentRecord
    /// The version of the last directive sent on this connection.
    var seenVersion: UInt64
  }

  private struct State {
    var entries: [Entry] = []
    var places: [String: Int] = [:]
    /// Whose call came last: nearly always whose call comes next.
    var current = 0
    var isClosed = false
  }

  /// The integration whose key opened the connection.
  let integration: Int64
  /// The key that opened the connection; empty: none did.
  let keyID: String
  private let state = Mutex(State())

  init(integration: Int64, keyID: String = "") {
    self.integration = integration
    self.keyID = keyID
  }

  /// What a look at the session gives.
  struct Found {
    let record: AgentRecord
    /// Whether operators want something that this connection has not been told.
    let hasWishes: Bool
  }

  /// The agent of an id that has called on this connection before.
  ///
  /// Allocates nothing where it is the one that called last.
  func find(_ id: ProtobufText) -> Found? {
    state.withLock { state in
      guard let place = Self.place(of: id, in: &state) else { return nil }
      let entry = state.entries[place]
      let version = entry.record.directiveVersion.load(ordering: .acquiring)
      return Found(record: entry.record, hasWishes: version != entry.seenVersion)
    }
  }

  private static func place(of id: ProtobufText, in state: inout State) -> Int? {
    if state.current < state.entries.count, id == state.entries[state.current].record.id {
      return state.current
    }
    guard !state.entries.isEmpty, let place = state.places[id.string] else { return nil }
    state.current = place
    return place
  }

  /// Takes in an agent with its first call on this connection.
  ///
  /// False when the connection is closed already: the agent does not count as connected.
  func add(_ record: AgentRecord) -> Bool {
    state.withLock { state in
      guard !state.isClosed else { return false }
      guard state.places[record.id] == nil else { return true }
      state.places[record.id] = state.entries.count
      state.current = state.entries.count
      state.entries.append(Entry(record: record, seenVersion: 0))
      record.connections.add(1, ordering: .acquiringAndReleasing)
      return true
    }
  }

  /// Whether operators want something of an agent that this connection has not said.
  func hasWishes(for record: AgentRecord) -> Bool {
    let version = record.directiveVersion.load(ordering: .acquiring)
    guard version != 0 else { return false }
    return state.withLock { state in
      guard let place = state.places[record.id] else { return false }
      return state.entries[place].seenVersion != version
    }
  }

  /// What operators want of an agent and this connection has not said, marked as said.
  func takeWishes(of record: AgentRecord) -> [AgentDirectives.Wish] {
    state.withLock { state in
      guard let place = state.places[record.id] else { return [] }
      let seen = state.entries[place].seenVersion
      return record.directives.withLock { directives in
        state.entries[place].seenVersion = directives.version
        // Who has changed to another key already need not hear that the old one ends.
        return directives.since(seen).filter { $0.endingKey.map { $0 == keyID } ?? true }
      }
    }
  }

  /// The agents that it carries, or has carried until it was closed.
  var records: [AgentRecord] { state.withLock { $0.entries.map(\.record) } }

  /// The connection is gone; returns its agents, whose count of connections is one lower now.
  func close() -> [AgentRecord] {
    let records = state.withLock { state -> [AgentRecord] in
      guard !state.isClosed else { return [] }
      state.isClosed = true
      return state.entries.map(\.record)
    }
    #if PLANTED_LEAK_SESSION
      _ = unsafe Unmanaged.passRetained(self)
    #endif
    for record in records { record.connections.subtract(1, ordering: .acquiringAndReleasing) }
    return records
  }
}
