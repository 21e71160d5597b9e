import Dispatch
import IntegrationStore
import RPCServer
import Synchronization

/// Where registrations with long schemas are checked: on a queue, one at a time, so that no reactor
/// reads megabytes of JSON.
///
/// Integrations take turns, so whoever registers without end waits behind itself. What waits keeps
/// its schemas in memory and is bounded: over all, and for one integration by half of that. Safe
/// from any thread.
final class RegistrationDesk: Sendable {
  typealias Work = @Sendable () -> Void

  private struct Job {
    let token: CallToken
    let bytes: Int
    let work: Work
    let drop: Work
  }

  private struct Line {
    var jobs: [Job] = []
    var bytes = 0
  }

  private struct State {
    var lines: [IntegrationID: Line] = [:]
    /// Integrations with something that waits, whose turn is next first.
    var turns: [IntegrationID] = []
    var owners: [CallToken: IntegrationID] = [:]
    var bytes = 0
    var isWorking = false
  }

  private let maximumBytes: Int
  private let state = Mutex(State())
  private let queue: DispatchQueue

  /// A desk where registrations of so many bytes may wait.
  init(
    maximumBytes: Int, queue: DispatchQueue = DispatchQueue(label: "integration.registrations")
  ) {
    self.maximumBytes = maximumBytes
    self.queue = queue
  }

  /// Registrations that wait for their turn.
  var waitingCount: Int { state.withLock { $0.owners.count } }

  /// Does the work of a call when its integration has its turn; false: too much waits.
  ///
  /// `drop` runs in its place when the call ends before.
  func run(
    _ token: CallToken, of integration: IntegrationID, bytes: Int,
    _ work: @escaping Work, drop: @escaping Work
  ) -> Bool {
    let (isTaken, begins) = state.withLock { state -> (Bool, Bool) in
      let own = state.lines[integration]?.bytes ?? 0
      guard bytes <= maximumBytes - state.bytes, bytes <= maximumBytes / 2 - own else {
        return (false, false)
      }
      if state.lines[integration] == nil { state.turns.append(integration) }
      state.lines[integration, default: Line()].jobs.append(
        Job(token: token, bytes: bytes, work: work, drop: drop))
      state.lines[integration]?.bytes += bytes
      state.bytes += bytes
      state.owners[token] = integration
      defer { state.isWorking = true }
      return (true, !state.isWorking)
    }
    if begins { queue.async { self.workOnce() } }
    return isTaken
  }

  /// The caller is gone: what has not begun is dropped.
  func end(_ token: CallToken) {
    let job = state.withLock { state -> Job? in
      guard let integration = state.owners.removeValue(forKey: token),
        let place = state.lines[integration]?.jobs.firstIndex(where: { $0.token == token })
      else { return nil }
      return Self.take(place, of: integration, from: &state)
    }
    // Not here: the connection is just ending the call.
    if let job { queue.async { job.drop() } }
  }

  /// Does the work of the integration whose turn it is; the next one has a turn of its own, so that
  /// what was dropped meanwhile comes in between.
  private func workOnce() {
    let job = state.withLock { state -> Job? in
      guard let integration = state.turns.first else { return nil }
      // It has the last turn then, if more of it waits.
      state.turns.removeFirst()
      state.turns.append(integration)
      let job = Self.take(0, of: integration, from: &state)
      state.owners[job.token] = nil
      return job
    }
    job?.work()
    let goesOn = state.withLock { state in
      state.isWorking = !state.turns.isEmpty
      return state.isWorking
    }
    if goesOn { queue.async { self.workOnce() } }
  }

  private static func take(
    _ place: Int, of integration: IntegrationID, from state: inout State
  ) -> Job {
    guard let job = state.lines[integration]?.jobs.remove(at: place) else {
      preconditionFailure("an integration without a line has a turn")
    }
    state.lines[integration]?.bytes -= job.bytes
    state.bytes -= job.bytes
    if state.lines[integration]?.jobs.isEmpty == true {
      state.lines[integration] = nil
      state.turns.removeAll { $0 == integration }
    }
    return job
  }
}
