import RPCServer
import Synchronization

/// The polls of all connections, see ``WaitingPolls``; safe to use from any thread.
final class PollDesk: Sendable {
  typealias Polls = WaitingPolls<CallToken, String>
  typealias Poll = Polls.Poll

  /// What becomes of a new poll.
  enum Turn: Equatable {
    /// Its lease command goes to the store.
    case now
    /// It waits for those of polls of its integration whose callers have gone.
    case later
    /// There are too many of its integration, or of all.
    case never(ofIntegration: Bool)
  }

  private struct State {
    var polls = Polls()
    var turns = LeaseTurns<Int64, CallToken>(maximum: ServiceLimits.maximumGoneLeases)
    var isDraining = false
  }

  private let state = Mutex(State())

  /// How many polls there are.
  var count: Int { state.withLock { $0.polls.count } }

  /// How many of them wait, rather than have a lease command under way.
  var waitingCount: Int { state.withLock { $0.polls.waitingCount } }

  /// Whether a poll has not ended.
  func contains(_ token: CallToken) -> Bool { state.withLock { $0.polls.contains(token) } }

  /// How many polls wait for their turn to lease, those that are gone included.
  var queuedCount: Int { state.withLock { $0.turns.waiting } }

  /// Takes in a poll; its first lease command goes to the store in its turn.
  ///
  /// One integration has half of the places at most, so that none keeps others from work.
  func add(_ poll: Poll, maximum: Int) -> Turn {
    state.withLock { state in
      guard state.polls.places(of: poll.integration) < maximum - maximum / 2 else {
        return .never(ofIntegration: true)
      }
      guard state.polls.places < maximum else { return .never(ofIntegration: false) }
      poll.agent.waitingPolls.add(1, ordering: .relaxed)
      let polls = state.polls
      let isNow = state.turns.begin(poll.token, of: poll.integration) { polls.contains($0) }
      state.polls.add(poll, lease: isNow ? .free : .none)
      return isNow ? .now : .later
    }
  }

  /// A lease command has its outcome, which is looked at after this, or was refused: the polls
  /// whose turn it is now.
  func leaseEnded(
    _ token: CallToken, of integration: Int64, wasRefused: Bool = false
  ) -> [Poll] {
    state.withLock { state in
      // Of a poll that has gone it is counted since.
      guard state.polls.endLease(token) != .free else { return [] }
      let polls = state.polls
      let next = state.turns.end(of: integration, leavesTurn: wasRefused) { polls.contains($0) }
      for token in next { state.polls.beginLease(token, .counted) }
      return next.compactMap { state.polls[$0] }
    }
  }

  /// Takes a poll out, for its answer or because its caller is gone; nil: it is not there.
  @discardableResult
  func remove(_ token: CallToken) -> Poll? {
    state.withLock { state in
      let poll = Self.left(state.polls.remove(token))
      if let poll, poll.lease == .free { state.turns.left(of: poll.integration) }
      return poll
    }
  }

  /// What follows when a poll's lease brought nothing.
  enum Return {
    /// It waits; its timer is to be set when this is its first time.
    case waits(due: Int64, isFirstTime: Bool)
    /// It is to be answered empty.
    case ended(Poll)
    /// Its caller is gone.
    case gone
  }

  /// A poll's lease brought nothing: it waits on, unless its time is up, its agent is to be told
  /// something, or the server drains.
  func returned(_ token: CallToken, nowMs: Int64) -> Return {
    state.withLock { state in
      guard let poll = state.polls[token] else { return .gone }
      if state.isDraining || poll.due <= nowMs || poll.session.hasWishes(for: poll.agent) {
        _ = Self.left(state.polls.remove(token))
        return .ended(poll)
      }
      state.polls.returned(token)
      return .waits(due: poll.due, isFirstTime: poll.wokenFor == nil)
    }
  }

  /// The poll's time is up: taken out when it waits.
  ///
  /// One that is leasing ends with its lease's answer.
  func timeIsUp(_ token: CallToken, nowMs: Int64) -> Poll? {
    state.withLock { state in
      // The time may be that of an earlier call of the same number, which has ended.
      guard let poll = state.polls[token], !poll.isLeasing, poll.due <= nowMs else { return nil }
      return Self.left(state.polls.remove(token))
    }
  }

  /// Requests have come: for each, the poll that has waited longest for it.
  func wake(_ available: [(integration: Int64, action: String)]) -> [Poll] {
    state.withLock { state in
      available.compactMap { state.polls.wake(integration: $0.integration, action: $0.action) }
    }
  }

  /// An agent is to be told something: one of its waiting polls, taken out.
  func takeWaiting(of agent: AgentRecord) -> Poll? {
    state.withLock { Self.left($0.polls.removeWaiting(of: agent)) }
  }

  /// The server drains: every waiting poll, taken out; later ones are answered at once.
  func removeAll() -> [Poll] {
    state.withLock { state in
      state.isDraining = true
      return state.polls.removeAllWaiting().compactMap(Self.left)
    }
  }

  private static func left(_ poll: Poll?) -> Poll? {
    poll?.agent.waitingPolls.subtract(1, ordering: .relaxed)
    return poll
  }
}
