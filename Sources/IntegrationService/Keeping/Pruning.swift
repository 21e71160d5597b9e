import IntegrationModel
import IntegrationStore
import RPCWire

// Logs that are kept no longer go by and by, in steps so small that nobody waits for one.

extension IntegrationService {
  /// How long pruning rests after a step, in lengths of the step.
  ///
  /// Twelve: a step costs the writer
  /// about as much again when its pages are written, so together that is a seventh of its time.
  private static let restFactor: Int64 = 12
  /// The shortest rest, in milliseconds.
  private static let shortestRestMs: Int64 = 10

  static func rest(after outcome: PruneOutcome) -> Duration {
    .milliseconds(max(shortestRestMs, outcome.microseconds * restFactor / 1_000))
  }

  /// Does one step, and sets the time of the next.
  func pruneByAndBy() {
    let isTaken = store.submit { batch in
      batch.append(
        .prune(PruneBudget()), now: ServerClock.now,
        origin: .completion { [weak self] outcome in self?.pruned(outcome) })
    }
    if !isTaken { schedulePruning(after: .seconds(1)) }
  }

  private func pruned(_ outcome: CommandOutcome) {
    guard case .pruned(let pruned) = outcome else {
      return schedulePruning(after: configuration.limits.pruneInterval)
    }
    retention.stepped(pruned)
    if pruned.isDone {
      schedulePruning(after: configuration.limits.pruneInterval)
      // What was begun yesterday by a clock that is in doubt may have been begun just now.
      if !pruned.doubt.isDoubtful { Task { await store.dropStaleImport() } }
    } else {
      schedulePruning(after: Self.rest(after: pruned))
    }
  }

  /// Does one step for an operator.
  func pruneStep(_ budget: PruneBudget) async throws(RPCError) -> PruneOutcome {
    do throws(StoreFailure) {
      let outcome = try await store.perform(.prune(budget), now: ServerClock.now)
      guard case .pruned(let pruned) = outcome else { return PruneOutcome() }
      retention.stepped(pruned)
      return pruned
    } catch {
      throw RPCError(error)
    }
  }

  func schedulePruning(after span: Duration) {
    schedule(.prune, atMs: ServiceTimer<Deadline>.nowMs &+ span.wholeMilliseconds)
  }
}
