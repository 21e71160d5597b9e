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

  /// Makes the directory with its parents; one that is there stays as it is.
  ///
  /// Its name is on disk when this returns, also where a run that was killed made it and came no
  /// further: what is promised in it would go with it when the power does.
  private static func create(_ path: String) throws(StoreError) {
    if unsafe mkdir(path, 0o700) == 0 { return try syncName(of: path) }
    var code = errno
    let parent = FileSync.folder(of: path)
    if code == ENOENT, parent != path, parent != "." {
      try create(parent)
      if unsafe mkdir(path, 0o700) == 0 { return try syncName(of: path) }
      code = errno
    }
    guard code == EEXIST else { throw systemError("create", path, code) }
    var information = stat()
    guard unsafe stat(path, &information) == 0 else { throw systemError("look at", path) }
    guard information.st_mode & S_IFMT == S_IFDIR else {
      throw StoreError(.notADirectory, "\(path) is not a directory; name one as data directory")
    }
    try syncFoundName(of: path)
  }

  /// Where names can be neither read nor synced, as in a directory of root's or on a read-only file
  /// system, no run has made this one and gone on: its own sync was refused.
  private static func syncFoundName(of path: String) throws(StoreError) {
    do throws(FileFault) {
      try FileSync.syncName(of: path)
    } catch {
      guard error.isOfPlace else {
        throw systemError(error.deed, error.path, error.number)
      }
    }
  }

  private static func syncName(of path: String) throws(StoreError) {
    do throws(FileFault) {
      try FileSync.syncName(of: path)
    } catch {
      throw systemError(error.deed, error.path, error.number)
    }
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
