/// The polls that wait for requests, in the order in which they came.
///
/// Only hints: who gets a request is decided by the store's lease command. A poll is `waiting`, or
/// `leasing` while a lease command for it is under way, or waits for its turn (``LeaseTurns``):
///
///     add -> leasing -> answered (removed)
///               |  ^
///     returned  v  | woken (one poll for one request)
///             waiting -> removed (time is up, cancelled, connection gone)
///
/// A poll waits in one queue for each action that it takes, or in the queue for any action. Queues
/// drop what no longer waits when they meet it, and are swept when that outweighs what waits.
struct WaitingPolls<Token: Hashable & Sendable, Action: Hashable & Sendable>: Sendable {
  /// One poll and what it asks for.
  struct Poll: Sendable {
    let token: Token
    let integration: Int64
    /// The agent that asks.
    let agent: AgentRecord
    /// The connection on which it asks.
    let session: AgentSession
    /// Which actions it takes; nil: any.
    let actions: [Action]?
    /// How many requests it takes at most.
    let maximumRequests: UInt32
    /// How long its leases last.
    let leaseMs: UInt32
    /// When it is answered empty, in milliseconds of the service's clock.
    let due: Int64
    fileprivate(set) var order: UInt64 = 0
    fileprivate(set) var isLeasing = true
    /// For which action it was woken last; nil: it was not yet.
    fileprivate(set) var wokenFor: Action?
    fileprivate var generation: UInt32 = 0
    fileprivate(set) var lease = LeaseUnderWay.none

    /// How many places it takes of those that there are: one, and one more for each four actions
    /// that it names.
    ///
    /// A poll takes about 1 KiB, and each name that nobody has declared up to 400 bytes more.
    var places: Int { 1 + (actions?.count ?? 0) / 4 }

    init(
      token: Token, session: AgentSession, agent: AgentRecord, actions: [Action]?,
      maximumRequests: UInt32, leaseMs: UInt32, due: Int64
    ) {
      self.token = token
      integration = session.integration
      self.session = session
      self.agent = agent
      self.actions = actions
      self.maximumRequests = maximumRequests
      self.leaseMs = leaseMs
      self.due = due
    }
  }

  /// What a poll has under way.
  enum LeaseUnderWay: Sendable {
    /// Nothing: it waits, or for its turn.
    case none
    /// A lease command, counted when the caller goes before it is done.
    case free
    /// A lease command that is counted (``LeaseTurns``).
    case counted
  }

  /// The polls of one agent in their order, `live` of them there; those that are gone leave when
  /// they outweigh these, so that a connection that ends with thousands costs thousands.
  fileprivate struct AgentLine: Sendable {
    var entries: [(token: Token, order: UInt64)] = []
    var live = 0
  }

  private struct QueueKey: Hashable, Sendable {
    let integration: Int64
    let action: Action?
  }

  fileprivate struct Entry: Sendable {
    let token: Token
    let order: UInt64
    let generation: UInt32
  }

  /// Entries from `head` on; `live` of them wait.
  fileprivate struct Queue: Sendable {
    var entries: [Entry] = []
    var head = 0
    var live = 0
  }

  private var polls: [Token: Poll] = [:]
  private var byAgent: [ObjectIdentifier: AgentLine] = [:]
  private var placesByIntegration: [Int64: Int] = [:]
  private var queues: [QueueKey: Queue] = [:]
  private var nextOrder: UInt64 = 0
  #if PLANTED_LOST_WAKE_UP
    private var wakes = 0
  #endif

  /// How many polls there are, leasing ones included.
  var count: Int { polls.count }
  /// How many places they take, see ``Poll/places``.
  private(set) var places = 0
  /// How many polls wait.
  var waitingCount: Int { polls.values.count { !$0.isLeasing } }
  /// How many entries all queues hold, dead ones included.
  var queuedEntries: Int { queues.values.reduce(0) { $0 + $1.entries.count } }

  /// How many entries the lines of all agents hold, dead ones included.
  var lineEntries: Int { byAgent.values.reduce(0) { $0 + $1.entries.count } }

  /// How many places the polls of an integration take.
  func places(of integration: Int64) -> Int { placesByIntegration[integration] ?? 0 }

  /// The poll of a token, while it is there.
  subscript(token: Token) -> Poll? { polls[token] }

  /// Whether a poll has not ended.
  func contains(_ token: Token) -> Bool { polls.index(forKey: token) != nil }

  /// A lease command of a poll is under way.
  mutating func beginLease(_ token: Token, _ lease: LeaseUnderWay) { polls[token]?.lease = lease }

  /// A lease command of a poll is done; returns what it was, nil: the poll has ended.
  mutating func endLease(_ token: Token) -> LeaseUnderWay? {
    guard let place = polls.index(forKey: token) else { return nil }
    defer { polls.values[place].lease = .none }
    return polls.values[place].lease
  }

  /// Takes in a poll whose first lease command is under way, or waits for its turn.
  mutating func add(_ poll: Poll, lease: LeaseUnderWay = .free) {
    var poll = poll
    poll.lease = lease
    nextOrder += 1
    poll.order = nextOrder
    polls[poll.token] = poll
    places += poll.places
    placesByIntegration[poll.integration, default: 0] += poll.places
    byAgent[ObjectIdentifier(poll.agent), default: AgentLine()].add(poll.token, poll.order)
  }

