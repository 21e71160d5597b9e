import IntegrationStore
import Synchronization

/// Tells the observer of commits that are on disk, and of the failure after which there are none.
///
/// Commits are told one at a time, by whichever stage made them durable.
final class CommitTeller: Sendable {
  private let observer = Mutex<(any CommitObserver)?>(nil)
  private let failed = Atomic<Bool>(false)

  /// Whether nothing is acknowledged any more.
  var hasFailed: Bool { failed.load(ordering: .acquiring) }

  /// Whether the observer wants to hear of changed logs.
  var wantsLogEvents: Bool { observer.withLock { $0 }?.wantsLogEvents ?? false }

  func start(observer: any CommitObserver) { self.observer.withLock { $0 = observer } }

  /// Forgets the observer.
  func stop() { observer.withLock { $0 = nil } }

  /// A commit is on disk: whoever waits for it hears so, unless another has failed meanwhile.
  func tell(_ commit: Commit) {
    guard !hasFailed else { return commit.refuse() }
    observer.withLock { $0 }?.committed(commit.batch, commit.outcomes, commit.events)
    for (position, entry) in commit.batch.entries.enumerated() {
      if case .completion(let completion) = entry.origin { completion(commit.outcomes[position]) }
    }
  }

  /// The observer hears what is made again.
  func mended(_ what: String) { observer.withLock { $0 }?.storeMended(what) }

  /// From now on nothing is acknowledged; the observer hears it once.
  func fail(_ error: StoreError) {
    let (isFirst, _) = failed.compareExchange(
      expected: false, desired: true, ordering: .acquiringAndReleasing)
    if isFirst { observer.withLock { $0 }?.storeFailed(error) }
  }
}
