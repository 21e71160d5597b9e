import CommandLineOptions
import Glibc

/// Where a verb writes and what it may ask; tests put their own in its place.
struct Console: Sendable {
  /// Standard output.
  var write: @Sendable (String) throws(Failure) -> Void
  /// Standard error.
  var warn: @Sendable (String) -> Void
  /// Puts a question to a person; nil where nobody can answer.
  var ask: (@Sendable (String) -> Bool)?
  /// What standard output can show, except the time.
  var width: Int?
  var hasColour: Bool
  /// The clock that relative times start from.
  var now: @Sendable () -> WallTime
  /// How long work hears of Ctrl-C.
  var interrupts = Interrupts.never
  /// Shows how far long work is, in place of what it showed before; nil where nobody looks.
  var progress: (@Sendable (String) -> Void)?
  /// Whether standard output can show other characters than ASCII's.
  var hasUnicode = true
  /// The lines of the terminal; nil where standard output is none.
  var height: Int?
  /// Shows long text page by page; false when that cannot be done, nil where nobody wants it.
  var page: (@Sendable (String) -> Bool)?
  /// Reads a secret after a prompt, without echo on a terminal.
  var readSecret: @Sendable (_ prompt: String) -> String = { _ in "" }
  /// The present size of the terminal, which may change; nil where it cannot.
  var measure: (@Sendable () -> (width: Int?, height: Int?))?
  /// Waits between two looks.
  var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

  /// How text for people looks now.
  var presentation: Presentation {
    Presentation(width: width, hasColour: hasColour, now: now(), hasUnicode: hasUnicode)
  }

  /// The process's own streams.
  static func process(environment: Environment) -> Console {
    let isTerminal = StandardStream.output.isTerminal
    var console = Console(
      write: writeToOutput,
      warn: { StandardStream.error.write($0) },
      ask: isatty(STDIN_FILENO) == 1 && StandardStream.error.isTerminal ? askOnTerminal : nil,
      width: TerminalWidth.columns(of: .output, environment: environment),
      hasColour: hasColour(isTerminal: isTerminal, environment),
      now: { .now },
      interrupts: .process,
      progress: StandardStream.error.isTerminal ? showProgress : nil,
      hasUnicode: isUnicode(environment))
    console.readSecret = SecretInput.read
    guard isTerminal else { return console }
    console.height = TerminalWidth.rows(of: .output)
    console.measure = {
      (
        TerminalWidth.columns(of: .output, environment: environment),
        TerminalWidth.rows(of: .output)
      )
    }
    if environment["TERM"] != "dumb", let pager = Pager(environment: environment) {
      console.page = { pager.show($0) }
    }
    return console
  }

  /// Whether the locale's text is UTF-8; a terminal without a locale is not asked for more than
  /// ASCII, a file is.
  private static func isUnicode(_ environment: Environment) -> Bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"]
    let locale = names.compactMap { environment[$0] }.first { !$0.isEmpty }
    guard let locale else { return !StandardStream.output.isTerminal }
    let folded = locale.lowercased()
    return folded.contains("utf-8") || folded.contains("utf8")
  }

  /// The same console with the terminal's present size.
  func measured() -> Console {
    guard let measure else { return self }
    var copy = self
    (copy.width, copy.height) = measure()
    return copy
  }

  /// Colour for a terminal, and for whoever sets CLICOLOR_FORCE; never with NO_COLOR, which wins.
  static func hasColour(isTerminal: Bool, _ environment: Environment) -> Bool {
    if environment["NO_COLOR"] != nil { return false }
    if let force = environment["CLICOLOR_FORCE"], force != "0" { return true }
    return isTerminal && environment["TERM"] != "dumb" && environment["CLICOLOR"] != "0"
  }

  /// Writes text for people, through the pager when it is longer than the terminal.
  func show(_ text: String) throws(Failure) {
    if let height, let page, rows(of: text) >= height, page(text) { return }
    try write(text)
  }

  /// The terminal's lines that text takes; a long line goes on in the next one.
  private func rows(of text: String) -> Int {
    text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().reduce(0) {
      $0 + DisplayWidth.rows(String($1), width: width)
    }
  }

  @Sendable private static func writeToOutput(_ text: String) throws(Failure) {
    switch StandardStream.output.write(text) {
    case .written: return
    case .readerGone: throw .outputClosed
    case .failed(let code):
      throw Failure(
        .refused, "standard output cannot be written: \(Failure.systemMessage(code))",
        next: code == EBADF ? "It is closed; send it somewhere." : "Send it somewhere else.")
    }
  }

  @Sendable private static func showProgress(_ text: String) {
    // Back to the beginning of the line, and away with what stands there.
    StandardStream.error.write("\r\u{1B}[2K" + text)
  }

  @Sendable private static func askOnTerminal(_ question: String) -> Bool {
    StandardStream.error.write("\(question) [y/N] ")
    guard let answer = readLine() else {
      StandardStream.error.write("\n")
      return false
    }
    return ["y", "yes"].contains(answer.lowercased())
  }
}
