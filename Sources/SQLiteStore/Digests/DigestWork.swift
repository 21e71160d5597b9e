import Dispatch
import IntegrationStore
import Synchronization

/// Makes one digest on a queue of its own, beside the writer, which has more urgent work: sorting
/// and reading some 5,000 logs takes as long as several commits.
final class DigestWork: @unchecked Sendable {
  // Safe: `buffer` and `digest` are the worker's until `done` says so, the writer's afterwards.

  private static let queue = DispatchQueue(label: "store.digests", qos: .userInitiated)

  /// What it is made of; when done, what is left of it.
  private(set) var buffer: DigestBuffer
  /// What was made; nil: there were too few logs that may be parted.
  private(set) var digest: LogDigest?
  /// About how much memory it takes.
  let bytes: Int
  private let done = DispatchSemaphore(value: 0)
  private let isDoneFlag = Atomic<Bool>(false)

  /// Begins to make a digest of the oldest logs of a buffer.
  init(_ buffer: DigestBuffer, of integration: IntegrationID, after frontier: Int64) {
    self.buffer = buffer
    bytes = buffer.bytes
    Self.queue.async { self.run(integration, frontier) }
  }

  /// Whether it is made.
  var isDone: Bool { isDoneFlag.load(ordering: .acquiring) }

  private func run(_ integration: IntegrationID, _ frontier: Int64) {
    digest = buffer.takeDigest(of: integration, after: frontier, through: .max)
    isDoneFlag.store(true, ordering: .releasing)
    done.signal()
  }

  /// Returns when it is made; called at most once.
  func wait() { done.wait() }
}
