import RPCServer
import Synchronization

/// The polls of all connections, see ``WaitingPolls``; safe to use from any thread.
final class PollDesk: Sendable {
  typealias Polls = WaitingPolls<CallToken, String>
  typealias Poll = Polls.Poll

  private struct State {
    var polls = Polls()
    var isDraining = false
  }

  private let state = Mutex(State())

  /// How many polls there are.
  var count: Int { state.withLock { $0.polls.count } }

  /// How many of them wait, rather than have a lease command under way.
  var waitingCount: Int { state.withLock { $0.polls.waitingCount } }

  /// Takes in a poll whose first lease command goes to the store next.
  ///
  /// False: there are too many.
  func add(_ poll: Poll, maximum: Int) -> Bool {
    state.withLock { state in
      guard state.polls.count < maximum else { return false }
      state.polls.add(poll)
      poll.agent.waitingPolls.add(1, ordering: .relaxed)
      return true
    }
  }

  /// Takes a poll out, for its answer or because its caller is gone; nil: it is not there.
  @discardableResult
  func remove(_ token: CallToken) -> Poll? {
    state.withLock { Self.left($0.polls.remove(token)) }
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
  func timeIsUp(_ token: CallToken) -> Poll? {
    state.withLock { state in
      guard let poll = state.polls[token], !poll.isLeasing else { return nil }
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
