import Foundation

/// A directory of a test's own, removed when the last reference goes.
///
/// Its path is short, because a Unix socket's path has room for 107 bytes only.
public final class ScratchDirectory: Sendable {
  /// The absolute path.
  public let path: String

  /// Creates the directory under the system's temporary directory.
  public init() throws {
    var template = Array("/tmp/imXXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemCallFailed("mkdtemp") }
    path = String(cString: made)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of an entry, which need not exist.
  public func file(_ name: String) -> String { path + "/" + name }

  /// Removes an entry that may be there.
  public func remove(_ name: String) { try? FileManager.default.removeItem(atPath: file(name)) }

  /// The files, over all levels, whose bytes hold a text.
  public func files(with text: String) throws -> [String] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: path)
    return names.filter { name in
      Data(bytes(ofFile: file(name)) ?? []).range(of: Data(text.utf8)) != nil
    }
  }

  /// Writes a file and returns its path.
  @discardableResult
  public func write(_ text: String, to name: String) throws -> String {
    let target = file(name)
    try text.write(toFile: target, atomically: true, encoding: .utf8)
    return target
  }
}

/// A system call that failed, with the error's number at that moment.
public struct SystemCallFailed: Error, CustomStringConvertible {
  /// The call's name.
  public let call: String
  /// `errno` after the call.
  public let number: Int32
  /// The call, the error's text and its number.
  public var description: String { "\(call): \(String(cString: strerror(number))) (\(number))" }

  /// Takes `errno` of the calling thread unless another number is given.
  public init(_ call: String, number: Int32 = errno) {
    self.call = call
    self.number = number
  }
}
