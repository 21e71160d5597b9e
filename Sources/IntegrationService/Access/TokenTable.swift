import IntegrationModel
import IntegrationStore
import Synchronization

/// Operators' tokens in memory: a copy of the store's, brought up to date by the events of each
/// commit.
///
/// Safe to use from any thread; each answer is a copy.
final class TokenTable: Sendable {
  private struct State {
    var tokens: [String: StoredToken] = [:]
    /// When tokens were used that the store does not know of yet.
    var unsavedUses: [String: CredentialUse] = [:]
  }

  private let state = Mutex(State())

  /// Takes over a token that was made or changed; its last use here may be newer than the store's.
  func update(_ token: StoredToken) {
    state.withLock { state in
      var token = token
      if let known = state.tokens[token.id]?.lastUse, known.at > token.lastUse?.at ?? .epoch {
        token.lastUse = known
      }
      state.tokens[token.id] = token
    }
  }

  /// The token of an id, live or not.
  func token(_ id: String) -> StoredToken? {
    state.withLock { $0.tokens[id] }
  }

  /// All tokens, oldest first.
  func all() -> [StoredToken] {
    state.withLock { Array($0.tokens.values) }
      .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
  }

  /// A token opened a connection; shown at once, written by and by.
  func used(_ id: String, _ use: CredentialUse) {
    state.withLock { state in
      state.tokens[id]?.lastUse = use
      state.unsavedUses[id] = use
    }
  }

  /// Takes out which tokens were used since the last time.
  func takeUses() -> [String: CredentialUse] {
    state.withLock { state in
      let taken = state.unsavedUses
      state.unsavedUses = [:]
      return taken
    }
  }
}
