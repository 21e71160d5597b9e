import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire

// Keys and tokens end: at once when they are revoked, by the timer when they expire, in both cases
// with the connections that they have opened.

extension IntegrationService {
  /// The longest wait for an end.
  private static let longestWaitMs: Int64 = 3_600_000

  /// A key was made or revoked, or ends at another time.
  func follow(_ key: StoredKey) {
    catalogue.update(key)
    if key.revokedAt != nil { return closeConnections { $0 == key.id } }
    expectEnd(at: key.expiresAt)
    tellOfEndingKeys(of: key.integration)
  }

  /// A token was made or revoked.
  func follow(_ token: StoredToken) {
    tokens.update(token)
    if token.revokedAt != nil {
      closeConnections { $0 == token.credentialID }
    } else {
      expectEnd(at: token.expiresAt)
    }
  }

  /// Closes what some credentials have opened.
  private func closeConnections(_ isMeant: @escaping @Sendable (String) -> Bool) {
    server.withLock { $0 }?.disconnect(
      where: { principal in
        isMeant(principal.credentialID)
          && principal.identity?.endsItself.load(ordering: .relaxed) != true
      }, reason: WireReason.tokenRevoked)
  }

  /// Closes a connection that has ended its own token, behind the answer.
  func closeConnections(of principal: Principal) {
    server.withLock { $0 }?.disconnect(
      where: { $0 === principal }, reason: WireReason.tokenRevoked)
  }

  // MARK: - Ends by themselves

  /// Sets the timer for the next end of a credential after a time up to which all are closed;
  /// called when the server starts.
  func expectEnds(after now: Instant = ServerClock.now) {
    let ends =
      catalogue.keys(of: nil).filter { $0.isLive(at: now) }.compactMap(\.expiresAt)
      + tokens.all().filter { $0.isLive(at: now) }.compactMap(\.expiresAt)
    expectEnd(at: ends.min())
  }

  /// Sets the timer for an end, unless it is set for an earlier one.
  private func expectEnd(at end: Instant?) {
    guard let end else { return }
    let wait = min(max(0, end.milliseconds(since: ServerClock.now)), Self.longestWaitMs)
    let at = ServiceTimer<Deadline>.nowMs + wait
    let isEarlier = credentialsDueMs.withLock { due in
      guard at < due else { return false }
      due = at
      return true
    }
    if isEarlier { schedule(.credentials, atMs: at) }
  }

  /// Closes what credentials that have ended by now had opened.
  ///
  /// The next end is looked for after the same reading of the clock: one between two readings would
  /// be neither closed nor waited for.
  func endExpired(by now: Instant = ServerClock.now) {
    let isDue = credentialsDueMs.withLock { due in
      // An entry that an earlier end has overtaken.
      guard due <= ServiceTimer<Deadline>.nowMs else { return false }
      due = .max
      return true
    }
    if isDue { lookForEnds(by: now) }
  }

  /// Closes what credentials that have ended by now had opened; sets the timer for the next end.
  func lookForEnds(by now: Instant = ServerClock.now) {
    let ended = Set(
      catalogue.keys(of: nil).filter { !$0.isLive(at: now) }.map(\.id)
        + tokens.all().filter { !$0.isLive(at: now) }.map(\.credentialID))
    closeConnections { ended.contains($0) }
    expectEnds(after: now)
  }

  /// A connection is gone: where its key has ended, agents that have no other are down at once.
  func noteEndedKey(of session: AgentSession) {
    let isLive = catalogue.key(session.keyID)?.isLive(at: ServerClock.now) ?? session.keyID.isEmpty
    for record in session.records
    where record.connections.load(ordering: .sequentiallyConsistent) == 0 {
      record.endedKey.withLock { $0 = isLive ? nil : session.keyID }
    }
  }

  // MARK: - Agents hear of it

  /// What the agents of an integration are told of keys that end while another goes on.
  func keyWishes(of integration: IntegrationID) -> [AgentDirectives.Wish] {
    let now = ServerClock.now
    let live = catalogue.keys(of: integration).filter { $0.isLive(at: now) }
    guard live.count > 1 else { return [] }
    return live.compactMap { key in
      guard let end = key.expiresAt,
        live.contains(where: { $0.expiresAt.map { end < $0 } ?? true })
      else { return nil }
      return .rotateKey(keyID: key.id, expiresAt: end)
    }
  }

  private func tellOfEndingKeys(of integration: IntegrationID) {
    for wish in keyWishes(of: integration) {
      for agent in agents.agents(of: integration)
      where !agent.directives.withLock({ $0.stands(wish) }) {
        tell(agent, wish)
      }
    }
  }
}

extension StoredToken {
  /// How a principal's `credentialID` names the token: never as a key is named.
  var credentialID: String { "imo_\(id)" }
}
