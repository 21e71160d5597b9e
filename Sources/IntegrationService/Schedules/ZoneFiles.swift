import Dispatch
import Glibc
import IntegrationModel
import Synchronization

/// Why the rules of a zone are not to be had.
enum ZoneFailure: Error, Hashable {
  /// The name can be none.
  case nameInvalid(String)
  /// There are no zone files at all.
  case filesMissing(directory: String)
  /// There is no such zone; near names, which may be none.
  case unknown(name: String, near: [String])
  /// Its file cannot be used.
  case unusable(name: String, problem: String)

  /// What was expected, what came, what to do.
  var message: String {
    switch self {
    case .nameInvalid(let complaint): complaint
    case .filesMissing(let directory):
      "the server has no time zones in \(directory): install the package tzdata there, or use UTC"
    case .unknown(let name, let near):
      "there is no time zone \"\(name)\""
        + (near.isEmpty
          ? "; expected a name such as Europe/Berlin"
          : "; did you mean \(near.joined(separator: " or "))?")
    case .unusable(let name, let problem):
      "the file of time zone \(name) cannot be used: \(problem); install the package tzdata again"
    }
  }
}

/// Reads the system's time zones, each once; files are read on a queue of its own.
///
/// Changed files are taken up when the server starts again. UTC needs no file.
final class ZoneFiles: Sendable {
  /// Where the files are.
  let directory: String
  private let queue = DispatchQueue(label: "integrationd.zones")
  private let zones = Mutex<[String: ZoneRules]>([:])

  init(directory: String) { self.directory = directory }

  /// The rules of a zone that was loaded before; UTC always was.
  func loaded(_ name: String) -> ZoneRules? {
    Self.isUTC(name) ? .utc : zones.withLock { $0[name] }
  }

  /// The rules of a zone.
  func load(_ name: String) async throws(ZoneFailure) -> ZoneRules {
    if let known = loaded(name) { return known }
    if let complaint = ZoneRules.complaint(name: name) { throw .nameInvalid(complaint) }
    let result = await withCheckedContinuation { continuation in
      queue.async { [self] in
        continuation.resume(returning: Result { () throws(ZoneFailure) in try read(name) })
      }
    }
    return try result.get()
  }

  private static func isUTC(_ name: String) -> Bool {
    name.isEmpty || name == "UTC" || name == "Etc/UTC"
  }

  private func read(_ name: String) throws(ZoneFailure) -> ZoneRules {
    guard let bytes = Self.bytes(of: "\(directory)/\(name)") else {
      let names = names()
      guard !names.isEmpty else { throw .filesMissing(directory: directory) }
      throw .unknown(name: name, near: ZoneNames.near(to: name, among: names))
    }
    do throws(ZoneProblem) {
      let rules = try ZoneRules(tzif: bytes)
      zones.withLock { $0[name] = rules }
      return rules
    } catch {
      throw .unusable(name: name, problem: error.description)
    }
  }

  /// A file's bytes, up to one more than the longest that is read; nil: it is no readable file.
  private static func bytes(of path: String) -> [UInt8]? {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var facts = stat()
    guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
      return nil
    }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while bytes.count <= ZoneRules.maximumFileBytes {
      let count = unsafe buffer.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      bytes.append(contentsOf: buffer.prefix(count))
    }
    return bytes
  }

  // MARK: - Names

  /// The most names that are collected; there are some 600.
  private static let maximumNames = 5_000

  /// The names of all zones, for suggestions; read anew each time, for errors are rare.
  private func names() -> [String] {
    var names: [String] = []
    collect(below: "", depth: 0, into: &names)
    return names
  }

  private func collect(below prefix: String, depth: Int, into names: inout [String]) {
    guard let listing = unsafe opendir("\(directory)/\(prefix)") else { return }
    defer { unsafe closedir(listing) }
    while names.count < Self.maximumNames, let entry = unsafe readdir(listing) {
      let kind = unsafe Int32(entry.pointee.d_type)
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      // Zones begin with a capital letter; what does not is lists, or the same zones again.
      guard let first = name.utf8.first, (65...90).contains(first),
        ZoneRules.complaint(name: name) == nil
      else { continue }
      if kind == Int32(DT_DIR) {
        if depth < 2 { collect(below: "\(prefix)\(name)/", depth: depth + 1, into: &names) }
      } else {
        names.append("\(prefix)\(name)")
      }
    }
  }
}
