import IntegrationAPI
import IntegrationModel
import IntegrationStore

// Keys and tokens that end soon and are in use: someone will be cut off unless somebody acts.

extension Troubles {
  /// How long before its end a credential is worth a line: 7 days.
  static let endsSoonMs: Int64 = 7 * 86_400_000
  /// A credential that was not used for so long is not missed when it ends: 30 days.
  static let inUseMs: Int64 = 30 * 86_400_000

  /// Keys of an integration that end soon while agents use them.
  ///
  /// Not one whose agents have changed to another already, which was used later.
  static func ending(
    _ keys: [StoredKey], of integration: StoredIntegration, now: Instant
  ) -> [(Kind, Trouble)] {
    let live = keys.filter { $0.isLive(at: now) }
    return live.compactMap { key in
      guard let end = end(key.expiresAt, key.lastUse, now: now) else { return nil }
      let others = live.filter { $0.expiresAt.map { end < $0 } ?? true }
      let isReplaced = others.contains { ($0.lastUse?.at ?? .epoch) > key.lastUse?.at ?? .epoch }
      guard !isReplaced else { return nil }
      var trouble = Trouble()
      trouble.kind = Kind.keyExpiring.rawValue
      trouble.integration = integration.name
      trouble.supportContact = integration.supportContact
      trouble.message =
        "Key \(key.id) ends in \(span(until: end, now)) and is in use"
        + (others.first.map { "; its agents do not use \($0.id) yet." }
          ?? "; its agents are cut off then.")
      trouble.nextStep =
        others.isEmpty
        ? "integrationctl keys rotate \(integration.name)"
        : "integrationctl keys list \(integration.name)"
      return (.keyExpiring, trouble)
    }
  }

  /// Operators' tokens that end soon while their holders use them; for admins.
  static func ending(_ tokens: [StoredToken], now: Instant) -> [(Kind, Trouble)] {
    let live = tokens.filter { $0.isLive(at: now) }
    return live.compactMap { token in
      guard let end = end(token.expiresAt, token.lastUse, now: now),
        !live.contains(where: { other in
          other.name == token.name && (other.lastUse?.at ?? .epoch) > token.lastUse?.at ?? .epoch
        })
      else { return nil }
      var trouble = Trouble()
      trouble.kind = Kind.keyExpiring.rawValue
      trouble.message =
        "Token \(token.id) of \(token.name) ends in \(span(until: end, now)) and is in use."
      trouble.nextStep = "integrationctl tokens create \(token.name) --role \(token.role.name)"
      return (.keyExpiring, trouble)
    }
  }

  private static func end(_ end: Instant?, _ use: CredentialUse?, now: Instant) -> Instant? {
    guard let end, let use, end.milliseconds(since: now) <= endsSoonMs,
      now.milliseconds(since: use.at) <= inUseMs
    else { return nil }
    return end
  }

  private static func span(until end: Instant, _ now: Instant) -> String {
    let minutes = max(1, end.milliseconds(since: now) / 60_000)
    if minutes < 60 { return "\(minutes) min" }
    return minutes < 2_880 ? "\(minutes / 60) h" : "\(minutes / 1_440) days"
  }
}

extension IntegrationService {
  /// What ends soon and is in use, as far as a caller may know of it.
  func endingCredentials(for role: OperatorRole?) -> [(Troubles.Kind, Trouble)] {
    let now = ServerClock.now
    let keys = catalogue.integrations().flatMap {
      Troubles.ending(catalogue.keys(of: $0.id), of: $0, now: now)
    }
    return role == .admin ? keys + Troubles.ending(tokens.all(), now: now) : keys
  }
}
