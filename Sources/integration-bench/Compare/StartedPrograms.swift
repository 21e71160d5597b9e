import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// The programs that run because this one started them, and its scratch directory: what an
/// interrupted comparison must end and remove.
enum StartedPrograms {
  private struct State {
    var pids: Set<pid_t> = []
    var directory: String?
    var isEnding = false
    var sources: [any DispatchSourceSignal] = []
  }

  private static let state = Mutex(State())

  static func add(_ pid: pid_t) { state.withLock { _ = $0.pids.insert(pid) } }
  static func remove(_ pid: pid_t) { state.withLock { _ = $0.pids.remove(pid) } }

  /// Whether a signal has come, and nothing must be started any more.
  static var isEnding: Bool { state.withLock { $0.isEnding } }

  /// From now on SIGINT and SIGTERM end what was started, remove `directory`, and exit with 130.
  static func endOnSignals(removing directory: String) {
    state.withLock {
      $0.directory = directory
      $0.sources = [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler { endAll() }
        source.resume()
        return source
      }
    }
  }

  private static func endAll() {
    let (pids, directory) = state.withLock { state in
      state.isEnding = true
      return (state.pids, state.directory)
    }
    for pid in pids { kill(pid, SIGTERM) }
    for pid in pids {
      // A store must be closed before its files go.
      for _ in 0..<300 where kill(pid, 0) == 0 {
        var status: Int32 = 0
        if unsafe waitpid(pid, &status, WNOHANG) != 0 { break }
        usleep(10_000)
      }
      kill(pid, SIGKILL)
    }
    if let directory { try? FileManager.default.removeItem(atPath: directory) }
    exit(130)
  }
}
