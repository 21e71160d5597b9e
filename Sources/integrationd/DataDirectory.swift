import Glibc

/// A data directory that cannot be made.
struct DataDirectoryError: Error, CustomStringConvertible {
  let description: String
}

/// The place of everything that the server keeps.
enum DataDirectory {
  /// Makes the directory with its parents, readable by its owner alone; one that is there stays as
  /// it is.
  ///
  /// What is made is on disk when this returns: a power failure takes away a directory whose parent
  /// was not synced, with everything in it.
  static func makeIfMissing(_ path: String) throws(DataDirectoryError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += made.isEmpty || made == "/" ? "\(part)" : "/\(part)"
      if unsafe mkdir(made, 0o700) == 0 {
        guard syncParent(of: made) else { throw failure(path, made, errno) }
        continue
      }
      // One that is there may be refused with another code, as on a read-only file system.
      let code = errno
      if code != EEXIST, unsafe access(made, F_OK) != 0 { throw failure(path, made, code) }
    }
  }

  private static func failure(_ path: String, _ made: String, _ code: Int32) -> DataDirectoryError {
    let problem = unsafe String(cString: strerror(code))
    return DataDirectoryError(
      description: "the data directory \(path) cannot be made: \(made): \(problem); make it, or "
        + "name another with --data")
  }

  private static func syncParent(of path: String) -> Bool {
    let slash = path.lastIndex(of: "/")
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let directory = unsafe open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return false }
    defer { close(directory) }
    return fsync(directory) == 0
  }
}
