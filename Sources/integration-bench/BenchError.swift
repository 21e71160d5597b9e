import Glibc

/// Why a benchmark could not run: what was expected, what came, what to do.
struct BenchError: Error, CustomStringConvertible {
  /// How the program exits.
  enum Kind: Int32 {
    /// Refused, or the server did something wrong.
    case refused = 1
    /// Wrong usage.
    case usage = 2
    /// The server is not reached.
    case unreachable = 3
  }

  let kind: Kind
  let description: String

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  /// A system call that failed just now.
  static func system(_ call: String, number: Int32 = errno) -> BenchError {
    BenchError(.refused, "\(call): \(unsafe String(cString: strerror(number)))")
  }
}
