import Dispatch
import RPCTransport
import RPCWire

extension RPCServer {
  /// Stops accepting, tells each client with GOAWAY, lets calls in flight finish, closes.
  ///
  /// What is left after the limits' drain timeout is closed hard. Only the first call has an
  /// effect.
  public func beginGracefulShutdown() {
    if state.withLock({ $0.phase == .idle }) { return stopNow() }
    let reactors: [Reactor]? = state.withLock { state in
      guard state.phase == .running else { return nil }
      state.phase = .draining
      return state.reactors
    }
    guard let reactors else { return }
    for reactor in reactors {
      reactor.post { reactor in Self.drain(on: reactor) }
    }
    // Behind the GOAWAYs: what waits is told to end, and answers under the call's own id.
    reactors.first?.post { [observer] _ in observer.drainBegan() }
    reactors.first?.post { [self] _ in shared.beginDraining { self.stopNow() } }
    let milliseconds = Int(configuration.limits.drainTimeout.wholeNanoseconds / 1_000_000)
    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(milliseconds)) {
      [weak self] in
      self?.stopNow()
    }
  }

  private static func drain(on reactor: isolated Reactor) {
    (reactor.attachment as? ServerLoop)?.isDraining = true
    for source in reactor.sources {
      if let listener = source as? Listener { listener.stop(on: reactor) }
      if let connection = source as? ServerConnection {
        connection.perform(connection.state.drainBegan(), on: reactor)
      }
    }
  }

  /// Closes everything at once; calls in flight get no answer.
  public func stopNow() {
    let reactors: [Reactor]? = state.withLock { state in
      guard state.phase != .stopped else { return nil }
      state.phase = .stopped
      return state.reactors
    }
    guard let reactors else { return }
    shared.endDraining()
    if reactors.isEmpty { reactorEnded() }
    for reactor in reactors {
      reactor.post { reactor in
        let loop = reactor.attachment as? ServerLoop
        reactor.stop()
        loop?.ended.finish()
        self.reactorEnded()
      }
    }
  }

  private func reactorEnded() {
    let waiters: [CheckedContinuation<Void, Never>] = state.withLock { state in
      state.runningReactors -= 1
      guard state.runningReactors <= 0 else { return [] }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns when all connections are closed and the reactors are at rest.
  public func waitUntilStopped() async {
    await withCheckedContinuation { continuation in
      let isStopped = state.withLock { state in
        if state.phase == .stopped && state.runningReactors <= 0 { return true }
        state.waiters.append(continuation)
        return false
      }
      if isStopped { continuation.resume() }
    }
  }
}
