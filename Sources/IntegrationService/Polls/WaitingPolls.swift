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
/// A poll waits in one queue for each action that it takes, or in the queue for any action.
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

  private struct QueueKey: Hashable, Sendable {
    let integration: Int64
    let action: Action?
  }

  private var polls: [Token: Poll] = [:]
  private var byAgent: [ObjectIdentifier: PollLine<Token>] = [:]
  private var placesByIntegration: [Int64: Int] = [:]
  /// Those that wait.
  private var queues: [QueueKey: PollLine<Token>] = [:]
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
  /// How many entries all queues hold.
  var queuedEntries: Int { queues.values.reduce(0) { $0 + $1.count } }

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
    byAgent[ObjectIdentifier(poll.agent), default: PollLine()].insert(poll.token, poll.order)
  }

  /// The lease command brought nothing: the poll waits on, ahead of those that came after it.
  mutating func returned(_ token: Token) {
    guard let place = polls.index(forKey: token), polls.values[place].isLeasing else { return }
    polls.values[place].isLeasing = false
    let poll = polls.values[place]
    for key in keys(of: poll) { queues[key, default: PollLine()].insert(token, poll.order) }
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
    let candidates = [special, general].compactMap { queues[$0]?.first }
    guard let chosen = candidates.min(by: { $0.order < $1.order }),
      let place = polls.index(forKey: chosen.token)
    else { return nil }
    polls.values[place].isLeasing = true
    polls.values[place].lease = .free
    polls.values[place].wokenFor = action
    let poll = polls.values[place]
    leaveQueues(poll)
    return poll
  }

  /// Takes a poll out: it is answered, its time is up, or its caller is gone.
  @discardableResult
  mutating func remove(_ token: Token) -> Poll? {
    guard let poll = polls.removeValue(forKey: token) else { return nil }
    if !poll.isLeasing { leaveQueues(poll) }
    places -= poll.places
    let rest = places(of: poll.integration) - poll.places
    placesByIntegration[poll.integration] = rest == 0 ? nil : rest
    Self.leave(&byAgent, ObjectIdentifier(poll.agent), poll.order)
    return poll
  }

  /// Takes out one poll of an agent that waits, so that its answer carries the news.
  ///
  /// Nil when none waits: one that is leasing brings the news when its lease is answered.
  mutating func removeWaiting(of agent: AgentRecord) -> Poll? {
    let waiting = byAgent[ObjectIdentifier(agent)]?.first { polls[$0]?.isLeasing == false }
    return waiting.flatMap { remove($0) }
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

  /// A poll no longer waits.
  private mutating func leaveQueues(_ poll: Poll) {
    for key in keys(of: poll) { Self.leave(&queues, key, poll.order) }
  }

  private static func leave<Key: Hashable>(
    _ lines: inout [Key: PollLine<Token>], _ key: Key, _ order: UInt64
  ) {
    guard let place = lines.index(forKey: key) else { return }
    lines.values[place].remove(order)
    if lines.values[place].isEmpty { lines.remove(at: place) }
  }
}
