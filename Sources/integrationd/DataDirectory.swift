import Glibc

/// A data directory that cannot be made.
struct DataDirectoryError: Error, CustomStringConvertible {
  let description: String
}

/// The place of everything that the server keeps.
enum DataDirectory {
  /// Makes the directory with its parents, readable by its owner alone; one that is there stays as
  /// it is.
  static func makeIfMissing(_ path: String) throws(DataDirectoryError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += made.isEmpty || made == "/" ? "\(part)" : "/\(part)"
      guard unsafe mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
      let code = errno
      // One that is there may be refused with another code, as on a read-only file system.
      if unsafe access(made, F_OK) == 0 { continue }
      let problem = unsafe String(cString: strerror(code))
      throw DataDirectoryError(
        description: "the data directory \(path) cannot be made: \(made): \(problem); make it, or "
          + "name another with --data")
    }
  }
}
