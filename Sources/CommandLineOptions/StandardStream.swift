import Glibc

/// Standard output or standard error, written whole.
public enum StandardStream: Int32, Sendable {
  /// Standard output.
  case output = 1
  /// Standard error.
  case error = 2

  /// How a write ended.
  public enum Outcome: Sendable, Equatable {
    /// All of it is written.
    case written
    /// Nobody reads any longer (`| head`).
    case readerGone
    /// The system refused, with this errno.
    case failed(Int32)
  }

  /// Writes all of the text; blocks while a pipe is full.
  ///
  /// SIGPIPE must be ignored for `readerGone` to come back.
  @discardableResult
  public func write(_ text: String) -> Outcome {
    var text = text
    return text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count, let start = bytes.baseAddress {
        let written = unsafe Glibc.write(rawValue, start + sent, bytes.count - sent)
        if written < 0 {
          switch errno {
          case EINTR: continue
          case EPIPE: return .readerGone
          case let code: return .failed(code)
          }
        }
        sent += written
      }
      return .written
    }
  }

  /// Gives descriptors 0, 1 and 2 to `/dev/null` where the caller has closed them.
  ///
  /// Otherwise the next file or socket that opens would take the number, and messages would be
  /// written into it. What is written to a reserved stream fails. Called before all else.
  public static func reserveClosedDescriptors() {
    for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is this one, as those below it are open.
      _ = unsafe open("/dev/null", O_RDONLY)
    }
  }

  /// Whether a person reads it.
  public var isTerminal: Bool { isatty(rawValue) == 1 }
}

/// How wide text may be.
public enum TerminalWidth {
  /// The columns of a stream, at least 20: `COLUMNS`, else the terminal's; nil, which is unlimited,
  /// when it is no terminal and `COLUMNS` is not set.
  public static func columns(of stream: StandardStream, environment: Environment) -> Int? {
    if let text = environment["COLUMNS"], let columns = Int(text), (20...10_000).contains(columns) {
      return columns
    }
    guard stream.isTerminal else { return nil }
    var size = winsize()
    guard unsafe ioctl(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return 80
    }
    return max(20, Int(size.ws_col))
  }

  /// The lines of the terminal behind a stream; 24 where it does not say.
  public static func rows(of stream: StandardStream) -> Int {
    var size = winsize()
    guard unsafe ioctl(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else {
      return 24
    }
    return Int(size.ws_row)
  }
}
