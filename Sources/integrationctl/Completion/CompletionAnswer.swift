import CommandLineOptions
import Glibc

/// The answer to a shell's question for candidates: `integrationctl __complete bash LINE`.
///
/// Whatever goes wrong, nothing is said: a message would stand in the middle of somebody's line.
struct CompletionAnswer: Sendable {
  /// How long a person waits for the Tab key at most, start of the program included.
  static let limitMs = 300

  let program: OperatorProgram

  func write(_ words: [String]) async {
    guard let name = words.first, let shell = CompletionShell(rawValue: name) else { return }
    let point = CompletionPoint(CommandTree.root, line: shell.words(Array(words.dropFirst())))
    var candidates = point.candidates
    if let kind = point.kind {
      candidates += (try? await CompletionSource(program: program, point: point).list(kind)) ?? []
    }
    try? program.console.write(shell.answer(candidates, at: point))
  }

  /// Ends the process without a word when the time is over; only for a process of its own.
  static func limitTime() {
    signal(SIGALRM) { _ in _exit(0) }
    var timer = itimerval()
    timer.it_value.tv_usec = __suseconds_t(limitMs * 1000)
    _ = unsafe setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
  }
}
