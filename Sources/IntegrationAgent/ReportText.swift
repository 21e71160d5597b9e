/// Keeps what handlers say within what the server takes, so that no attempt ends unreported because
/// its message was long.
enum ReportText {
  /// The server's limit for a status message.
  static let maximumMessageBytes = 4096
  /// The server's limit for a result.
  static let maximumResultBytes = 256 << 10
  /// The server's limit for the record errors of one report.
  static let maximumErrors = 1000
  /// Message and cause of one record error; 1,000 of them fit one frame of 4 MiB.
  static let maximumErrorBytes = 1024

  /// `text` without NUL and at most so many bytes of UTF-8, cut between characters.
  static func cut(_ text: String, maximumBytes: Int = maximumMessageBytes) -> String {
    let clean = text.utf8.contains(0) ? String(text.filter { $0 != "\0" }) : text
    guard clean.utf8.count > maximumBytes else { return clean }
    let mark = "…"
    var kept = Substring(clean)
    var bytes = clean.utf8.count
    while bytes > maximumBytes - mark.utf8.count, let last = kept.popLast() {
      bytes -= last.utf8.count
    }
    return kept + mark
  }

  /// The result and the message; a result that is too long is left out and the message says so.
  static func fitting(_ result: String, message: String) -> (result: String, message: String) {
    let bytes = result.utf8.count
    guard bytes > maximumResultBytes else { return (cut(result, maximumBytes: bytes), message) }
    let note = " (The result of \(bytes) bytes is left out: \(maximumResultBytes) is the limit.)"
    return ("", cut(message, maximumBytes: maximumMessageBytes - note.utf8.count) + note)
  }
}
