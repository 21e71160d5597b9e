/// What an agent as a whole is doing: a pure state machine.
///
/// Legal phases: starting → running → draining → stopped; `stopWanted` while starting drains at
/// once, and `failed` leads to stopped from each. A pause lies across `running` and ends with it.
struct AgentLifecycle: Sendable, Equatable {
  enum Phase: Sendable, Equatable {
    /// Not yet known to the server.
    case starting
    /// Taking work.
    case running
    /// Finishing what it holds.
    case draining
    /// Everything is over.
    case stopped
  }

  enum Event: Sendable, Equatable {
    case registered
    case pauseWanted(reason: String)
    case resumeWanted
    case drainWanted(reason: String)
    /// The program was told to stop; a second time means at once.
    case stopWanted
    /// Nothing is held any more.
    case workEnded
    case drainTimeEnded
    /// The agent cannot go on.
    case failed
  }

  enum Effect: Sendable, Equatable {
    /// Start to ask for requests, or go on.
    case takeWork
    /// Ask for nothing more; say why.
    case pause(reason: String)
    /// Ask for nothing more, say so to the server, and wait for what is held.
    case drain(reason: String)
    /// Cancel what is still held.
    case cancelWork
    /// Say goodbye.
    case finish
  }

  private(set) var phase = Phase.starting
  private(set) var isPaused = false

  /// Whether requests may be asked for.
  var takesWork: Bool { phase == .running && !isPaused }

  mutating func handle(_ event: Event) -> Effect? {
    switch (phase, event) {
    case (.stopped, _):
      return nil
    case (_, .failed):
      phase = .stopped
      return .cancelWork
    case (.starting, .registered):
      phase = .running
      return isPaused ? nil : .takeWork
    case (.running, .registered), (.draining, .registered):
      return nil
    case (.draining, .pauseWanted), (.draining, .resumeWanted), (.draining, .drainWanted):
      return nil
    case (.starting, .pauseWanted(let reason)), (.running, .pauseWanted(let reason)):
      guard !isPaused else { return nil }
      isPaused = true
      return .pause(reason: reason)
    case (.starting, .resumeWanted), (.running, .resumeWanted):
      guard isPaused else { return nil }
      isPaused = false
      return phase == .running ? .takeWork : nil
    case (.starting, .drainWanted(let reason)), (.running, .drainWanted(let reason)):
      phase = .draining
      return .drain(reason: reason)
    case (.draining, .stopWanted), (.draining, .drainTimeEnded):
      return .cancelWork
    case (.starting, .stopWanted), (.running, .stopWanted):
      phase = .draining
      return .drain(reason: "the agent was told to stop")
    case (.draining, .workEnded):
      phase = .stopped
      return .finish
    case (.starting, .workEnded), (.running, .workEnded), (.starting, .drainTimeEnded),
      (.running, .drainTimeEnded):
      return nil
    }
  }
}
