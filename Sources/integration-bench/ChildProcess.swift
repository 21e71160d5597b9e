import Glibc

/// A program that the benchmark started and ends, by its own process id.
final class ChildProcess {
  let pid: pid_t
  private var ended = false

  /// Starts `executable` with standard error in a file and standard output in another, or nowhere.
  init(
    _ executable: String, _ arguments: [String], errorFile: String,
    outputFile: String = "/dev/null"
  ) throws(BenchError) {
    guard !StartedPrograms.isEnding else { throw BenchError(.refused, "interrupted") }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 1, outputFile, O_WRONLY | O_CREAT, 0o600)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, errorFile, O_WRONLY | O_CREAT, 0o600)
    var argv = unsafe ([executable] + arguments).map { unsafe strdup($0) } + [nil]
    defer { unsafe argv.forEach { unsafe free($0) } }
    // What this program ignores and this thread blocks, a child would inherit.
    var attributes = posix_spawnattr_t()
    var defaults = sigset_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    unsafe sigemptyset(&defaults)
    for number in [SIGINT, SIGTERM, SIGPIPE] { unsafe sigaddset(&defaults, number) }
    unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
    var blocked = sigset_t()
    unsafe sigemptyset(&blocked)
    unsafe posix_spawnattr_setsigmask(&attributes, &blocked)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var pid: pid_t = 0
    let failure = unsafe posix_spawn(&pid, executable, &actions, &attributes, &argv, environ)
    guard failure == 0 else { throw .system("cannot start \(executable)", number: failure) }
    self.pid = pid
    StartedPrograms.add(pid)
  }

  /// Whether the program still runs.
  var isRunning: Bool {
    if ended { return false }
    var status: Int32 = 0
    ended = unsafe waitpid(pid, &status, WNOHANG) == pid
    if ended { StartedPrograms.remove(pid) }
    return !ended
  }

  /// Waits until it ends by itself; its exit code, or 128 and the signal that ended it.
  func waitForEnd() -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
    ended = true
    StartedPrograms.remove(pid)
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F)
  }

  /// Asks it to end and waits; after ten seconds it is killed.
  func stop() {
    guard isRunning else { return }
    kill(pid, SIGTERM)
    for _ in 0..<1000 {
      if !isRunning { return }
      usleep(10_000)
    }
    kill(pid, SIGKILL)
    var status: Int32 = 0
    unsafe waitpid(pid, &status, 0)
    ended = true
    StartedPrograms.remove(pid)
  }

  /// The resident memory in bytes, from `/proc/PID/status` (proc(5)); nil when it cannot be read.
  static func residentBytes(of pid: pid_t) -> Int? {
    for line in readFile("/proc/\(pid)/status").split(separator: "\n")
    where line.hasPrefix("VmRSS:") {
      let digits = line.filter(\.isNumber)
      return Int(digits).map { $0 * 1024 }
    }
    return nil
  }
}

/// A small file as text; empty when it cannot be read.
func readFile(_ path: String) -> String {
  let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return "" }
  defer { close(descriptor) }
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
    count = unsafe max(0, read(descriptor, buffer.baseAddress, 65_536))
  }
  return String(decoding: bytes, as: UTF8.self)
}
