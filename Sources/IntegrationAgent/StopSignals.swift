import Dispatch
import Glibc

/// Turns SIGINT and SIGTERM into calls, from making it to the end of the process or of its owner.
///
/// The closure of a Dispatch source takes the isolation of the place where it is written: a plain
/// class has none, so it may run on the source's queue.
final class StopSignals {
  private var sources: [any DispatchSourceSignal] = []

  /// Returns when the kernel reports the signals to Dispatch: until then one that comes would be
  /// lost, because its default action is off already.
  init(_ body: @escaping @Sendable () -> Void) {
    let queue = DispatchQueue(label: "integration-agent.signals")
    let registered = DispatchGroup()
    for number in [SIGINT, SIGTERM] {
      // Dispatch sees a signal beside its default action, so that one is taken away first.
      _ = signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { body() }
      registered.enter()
      source.setRegistrationHandler { registered.leave() }
      source.resume()
      sources.append(source)
    }
    registered.wait()
  }

  deinit {
    for source in sources { source.cancel() }
  }
}
