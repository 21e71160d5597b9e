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

  /// How text for people looks now.
  var presentation: Presentation {
    Presentation(width: width, hasColour: hasColour, now: now())
  }

  /// The process's own streams.
  static func process(environment: Environment) -> Console {
    let isTerminal = StandardStream.output.isTerminal
    let hasColour =
      isTerminal && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb"
    return Console(
      write: writeToOutput,
      warn: { StandardStream.error.write($0) },
      ask: isatty(STDIN_FILENO) == 1 && StandardStream.error.isTerminal ? askOnTerminal : nil,
      width: TerminalWidth.columns(of: .output, environment: environment),
      hasColour: hasColour,
      now: { .now },
      interrupts: .process,
      progress: StandardStream.error.isTerminal ? showProgress : nil)
  }

  @Sendable private static func writeToOutput(_ text: String) throws(Failure) {
    switch StandardStream.output.write(text) {
    case .written: return
    case .readerGone: throw .outputClosed
    case .failed(let code):
      throw Failure(
        .refused, "standard output cannot be written: \(Failure.systemMessage(code))",
        next: "Free some space or send the output elsewhere.")
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
