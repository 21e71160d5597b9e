import Dispatch
import IntegrationStore
import Synchronization

/// Makes commits durable, all that wait with one fdatasync, and has them told in their order.
///
/// Its queue waits for the disk while the writer does the next batch.
final class SyncLoop: Sendable {
  /// Commits that are handed over and not yet told: those that are being synced and those behind.
  ///
  /// Four: the writer has something to do while the disk works, and what arrives meanwhile gathers
  /// in few batches.
  static let maximumCommits = 4
  /// The same where the next one is of a lane (`PendingCommands`), and in bytes of text together.
  ///
  /// Groups of a lane gather nothing by waiting, and a slow disk would have its time for each four.
  static let maximumGroups = 64
  static let maximumBytes = 16_777_216

  private struct State {
    var waiting: [Commit] = []
    var spare: [Commit] = []
    var underWay = 0
    var bytesUnderWay = 0
    /// Whether the writer waits for a place.
    var isAwaited = false
    /// Whether the queue has been asked to come, or is at work.
    var isRunning = false
  }

  private let queue = DispatchQueue(label: "store.sync", qos: .userInitiated)
  private let placeFreed = DispatchSemaphore(value: 0)
  private let state = Mutex(State())
  private let makeDurable: @Sendable () throws(StoreError) -> Void
  private let teller: CommitTeller

  /// `makeDurable` returns when every commit that was done before it was called is on disk.
  init(_ teller: CommitTeller, makeDurable: @escaping @Sendable () throws(StoreError) -> Void) {
    self.teller = teller
    self.makeDurable = makeDurable
  }

  /// An empty commit to fill; waits while as many are under way as may be.
  func takePlace(forGroup isGroup: Bool) -> Commit {
    while true {
      let commit = state.withLock { state -> Commit? in
        let hasPlace =
          state.underWay < Self.maximumCommits
          || isGroup && state.underWay < Self.maximumGroups
            && state.bytesUnderWay < Self.maximumBytes
        state.isAwaited = !hasPlace
        guard hasPlace else { return nil }
        state.underWay += 1
        return state.spare.popLast() ?? Commit()
      }
      if let commit { return commit }
      placeFreed.wait()
    }
  }

  /// Gives back a commit that nobody waits for.
  func leavePlace(_ commit: Commit) {
    let bytes = commit.bytes
    commit.removeAll()
    let isAwaited = state.withLock { state in
      state.underWay -= 1
      state.bytesUnderWay -= bytes
      if state.spare.count < Self.maximumCommits { state.spare.append(commit) }
      defer { state.isAwaited = false }
      return state.isAwaited
    }
    if isAwaited { placeFreed.signal() }
  }

  /// Takes over a commit that the writer has done.
  func hand(_ commit: Commit) {
    commit.bytes = commit.batch.bytes.count
    let isFirst = state.withLock { state in
      state.waiting.append(commit)
      state.bytesUnderWay += commit.bytes
      defer { state.isRunning = true }
      return !state.isRunning
    }
    if isFirst { queue.async { self.run() } }
  }

  /// Makes a commit durable on the caller's queue, where nothing else is under way: for a batch of
  /// one another thread would cost more than it brings.
  func finishHere(_ commit: Commit) {
    // The writer alone hands over, and it is the caller: so none comes in between.
    guard !state.withLock({ $0.isRunning }) else { return hand(commit) }
    sync(for: [commit])
    finish(commit)
  }

  private func run() {
    while true {
      let commits = state.withLock { state in
        if state.waiting.isEmpty { state.isRunning = false }
        defer { state.waiting.removeAll(keepingCapacity: true) }
        return state.waiting
      }
      guard !commits.isEmpty else { return }
      sync(for: commits)
      for commit in commits { finish(commit) }
    }
  }

  /// Waits for the disk, unless none of the commits has written anything: such as a poll's lease
  /// that finds no request, which would keep the next request waiting.
  private func sync(for commits: [Commit]) {
    guard !teller.hasFailed, commits.contains(where: { $0.writtenPages > 0 }) else { return }
    do throws(StoreError) { try makeDurable() } catch { teller.fail(error) }
  }

  private func finish(_ commit: Commit) {
    #if !PLANTED_ACKNOWLEDGE_BEFORE_COMMIT
      teller.tell(commit)
    #endif
    leavePlace(commit)
  }

  /// Returns when everything that was handed over has been told.
  func drain() {
    queue.sync {}
  }
}
