import CommandLineOptions
import Glibc

/// A program that shows long output page by page: `INTEGRATIONCTL_PAGER`, else `PAGER`, else
/// `less -FRX`; `cat` means none.
struct Pager: Sendable {
  private let command: String

  init?(environment: Environment) {
    command = environment["INTEGRATIONCTL_PAGER"] ?? environment["PAGER"] ?? "less -FRX"
    if command == "cat" { return nil }
  }

  /// Shows the text and returns when the reader has left; false when there is no such program.
  func show(_ text: String) -> Bool {
    var ends: [Int32] = [0, 0]
    guard unsafe pipe(&ends) == 0 else { return false }
    _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
    guard let pid = start(input: ends[0], other: ends[1]) else {
      for end in ends { close(end) }
      return false
    }
    close(ends[0])
    // Ctrl-C is the pager's while it runs: it leaves a search, not the program.
    let old = signal(SIGINT, SIG_IGN)
    defer { signal(SIGINT, old) }
    // A reader who leaves before the end closes the pipe: nothing is missing.
    _ = FileText.write(text, to: ends[1])
    close(ends[1])
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
    // 127 of the shell: there is no such program.
    return status != 127 << 8
  }

  private func start(input: Int32, other: Int32) -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    unsafe posix_spawn_file_actions_addclose(&actions, input)
    unsafe posix_spawn_file_actions_addclose(&actions, other)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var defaults = sigset_t()
    unsafe sigemptyset(&defaults)
    for number in [SIGINT, SIGPIPE] { unsafe sigaddset(&defaults, number) }
    unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    // As git does: less with colours, that leaves short text alone, unless the user says otherwise.
    if unsafe getenv("LESS") == nil { unsafe setenv("LESS", "FRX", 1) }
    var argv = unsafe (["sh", "-c", command] as [String]).map { unsafe strdup($0) } + [nil]
    defer { unsafe argv.forEach { unsafe free($0) } }
    var pid: pid_t = 0
    let failure = unsafe posix_spawn(&pid, "/bin/sh", &actions, &attributes, &argv, environ)
    return failure == 0 ? pid : nil
  }
}
