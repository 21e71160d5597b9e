import Glibc
import IntegrationStore

/// The directory of one server: created private, and locked against a second server.
///
/// The lock is `flock` on a file of its own, so that it ends with the process however that ends.
final class DataDirectory: Sendable {
  /// The directory's path.
  let path: String
  private let lock: Int32

  init(path: String) throws(StoreError) {
    self.path = path
    try Self.create(path)
    let file = path + "/lock"
    lock = unsafe open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw Self.systemError("open", file) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let number = errno
      Glibc.close(lock)
      if number == EWOULDBLOCK {
        throw StoreError(
          .inUse, "the data directory \(path) is in use by another server; stop it or name another")
      }
      throw Self.systemError("lock", file, number)
    }
  }

  deinit { Glibc.close(lock) }

  /// The database's path.
  var database: String { path + "/integrations.db" }

  /// Creates the database's file, so that only the server's user can read it.
  func createDatabase() throws(StoreError) {
    let file = unsafe open(database, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw Self.systemError("open", database) }
    Glibc.close(file)
  }

  private static func create(_ path: String) throws(StoreError) {
    if unsafe mkdir(path, 0o700) == 0 { return try syncParent(of: path) }
    if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
      try create(String(path[..<slash]))
      if unsafe mkdir(path, 0o700) == 0 { return try syncParent(of: path) }
    }
    guard errno == EEXIST else { throw systemError("create", path) }
    var information = stat()
    guard unsafe stat(path, &information) == 0 else { throw systemError("look at", path) }
    guard information.st_mode & S_IFMT == S_IFDIR else {
      throw StoreError(.notADirectory, "\(path) is not a directory; name one as data directory")
    }
  }

  /// Brings a new directory's name to disk, without which a power failure takes it away with
  /// everything in it.
  private static func syncParent(of path: String) throws(StoreError) {
    let slash = path.lastIndex(of: "/")
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let file = unsafe open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard file >= 0 else { throw systemError("open", parent) }
    defer { Glibc.close(file) }
    guard fsync(file) == 0 else { throw systemError("bring to disk", parent) }
  }

  private static func systemError(
    _ deed: String, _ path: String, _ number: Int32 = errno
  ) -> StoreError {
    let text = unsafe String(cString: strerror(number))
    switch number {
    case EACCES, EPERM, EROFS:
      return StoreError(
        .permission, "cannot \(deed) \(path): \(text); the server's user needs to read and write it"
      )
    default:
      return StoreError(.inputOutput, "cannot \(deed) \(path): \(text)")
    }
  }
}
