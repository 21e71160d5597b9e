import Glibc

/// A file that a verb makes: private, never over another, and gone again when the verb fails.
struct NewFile: ~Copyable {
  let path: String
  private let descriptor: Int32
  private var isKept = false

  init(_ path: String) throws(Failure) {
    // Nothing of the value is set before the file is its own: else its end would remove another's.
    let made = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard made >= 0 else {
      let code = errno
      throw Failure(
        .refused, "\(path) cannot be made: \(Failure.systemMessage(code))",
        next: code == EEXIST ? "Choose another name; nothing is ever overwritten." : "")
    }
    self.path = path
    descriptor = made
    UnfinishedFile.begin(path)
  }

  deinit {
    close(descriptor)
    if !isKept { unsafe unlink(path) }
    UnfinishedFile.forget()
  }

  /// Appends a text.
  func write(_ text: String) throws(Failure) {
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return 0 }
        return unsafe Glibc.write(descriptor, start + offset, bytes.count - offset)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw Failure(
          .refused, "\(path) cannot be written: \(Failure.systemMessage(errno)); it is removed")
      }
      offset += count
    }
  }

  /// Brings the file to disk, and keeps it.
  mutating func keep() throws(Failure) {
    guard fsync(descriptor) == 0 else {
      throw Failure(
        .refused, "\(path) cannot be brought to disk: \(Failure.systemMessage(errno))")
    }
    isKept = true
    UnfinishedFile.forget()
  }
}

/// The file that Ctrl-C removes.
enum UnfinishedFile {
  /// Its path; nil: there is none.
  ///
  /// The program makes one file in its life.
  nonisolated(unsafe) private static var path: UnsafeMutablePointer<CChar>?
  // A signal's handler reads it whenever it comes: it is one pointer, set when the file is there
  // and reset when it is whole or gone.

  /// The path's memory, which stays: a handler may have read the pointer.
  nonisolated(unsafe) private static var memory: UnsafeMutablePointer<CChar>?
  // Touched by the thread that makes the file.

  /// The file is there.
  fileprivate static func begin(_ name: String) {
    unsafe memory = strdup(name)
    unsafe path = memory
  }

  /// The file is whole, or gone.
  fileprivate static func forget() { unsafe path = nil }

  /// Removes it; in a signal's handler too.
  static func remove() {
    if let path = unsafe path { _ = unsafe unlink(path) }
  }
}

/// Lines of a file or of standard input, read in pieces.
struct LineReader: ~Copyable {
  private let descriptor: Int32
  private let name: String
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  private var rest: [UInt8] = []
  private var isAtEnd = false
  /// Longer lines fit no message.
  private static let maximumLineBytes = 3_900_000

  /// `-` is standard input.
  init(_ path: String) throws(Failure) {
    let opened = path == "-" ? dup(STDIN_FILENO) : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else {
      throw Failure(.refused, "\(path) cannot be read: \(Failure.systemMessage(errno))")
    }
    name = path
    descriptor = opened
  }

  deinit { close(descriptor) }

  /// The next lines, of about so many bytes together; none: there are no more.
  mutating func lines(bytes wanted: Int) throws(Failure) -> [String] {
    var (lines, bytes) = ([String](), 0)
    while bytes < wanted, !isAtEnd {
      let count = unsafe read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw Failure(.refused, "\(name) cannot be read: \(Failure.systemMessage(errno))")
      }
      var start = 0
      for position in 0..<count where buffer[position] == UInt8(ascii: "\n") {
        rest.append(contentsOf: buffer[start..<position])
        start = position + 1
        bytes += rest.count
        lines.append(String(decoding: rest, as: UTF8.self))
        rest.removeAll(keepingCapacity: true)
      }
      rest.append(contentsOf: buffer[start..<count])
      guard rest.count <= Self.maximumLineBytes else {
        throw Failure(
          .refused,
          "\(name) has a line of more than \(Self.maximumLineBytes) bytes: no export "
            + "writes such lines")
      }
      if count == 0 {
        isAtEnd = true
        if !rest.isEmpty { lines.append(String(decoding: rest, as: UTF8.self)) }
        rest = []
      }
    }
    return lines
  }
}
