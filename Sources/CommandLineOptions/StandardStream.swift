import Glibc

/// Standard output or standard error, written whole or not at all.
public enum StandardStream: Int32, Sendable {
  /// Standard output.
  case output = 1
  /// Standard error.
  case error = 2

  /// Writes all of the text; false when the reader is gone or the stream is full for good.
  ///
  /// Blocks while a pipe is full. SIGPIPE must be ignored for a false to come back.
  @discardableResult
  public func write(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count, let start = bytes.baseAddress {
        let written = unsafe Glibc.write(rawValue, start + sent, bytes.count - sent)
        if written < 0 {
          guard errno == EINTR else { return false }
          continue
        }
        sent += written
      }
      return true
    }
  }

  /// Whether a person reads it.
  public var isTerminal: Bool { isatty(rawValue) == 1 }
}

/// How wide text may be.
public enum TerminalWidth {
  /// The columns of a stream: from the terminal, else `COLUMNS`; nil when it is no terminal and
  /// `COLUMNS` is not set: unlimited.
  public static func columns(of stream: StandardStream, environment: Environment) -> Int? {
    if let text = environment["COLUMNS"], let columns = Int(text), (20...10_000).contains(columns) {
      return columns
    }
    guard stream.isTerminal else { return nil }
    var size = winsize()
    guard unsafe ioctl(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else {
      return 80
    }
    return Int(size.ws_col)
  }
}
