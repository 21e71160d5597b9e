import Glibc

/// What the system refused to do with a file.
struct FileFault: Error {
  /// What was to be done, as in "cannot open".
  let deed: String
  let path: String
  /// The system's number for the reason.
  let number: Int32

  /// Whether names can be neither read nor synced there, as in a directory of root's or on a
  /// read-only file system: no try will bring more.
  var isOfPlace: Bool { [EACCES, EPERM, EROFS, EINVAL].contains(number) }
}

/// Files, and names in directories, that are to outlive a power failure.
enum FileSync {
  /// Waits until a file is on disk, or the names in a directory.
  static func sync(_ path: String) throws(FileFault) {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw FileFault(deed: "open", path: path, number: errno) }
    defer { close(file) }
    guard fsync(file) == 0 else {
      throw FileFault(deed: "bring to disk", path: path, number: errno)
    }
  }

  /// Waits until a file's or a directory's own name is on disk, without which a power failure takes
  /// it away with everything in it.
  static func syncName(of path: String) throws(FileFault) { try sync(folder(of: path)) }

  /// The directory that a path's last name stands in.
  static func folder(of path: String) -> String {
    let name = path.lastIndex { $0 != "/" } ?? path.startIndex
    guard let slash = path[..<name].lastIndex(of: "/") else { return "." }
    guard let end = path[..<slash].lastIndex(where: { $0 != "/" }) else { return "/" }
    return String(path[...end])
  }
}
