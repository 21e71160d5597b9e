import Glibc
import IntegrationStore
import SQLiteDatabase

extension SQLiteStore {
  /// Puts a copy of a backup into a data directory that has no database yet.
  ///
  /// Throws a `StoreError`: `inUse` where a server uses the directory, `permission` or
  /// `inputOutput` with what the system said, `damaged` where the file is no backup, is not whole,
  /// or the directory has a database already. Then nothing is left.
  public static func restore(_ file: String, into directory: String) throws(StoreError) {
    let directory = try DataDirectory(path: directory)
    var information = stat()
    guard unsafe lstat(directory.database, &information) != 0 else {
      throw StoreError(
        .damaged,
        "\(directory.path) has a database already, and a restore never overwrites: move its "
          + "integrations.db away first, name an empty data directory, or start without --restore")
    }
    try checkBackup(file)
    let unfinished = directory.database + ".restoring"
    do throws(StoreError) {
      try copy(file, to: unfinished)
      try BackupInspection(name: file, copy: unfinished).run()
      try removeOldLog(of: directory.database)
      try sync(directory.path)
      guard unsafe rename(unfinished, directory.database) == 0 else {
        throw systemError("rename", unfinished)
      }
      try sync(directory.path)
    } catch {
      _ = unsafe unlink(unfinished)
      throw error
    }
  }

  /// Removes what an earlier database left beside it, also on disk: SQLite would take its commits
  /// into the one that comes.
  private static func removeOldLog(of database: String) throws(StoreError) {
    for path in ["-wal", "-shm", "-journal"].map({ database + $0 }) {
      guard unsafe unlink(path) == 0 || errno == ENOENT else { throw systemError("remove", path) }
    }
  }

  /// Refuses a file that is no database of this program.
  private static func checkBackup(_ path: String) throws(StoreError) {
    do {
      var information = stat()
      guard unsafe stat(path, &information) == 0 else { throw systemError("read", path) }
      let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { throw systemError("read", path) }
      defer { Glibc.close(file) }
      var head = [UInt8](repeating: 0, count: 100)
      let count = unsafe read(file, &head, head.count)
      let owner = head[68..<72].reduce(Int64(0)) { $0 << 8 | Int64($1) }
      guard count == head.count, head.starts(with: "SQLite format 3".utf8),
        owner == Schema.applicationID
      else {
        throw StoreError(
          .damaged, "\(path) is no backup of integrationd: integrationctl server backup makes one")
      }
    } catch let error as StoreError {
      throw error
    } catch {
      throw StoreError(.inputOutput, "cannot read \(path): \(error)")
    }
  }

  private static func copy(_ path: String, to target: String) throws(StoreError) {
    let from = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard from >= 0 else { throw systemError("read", path) }
    defer { Glibc.close(from) }
    _ = unsafe unlink(target)
    let to = unsafe open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard to >= 0 else { throw systemError("create", target) }
    defer { Glibc.close(to) }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = unsafe read(from, &buffer, buffer.count)
      guard count >= 0 else { throw systemError("read", path) }
      if count == 0 { break }
      var offset = 0
      while offset < count {
        let written = unsafe buffer.withUnsafeBytes { bytes in
          guard let base = bytes.baseAddress else { return 0 }
          return unsafe write(to, base + offset, count - offset)
        }
        guard written > 0 else { throw systemError("write", target) }
        offset += written
      }
    }
    guard fsync(to) == 0 else { throw systemError("bring to disk", target) }
  }

  private static func sync(_ path: String) throws(StoreError) {
    do throws(FileFault) {
      try FileSync.sync(path)
    } catch {
      throw systemError(error.deed, error.path, error.number)
    }
  }

  private static func systemError(
    _ deed: String, _ path: String, _ number: Int32 = errno
  ) -> StoreError {
    let text = unsafe String(cString: strerror(number))
    let isAccess = [EACCES, EPERM, EROFS].contains(number)
    return StoreError(isAccess ? .permission : .inputOutput, "cannot \(deed) \(path): \(text)")
  }
}
