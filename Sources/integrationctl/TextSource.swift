import CommandLineOptions
import Glibc

/// A text that a command line names: itself, or a file.
enum TextSource: Equatable, Sendable {
  case text(String)
  /// `-` is standard input.
  case file(String)

  /// The longest JSON document that the server takes.
  static let maximumDocumentBytes = 262_144

  /// The text, at most a document's length.
  func read() throws(Failure) -> String {
    switch self {
    case .text(let text): return text
    case .file(let path):
      let bytes = try FileBytes.read(path, maximum: Self.maximumDocumentBytes)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw Failure(.usage, "\(FileBytes.name(path)) is not UTF-8")
      }
      return text
    }
  }
}

extension ValueForm where Value == TextSource {
  /// JSON, or `@FILE` for what the file says.
  static var document: ValueForm {
    ValueForm(
      "JSON",
      parse: { text throws(ValueProblem) in
        if text.hasPrefix("@") {
          guard text.utf8.count > 1 else { throw ValueProblem(expected: "a file behind @") }
          return .file(String(text.dropFirst()))
        }
        guard text.utf8.count <= TextSource.maximumDocumentBytes else {
          throw ValueProblem(
            expected: "at most \(TextSource.maximumDocumentBytes) bytes (this has "
              + "\(text.utf8.count))")
        }
        return .text(text)
      },
      format: { source in
        switch source {
        case .text(let text): text
        case .file(let path): "@\(path)"
        }
      })
  }
}

/// Files that are read whole.
enum FileBytes {
  /// What messages call a file.
  static func name(_ path: String) -> String { path == "-" ? "standard input" : path }

  /// The bytes of a file, `-` for standard input; one that is longer than `maximum` is refused.
  static func read(_ path: String, maximum: Int) throws(Failure) -> [UInt8] {
    let descriptor = path == "-" ? STDIN_FILENO : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(path, errno) }
    defer { if path != "-" { close(descriptor) } }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw unreadable(path, errno) }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
      guard bytes.count <= maximum else {
        throw Failure(
          .usage, "\(name(path)) has more than \(maximum) bytes, the most that is read",
          next: "Divide it.")
      }
    }
  }

  private static func unreadable(_ path: String, _ code: Int32) -> Failure {
    Failure(.usage, "\(name(path)) cannot be read: \(Failure.systemMessage(code))")
  }
}
