import IntegrationModel
import IntegrationStore
import Synchronization

/// Integrations, keys and actions in memory: a copy of the store's, brought up to date by the
/// events of each commit before the commit's replies go out.
///
/// Safe to use from any thread; each answer is a copy.
final class Catalogue: Sendable {
  private struct State {
    var integrations: [IntegrationID: StoredIntegration] = [:]
    var ids: [String: IntegrationID] = [:]
    var keys: [String: StoredKey] = [:]
    /// The ids of each integration's keys.
    var keyIDs: [IntegrationID: [String]] = [:]
    /// When keys were used that the store does not know of yet.
    var unsavedUses: [String: CredentialUse] = [:]
    var actions: [IntegrationID: [String: StoredAction]] = [:]
  }

  private let state = Mutex(State())

  /// Fills the catalogue when the server starts.
  func load(_ stored: StoreCatalog) {
    for integration in stored.integrations { update(integration) }
    for key in stored.keys { update(key) }
    _ = update(stored.actions)
  }

  /// Takes over an integration that was made or changed.
  func update(_ integration: StoredIntegration) {
    state.withLock { state in
      state.integrations[integration.id] = integration
      state.ids[integration.name] = integration.id
    }
  }

  /// Forgets an integration with its keys and actions.
  func remove(_ id: IntegrationID) {
    state.withLock { state in
      if let integration = state.integrations.removeValue(forKey: id) {
        state.ids[integration.name] = nil
      }
      for key in state.keyIDs.removeValue(forKey: id) ?? [] { state.keys[key] = nil }
      state.actions[id] = nil
    }
  }

  /// Takes over a key that was made or changed; its last use here may be newer than the store's.
  func update(_ key: StoredKey) {
    state.withLock { state in
      var key = key
      if let known = state.keys[key.id]?.lastUse, known.at > key.lastUse?.at ?? .epoch {
        key.lastUse = known
      }
      if state.keys.updateValue(key, forKey: key.id) == nil {
        state.keyIDs[key.integration, default: []].append(key.id)
      }
    }
  }

  /// A key opened a connection; shown at once, written by and by.
  func keyUsed(_ id: String, _ use: CredentialUse) {
    state.withLock { state in
      state.keys[id]?.lastUse = use
      state.unsavedUses[id] = use
    }
  }

  /// Takes out which keys were used since the last time.
  func takeKeyUses() -> [String: CredentialUse] {
    state.withLock { state in
      let taken = state.unsavedUses
      state.unsavedUses = [:]
      return taken
    }
  }

  /// Takes over actions that were declared, changed, paused or retired; what their agents are to be
  /// told of that.
  func update(_ actions: [StoredAction]) -> [AgentDirectives.Wish] {
    state.withLock { state in
      var wishes: [AgentDirectives.Wish] = []
      for action in actions {
        let type = action.declaration.type
        let before = state.actions[action.integration, default: [:]].updateValue(
          action, forKey: type)
        guard before?.isPaused ?? false != action.isPaused else { continue }
        wishes.append(action.pauseWish ?? .resumeAction(type: type))
      }
      return wishes
    }
  }

  /// What an agent of an integration is told when it is met first: all pauses that hold.
  func pauses(of integration: IntegrationID) -> [AgentDirectives.Wish] {
    state.withLock { state in
      var wishes: [AgentDirectives.Wish] = []
      if let stored = state.integrations[integration], stored.isPaused {
        wishes.append(.pause(reason: stored.pauseReason))
      }
      for action in (state.actions[integration] ?? [:]).values {
        if let wish = action.pauseWish { wishes.append(wish) }
      }
      return wishes
    }
  }

  /// The integration of a number.
  func integration(_ id: IntegrationID) -> StoredIntegration? {
    state.withLock { $0.integrations[id] }
  }

  /// The integration of a name.
  func integration(named name: String) -> StoredIntegration? {
    state.withLock { state in state.ids[name].flatMap { state.integrations[$0] } }
  }

  /// The name of an integration; a number stands for one that is not known.
  func name(of id: IntegrationID) -> String {
    state.withLock { $0.integrations[id]?.name } ?? "\(id)"
  }

  /// All integrations by name.
  func integrations() -> [StoredIntegration] {
    state.withLock { Array($0.integrations.values) }.sorted { $0.name < $1.name }
  }

  /// The key of an id, live or not.
  func key(_ id: String) -> StoredKey? {
    state.withLock { $0.keys[id] }
  }

  /// An integration's keys, all integrations' with nil, oldest first.
  func keys(of integration: IntegrationID?) -> [StoredKey] {
    let keys = state.withLock { state in
      guard let integration else { return Array(state.keys.values) }
      return (state.keyIDs[integration] ?? []).compactMap { state.keys[$0] }
    }
    return keys.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
  }

  /// An action of an integration, retired or not.
  func action(_ integration: IntegrationID, _ type: String) -> StoredAction? {
    state.withLock { $0.actions[integration]?[type] }
  }

  /// Names of actions, in the catalogue's own texts where they are declared, and those alone.
  func named(
    _ types: [String], of integration: IntegrationID
  ) -> (all: [String], declared: [String]) {
    state.withLock { state in
      let actions = state.actions[integration] ?? [:]
      var declared: [String] = []
      let all = types.map { type in
        guard let place = actions.index(forKey: type) else { return type }
        declared.append(actions.keys[place])
        return actions.keys[place]
      }
      return (all, declared)
    }
  }

  /// An integration's actions by type, retired ones included.
  func actions(of integration: IntegrationID) -> [StoredAction] {
    let actions = state.withLock { state in
      state.actions[integration].map { Array($0.values) } ?? []
    }
    return actions.sorted { $0.declaration.type < $1.declaration.type }
  }
}

extension StoredAction {
  /// What agents are told while the action is paused; nil: it is not.
  fileprivate var pauseWish: AgentDirectives.Wish? {
    pauseReason.map { .pauseAction(type: declaration.type, reason: $0) }
  }
}