  /// The lease command brought nothing: the poll waits on, ahead of those that came after it.
  mutating func returned(_ token: Token) {
    guard var poll = polls[token], poll.isLeasing else { return }
    poll.isLeasing = false
    poll.generation &+= 1
    polls[token] = poll
    let entry = Entry(token: token, order: poll.order, generation: poll.generation)
    for key in keys(of: poll) { queues[key, default: Queue()].insert(entry) }
  }

  /// Something to do has come: the poll that has waited longest for it becomes `leasing`.
  ///
  /// Nil when nobody waits for it.
  mutating func wake(integration: Int64, action: Action) -> Poll? {
    #if PLANTED_LOST_WAKE_UP
      wakes += 1
      if wakes.isMultiple(of: 50) { return nil }
    #endif
    let special = QueueKey(integration: integration, action: action)
    let general = QueueKey(integration: integration, action: nil)
    let candidates = [special, general].compactMap { first(in: $0) }
    guard let chosen = candidates.min(by: { $0.order < $1.order }),
      var poll = polls[chosen.token]
    else { return nil }
    poll.isLeasing = true
    poll.lease = .free
    poll.wokenFor = action
    polls[chosen.token] = poll
    left(poll)
    return poll
  }

  /// Takes a poll out: it is answered, its time is up, or its caller is gone.
  @discardableResult
  mutating func remove(_ token: Token) -> Poll? {
    guard let poll = polls.removeValue(forKey: token) else { return nil }
    if !poll.isLeasing { left(poll) }
    places -= poll.places
    let rest = places(of: poll.integration) - poll.places
    placesByIntegration[poll.integration] = rest == 0 ? nil : rest
    leftLine(of: ObjectIdentifier(poll.agent))
    return poll
  }

  /// One of an agent's polls is gone.
  private mutating func leftLine(of agent: ObjectIdentifier) {
    guard var line = byAgent.removeValue(forKey: agent) else { return }
    line.live -= 1
    guard line.live > 0 else { return }
    if line.entries.count > 2 * line.live + 64 {
      line.entries.removeAll { polls[$0.token]?.order != $0.order }
    }
    byAgent[agent] = line
  }

  /// Takes out one poll of an agent that waits, so that its answer carries the news.
  ///
  /// Nil when none waits: one that is leasing brings the news when its lease is answered.
  mutating func removeWaiting(of agent: AgentRecord) -> Poll? {
    let waiting = byAgent[ObjectIdentifier(agent)]?.entries.first { entry in
      polls[entry.token].map { $0.order == entry.order && !$0.isLeasing } ?? false
    }
    return waiting.flatMap { remove($0.token) }
  }

  /// Takes out every poll that waits.
  mutating func removeAllWaiting() -> [Poll] {
    polls.values.filter { !$0.isLeasing }.map(\.token).compactMap { remove($0) }
  }

  private func keys(of poll: Poll) -> [QueueKey] {
    guard let actions = poll.actions else {
      return [QueueKey(integration: poll.integration, action: nil)]
    }
    return actions.map { QueueKey(integration: poll.integration, action: $0) }
  }

  /// The longest waiting entry of a queue; drops dead ones before it.
  private mutating func first(in key: QueueKey) -> Entry? {
    guard var queue = queues[key] else { return nil }
    defer { queues[key] = queue.live == 0 ? nil : queue }
    while queue.head < queue.entries.count {
      let entry = queue.entries[queue.head]
      if isWaiting(entry) { return entry }
      queue.head += 1
    }
    return nil
  }

  private func isWaiting(_ entry: Entry) -> Bool {
    // A caller may use the number of a call that has ended again.
    guard let poll = polls[entry.token], poll.order == entry.order else { return false }
    return !poll.isLeasing && poll.generation == entry.generation
  }

  /// Accounts for a poll that no longer waits, and sweeps queues that are mostly dead.
  private mutating func left(_ poll: Poll) {
    for key in keys(of: poll) {
      guard var queue = queues[key] else { continue }
      queues[key] = nil
      queue.live -= 1
      guard queue.live > 0 else { continue }
      if queue.entries.count > 2 * queue.live + 64 {
        queue.entries = queue.entries[queue.head...].filter(isWaiting)
        queue.head = 0
      }
      queues[key] = queue
    }
  }
}

extension WaitingPolls.AgentLine {
  fileprivate mutating func add(_ token: Token, _ order: UInt64) {
    live += 1
    entries.append((token, order))
  }
}

extension WaitingPolls.Queue {
  /// Puts an entry at its place: at the end when it is new, near the head when it comes back.
  fileprivate mutating func insert(_ entry: WaitingPolls.Entry) {
    live += 1
    var place = entries.count
    while place > head, entries[place - 1].order > entry.order { place -= 1 }
    if place == head, head > 0 {
      head -= 1
      entries[head] = entry
    } else {
      entries.insert(entry, at: place)
    }
  }
}
