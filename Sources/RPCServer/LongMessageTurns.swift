/// In which order the connections that hold a long message have their turns: one of each principal
/// after the other, and of each in the order of their coming.
struct LongMessageTurns {
  private var lines: [String: ContiguousArray<UInt64>] = [:]
  /// The principals of which connections wait, but the one that was served last.
  private var round: ContiguousArray<String> = []
  /// Whose turn it is, or was: it comes again behind all others.
  private var served: String?

  /// A connection waits from now on.
  mutating func wait(_ connection: UInt64, of principal: String) {
    if lines[principal] == nil && principal != served { round.append(principal) }
    lines[principal, default: []].append(connection)
  }

  /// A principal has a turn without having waited for it.
  mutating func begin(of principal: String) {
    goBehind()
    served = principal
    round.removeAll { $0 == principal }
  }

  /// Takes out the connection that has the next turn; nil: none waits.
  mutating func next() -> UInt64? {
    goBehind()
    guard let principal = round.first else { return nil }
    round.removeFirst()
    served = principal
    let connection = lines[principal]!.removeFirst()
    if lines[principal]!.isEmpty { lines[principal] = nil }
    return connection
  }

  private mutating func goBehind() {
    if let served, lines[served] != nil { round.append(served) }
    served = nil
  }
}
