import Glibc

/// What the program's exit says.
enum ExitCode: Int32, Sendable {
  case done = 0
  /// The server refused, or the work could not be done.
  case refused = 1
  /// The command line is wrong.
  case usage = 2
  /// The server was not reached or did not answer.
  case notReached = 3
  /// The caller may not do this.
  case notAllowed = 4
  /// What was named does not exist.
  case notFound = 5
  /// Ctrl-C.
  case interrupted = 130
}

/// Why a verb ended early, in the words that standard error gets.
struct Failure: Error, Equatable, Sendable {
  let code: ExitCode
  let message: String
  /// Stable and for programs: `LOG_UNKNOWN`.
  let reason: String
  /// Each wrong field with what was expected of it.
  let details: [String]
  /// What to do next; empty when there is nothing to say.
  let next: String

  init(
    _ code: ExitCode, _ message: String, reason: String = "", details: [String] = [],
    next: String = ""
  ) {
    self.code = code
    self.message = message
    self.reason = reason
    self.details = details
    self.next = next
  }

  /// The same failure with one more thing to do.
  func adding(next more: String) -> Failure {
    Failure(
      code, message, reason: reason, details: details,
      next: next.isEmpty ? more : "\(next) \(more)")
  }

  /// Nobody reads standard output any longer (`| head`): a quiet end.
  static let outputClosed = Failure(.done, "")

  /// The lines for standard error.
  var text: String {
    guard !message.isEmpty else { return "" }
    var lines = ["integrationctl: \(message)" + (reason.isEmpty ? "" : " [\(reason)]")]
    lines += details.map { "  \($0)" }
    if !next.isEmpty { lines.append(next) }
    return lines.map(DisplayWidth.printable).joined(separator: "\n") + "\n"
  }

  /// The system's words for an errno; glibc keeps strerror's text per thread.
  static func systemMessage(_ code: Int32) -> String {
    guard let text = unsafe strerror(code) else { return "errno \(code)" }
    return unsafe String(cString: text)
  }
}
