import CommandLineOptions
import Glibc

/// A secret from standard input: typed without echo on a terminal, else the first line.
enum SecretInput {
  /// More than any token has.
  private static let maximumBytes = 4096

  /// The line without its end; empty when there is none.
  @Sendable static func read(_ prompt: String) -> String {
    guard isatty(STDIN_FILENO) == 1 else { return firstLine() }
    StandardStream.error.write(prompt)
    var settings = termios()
    guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return firstLine() }
    // Ctrl-C would end the program and leave the terminal silent.
    let old = signal(SIGINT, SIG_IGN)
    var silent = settings
    silent.c_lflag &= ~tcflag_t(ECHO | ISIG)
    _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
    let line = firstLine()
    _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
    signal(SIGINT, old)
    StandardStream.error.write("\n")
    // With ISIG off Ctrl-C arrives as a character.
    if line.utf8.contains(3) { exit(ExitCode.interrupted.rawValue) }
    return line
  }

  private static func firstLine() -> String {
    var bytes: [UInt8] = []
    while bytes.count < maximumBytes {
      guard let byte = FileText.read(STDIN_FILENO, maximumBytes: 1)?.first, byte != 10 else {
        break
      }
      bytes.append(byte)
      if byte == 3 { break }
    }
    if bytes.last == 13 { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
