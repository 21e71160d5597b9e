/// What the connections of one caller hold together on one reactor: memory of begun frames and
/// unsent bytes.
///
/// Who the callers are is the protocol's to say, with `StreamConnection.charge`. Touched on the
/// reactor alone.
public final class BufferAccount {
  /// Bytes that its connections hold now.
  final var bytes = 0
  /// Its connections that hold something, as a list; the first has done so for the longest.
  final var first: StreamConnection?
  final var last: StreamConnection?
  /// Where it stands in the ledger; -1: it holds nothing.
  final var place = -1

  /// An account that holds nothing.
  public init() {}

  /// A connection began to hold something.
  func append(_ connection: StreamConnection) {
    connection.previousHolder = last
    last?.nextHolder = connection
    if first == nil { first = connection }
    last = connection
  }

  /// A connection that is in the list holds nothing any more, or counts elsewhere.
  func remove(_ connection: StreamConnection) {
    let (previous, next) = (connection.previousHolder, connection.nextHolder)
    connection.previousHolder = nil
    connection.nextHolder = nil
    if let previous { previous.nextHolder = next } else { first = next }
    if let next { next.previousHolder = previous } else { last = previous }
  }
}

/// What all connections of a reactor hold, and which accounts have a part in it.
struct BufferLedger {
  private(set) var bytes = 0
  /// Those that hold something, in no order.
  private var accounts: ContiguousArray<BufferAccount> = []

  /// The account that holds most; nil: nothing is held.
  ///
  /// Looks at each: it is asked only when the memory is used up.
  var largest: BufferAccount? { accounts.max { $0.bytes < $1.bytes } }

  mutating func change(_ account: BufferAccount, by difference: Int) {
    bytes += difference
    account.bytes += difference
    if account.place < 0 && account.bytes > 0 {
      account.place = accounts.count
      accounts.append(account)
    } else if account.place >= 0 && account.bytes == 0 {
      let last = accounts.removeLast()
      if last !== account {
        accounts[account.place] = last
        last.place = account.place
      }
      account.place = -1
    }
  }
}
