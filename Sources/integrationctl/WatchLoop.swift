import CommandLineOptions
import Synchronization

/// Runs a verb that only reads again and again.
///
/// On a terminal each round is drawn over the one before, below what stood there already: not on
/// the alternate screen, so that the last state stays when Ctrl-C ends it. Elsewhere the rounds
/// follow each other, parted by a line with the time; JSON values simply follow each other.
struct WatchLoop: Sendable {
  let title: String
  let interval: Duration
  private(set) var console: Console
  let output: OutputFormat

  /// Runs until the server refuses, standard output closes, or the process is interrupted.
  ///
  /// A server that is lost after the first round is waited for.
  mutating func run(_ round: (Console) async throws -> Void) async throws {
    var drawn = Drawn()
    var shown: String?
    while true {
      console = console.measured()
      do {
        let text = try await capture(round)
        shown = text
        try draw(text, note: nil, over: &drawn)
      } catch let failure as Failure where failure.code == .notReached {
        guard let last = shown else { throw failure }
        try draw(last, note: "\(failure.message); trying again", over: &drawn)
      }
      try await console.pause(interval)
    }
  }

  /// What a round writes, its notes behind its output.
  private func capture(_ round: (Console) async throws -> Void) async throws -> String {
    let texts = Mutex((output: "", notes: ""))
    var inner = console
    inner.page = nil
    let isTerminal = console.height != nil
    inner.write = { (text) throws(Failure) in texts.withLock { $0.output += text } }
    inner.warn = { text in texts.withLock { $0.notes += text } }
    if !isTerminal { inner.warn = console.warn }
    try await round(inner)
    return texts.withLock { $0.output + $0.notes }
  }

  // MARK: Drawing

  /// What stands on the terminal now.
  private struct Drawn {
    var lines = 0
    var width: Int?
  }

  private func draw(_ text: String, note: String?, over drawn: inout Drawn) throws(Failure) {
    guard let height = console.height else {
      return try append(text, note: note)
    }
    let zone = TimeDisplay.style == .absolute ? "" : " UTC"
    let time = TimeText.lineClock(console.now()).prefix(8) + zone
    let head = "\(title)  every \(DurationText.format(interval))  \(time)"
    let line = DisplayWidth.printable(note.map { "\(head)  \($0)" } ?? head)
    let fitted = console.width.map { DisplayWidth.cut(line, to: $0) } ?? line
    var lines = [console.presentation.styled(fitted, note == nil ? .faint : .bad), ""]
    // The cursor stands on the line behind the last one, which needs its place too.
    var room = height - lines.count - 2
    let body = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    var shown = 0
    for part in body.map(String.init) {
      room -= DisplayWidth.rows(part, width: console.width)
      guard room >= 0 else { break }
      lines.append(part)
      shown += 1
    }
    if shown < body.count { lines.append("… \(body.count - shown) more lines") }
    let rows = lines.reduce(0) { $0 + DisplayWidth.rows($1, width: console.width) }
    var drawing = ""
    if drawn.lines > 0 {
      // A terminal of another width has broken the lines elsewhere: their count is unknown.
      drawing =
        drawn.width == console.width ? "\u{1B}[\(drawn.lines)A\r" : "\u{1B}[H\u{1B}[2J"
    }
    drawing += lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    drawn = Drawn(lines: rows, width: console.width)
    try console.write(drawing)
  }

  private func append(_ text: String, note: String?) throws(Failure) {
    if let note { return console.warn("integrationctl: \(note)\n") }
    guard output == .table else { return try console.write(text) }
    try console.write("== \(TimeText.rfc3339(console.now())) ==\n\(text)")
  }
}
