import Dispatch

/// A serial executor on a Dispatch queue; the toolchain's Dispatch for Linux has none.
final class QueueExecutor: SerialExecutor {
  let queue: DispatchQueue

  init(label: String) {
    queue = DispatchQueue(label: label, qos: .userInitiated)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    let executor = unsafe asUnownedSerialExecutor()
    queue.async {
      unsafe unowned.runSynchronously(on: executor)
    }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    unsafe UnownedSerialExecutor(ordinary: self)
  }

  /// Lets the runtime accept the Dispatch source's handler as isolated to the reactor.
  func checkIsolated() {
    dispatchPrecondition(condition: .onQueue(queue))
  }
}
