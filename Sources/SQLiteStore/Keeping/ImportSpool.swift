import Glibc
import IntegrationStore
import Synchronization

/// The lines of an import while they arrive: a file in the data directory.
final class ImportSpool: Sendable {
  /// How long nothing may be added before an import is forgotten: 10 minutes.
  static let maximumIdle = Duration.seconds(600)
  private static let prefix = "import-"
  private static let ending = ".spool"

  let id: String
  let path: String
  private let maximumBytes: Int64
  private struct State {
    var file: Int32
    var lines: UInt64 = 0
    var bytes: Int64 = 0
    var touched = ContinuousClock.now
  }
  private let state: Mutex<State>

  init(in directory: String, maximumBytes: Int64) throws(StoreFailure) {
    var generator = SystemRandomNumberGenerator()
    id = String(generator.next() as UInt64, radix: 36)
    path = "\(directory)/\(Self.prefix)\(id)\(Self.ending)"
    self.maximumBytes = maximumBytes
    let file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .system("create", path, reason: "IMPORT_NOT_POSSIBLE") }
    state = Mutex(State(file: file))
  }

  deinit { state.withLock { _ = close($0.file) } }

  var lines: UInt64 { state.withLock { $0.lines } }
  var isStale: Bool { state.withLock { ContinuousClock.now - $0.touched > Self.maximumIdle } }

  /// Appends lines.
  func add(firstLine: UInt64, _ lines: [String]) throws(StoreFailure) -> UInt64 {
    var bytes: [UInt8] = []
    for line in lines {
      bytes.append(contentsOf: line.utf8)
      bytes.append(UInt8(ascii: "\n"))
    }
    let refusal = state.withLock { state -> StoreFailure? in
      guard firstLine == state.lines + 1 else {
        return StoreFailure(
          .invalidArgument, "IMPORT_INVALID",
          "expected line \(state.lines + 1) next; the step begins with line \(firstLine)")
      }
      guard !lines.contains(where: { $0.utf8.contains(UInt8(ascii: "\n")) }) else {
        return StoreFailure(
          .invalidArgument, "IMPORT_INVALID", "a line of the step has a line break inside")
      }
      guard state.bytes + Int64(bytes.count) <= maximumBytes else {
        return StoreFailure(
          .resourceExhausted, "IMPORT_TOO_LARGE",
          "an import has at most \(maximumBytes) bytes (--maximum-import-bytes)")
      }
      if let failure = Self.write(bytes, to: state.file, path) { return failure }
      state.lines += UInt64(lines.count)
      state.bytes += Int64(bytes.count)
      state.touched = .now
      return nil
    }
    if let refusal { throw refusal }
    return self.lines
  }

  private static func write(_ bytes: [UInt8], to file: Int32, _ path: String) -> StoreFailure? {
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { bytes in
        unsafe Glibc.write(file, bytes.baseAddress! + offset, bytes.count - offset)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return .system("write", path, reason: "IMPORT_NOT_POSSIBLE") }
      offset += count
    }
    return nil
  }

  /// Removes the file; an import that reads it goes on.
  func remove() { _ = unsafe unlink(path) }

  /// Calls `body` with each line; its number counts from 1.
  func forEachLine(_ body: (Int, String) throws -> Void) throws {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      throw StoreFailure.system("read", path, reason: "IMPORT_NOT_POSSIBLE")
    }
    defer { close(file) }
    var (rest, number) = ([UInt8](), 0)
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = unsafe read(file, &buffer, buffer.count)
      guard count >= 0 else {
        throw StoreFailure.system("read", path, reason: "IMPORT_NOT_POSSIBLE")
      }
      if count == 0 { return }
      var start = 0
      for position in 0..<count where buffer[position] == UInt8(ascii: "\n") {
        rest.append(contentsOf: buffer[start..<position])
        number += 1
        try body(number, String(decoding: rest, as: UTF8.self))
        rest.removeAll(keepingCapacity: true)
        start = position + 1
      }
      rest.append(contentsOf: buffer[start..<count])
    }
  }

  /// Removes what a server left that ended in the middle of an import.
  static func removeLeftovers(in directory: String) {
    guard let list = unsafe opendir(directory) else { return }
    defer { unsafe closedir(list) }
    while let entry = unsafe readdir(list) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if name.hasPrefix(prefix), name.hasSuffix(ending) {
        _ = unsafe unlink("\(directory)/\(name)")
      }
    }
  }
}
