import RPCTransport

/// What the connections of each principal hold on one reactor, by the principal's name: one for all
/// connections of an integration, whatever their keys.
final class PrincipalAccounts {
  private var entries: [String: (account: BufferAccount, connections: Int)] = [:]

  /// How many principals have connections.
  var count: Int { entries.count }

  /// The account that a new connection of a principal is charged to.
  func join(_ name: String) -> BufferAccount {
    entries[name, default: (BufferAccount(), 0)].connections += 1
    return entries[name]!.account
  }

  /// A connection that had joined is closed, and holds nothing any more.
  func leave(_ name: String) {
    guard let entry = entries[name] else { return }
    entries[name] = entry.connections > 1 ? (entry.account, entry.connections - 1) : nil
  }
}
