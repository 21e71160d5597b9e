import IntegrationModel

/// What operators want of one agent, newest last.
///
/// Each entry has a version; a session (one connection of the agent) remembers the version up to
/// which it has sent, and a new session begins at 0, so that a directive lost with a connection is
/// sent again on the next one. Agents take a repeated directive as one.
struct AgentDirectives {
  /// One wish.
  enum Wish: Equatable, Sendable {
    case cancel(logID: String, reason: String, requestedBy: String)
    case pause(reason: String)
    case resume
    case drain(reason: String)
    /// For connections that this key has opened: another key goes on, this one ends.
    case rotateKey(keyID: String, expiresAt: Instant)
    case pauseAction(type: String, reason: String)
    case resumeAction(type: String)
  }

  /// The most wishes kept for an agent; beyond it the oldest cancel is dropped, which the store
  /// still knows and the agent's next lease renewal brings back.
  ///
  /// Twice what an integration may have of actions, each of which may be paused.
  static let maximumWishes = 2_000

  private(set) var version: UInt64 = 0
  private var entries: [(version: UInt64, wish: Wish)] = []

  /// How many wishes stand.
  var count: Int { entries.count }

  /// Adds a wish in place of what it supersedes; returns the new version, or nil when the very same
  /// cancel stands already.
  mutating func add(_ wish: Wish) -> UInt64? {
    switch wish {
    case .cancel(let logID, _, _):
      guard !entries.contains(where: { $0.wish.cancelledLog == logID }) else { return nil }
    case .pause, .resume:
      entries.removeAll { $0.wish.isPauseOrResume }
    case .drain:
      entries.removeAll { $0.wish.isDrain }
    case .rotateKey(let keyID, _):
      entries.removeAll { $0.wish.endingKey == keyID }
    case .pauseAction(let type, _), .resumeAction(let type):
      entries.removeAll { $0.wish.controlledAction == type }
    }
    if entries.count >= Self.maximumWishes {
      entries.remove(at: entries.firstIndex { $0.wish.cancelledLog != nil } ?? 0)
    }
    version += 1
    entries.append((version, wish))
    return version
  }

  /// The wishes after a version.
  func since(_ seen: UInt64) -> [Wish] {
    entries.filter { $0.version > seen }.map(\.wish)
  }

  /// Whether the very same wish stands already.
  func stands(_ wish: Wish) -> Bool { entries.contains { $0.wish == wish } }

  /// Why the agent is asked to finish and stop; nil: it is not.
  var drainReason: String? {
    for entry in entries {
      if case .drain(let reason) = entry.wish { return reason }
    }
    return nil
  }

  /// The log is final or in other hands: nothing is left to cancel.
  mutating func logEnded(_ logID: String) {
    entries.removeAll { $0.wish.cancelledLog == logID }
  }

  /// Another process runs under the agent's id: what the last one was asked to finish is over.
  mutating func instanceChanged() {
    entries.removeAll { $0.wish.isDrain }
  }
}

extension AgentDirectives.Wish {
  var cancelledLog: String? {
    if case .cancel(let logID, _, _) = self { logID } else { nil }
  }

  var isPauseOrResume: Bool {
    switch self {
    case .pause, .resume: true
    case .cancel, .drain, .rotateKey, .pauseAction, .resumeAction: false
    }
  }

  /// The action that is paused or resumed.
  var controlledAction: String? {
    switch self {
    case .pauseAction(let type, _), .resumeAction(let type): type
    case .cancel, .pause, .resume, .drain, .rotateKey: nil
    }
  }

  /// The key that ends.
  var endingKey: String? {
    if case .rotateKey(let keyID, _) = self { keyID } else { nil }
  }

  var isDrain: Bool {
    if case .drain = self { true } else { false }
  }
}
