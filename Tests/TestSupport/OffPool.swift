import Dispatch
import Foundation
import Synchronization
import Testing

/// Runs a suite's tests on a thread of their own, because they wait in blocking calls.
///
/// The pool that runs all other tests has as many threads as there are processors; two tests that
/// block would hold up everybody on a machine with two. All suites with this trait share the
/// thread, so that it suits those that run one after another.
public struct OffPool: SuiteTrait, TestTrait, TestScoping {
  /// Reaches the tests of a suite and of its suites.
  public let isRecursive = true

  /// Runs one test there.
  public func provideScope(
    for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await body() }
    try await withTaskExecutorPreference(BlockingExecutor.shared) { try await body() }
  }
}

extension Trait where Self == OffPool {
  /// Runs the tests on a thread of their own.
  public static var offPool: OffPool { OffPool() }
}

/// One thread.
///
/// Not a Dispatch queue: its pool is as small, and the reactors under test live there.
private final class BlockingExecutor: TaskExecutor {
  static let shared = BlockingExecutor()
  private let jobs = Mutex<[UnownedJob]>([])
  private let arrived = DispatchSemaphore(value: 0)

  private init() {
    Thread.detachNewThread { [self] in
      while true {
        arrived.wait()
        let job = jobs.withLock { $0.removeFirst() }
        job.runSynchronously(on: asUnownedTaskExecutor())
      }
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
    arrived.signal()
  }
}
