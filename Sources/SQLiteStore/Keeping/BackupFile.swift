import Glibc
import IntegrationStore

/// The file that a backup makes: written under another name, and linked into place when it is whole
/// and on disk, so that a name stands for a whole backup and nothing is ever overwritten.
struct BackupFile {
  /// What the name of an unfinished backup ends with.
  static let suffix = ".partial"
  /// Says in the data directory where an unfinished backup lies, so that the next start removes it.
  private static let marker = "backup.unfinished"

  let path: String
  let partial: String
  private let markerPath: String

  /// Makes the unfinished file, private to its owner.
  ///
  /// The data directory names it before it is there, also on disk: whatever ends the server, the
  /// next start finds what is left.
  init(_ path: String, directory: String) throws(StoreFailure) {
    self.path = path
    partial = path + Self.suffix
    markerPath = "\(directory)/\(Self.marker)"
    // The mark names one file: an older one, which no start could remove, would be forgotten.
    Self.removeLeftover(in: directory)
    var information = stat()
    if unsafe lstat(path, &information) == 0 { throw Self.exists(path) }
    if unsafe lstat(partial, &information) == 0 { throw Self.leftBehind(partial) }
    do throws(StoreFailure) {
      try mark()
      try Self.sync(directory)
    } catch {
      _ = unsafe unlink(markerPath)
      throw error
    }
    let file = unsafe open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      let failure =
        errno == EEXIST
        ? Self.leftBehind(partial)
        : .system("create", "\(path) on the server's machine", reason: "BACKUP_NOT_POSSIBLE")
      _ = unsafe unlink(markerPath)
      throw failure
    }
    close(file)
  }

  private static func leftBehind(_ partial: String) -> StoreFailure {
    StoreFailure(
      .alreadyExists, "BACKUP_FILE_EXISTS",
      "\(partial) exists: another backup is written there, or one was left behind; remove it")
  }

  private static func exists(_ path: String) -> StoreFailure {
    StoreFailure(
      .alreadyExists, "BACKUP_FILE_EXISTS",
      "\(path) exists, and a backup never overwrites; name a file that is not there")
  }

  private func mark() throws(StoreFailure) {
    let file = unsafe open(markerPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      throw .system("create", markerPath, reason: "BACKUP_NOT_POSSIBLE")
    }
    defer { close(file) }
    let bytes = Array(partial.utf8)
    let count = unsafe write(file, bytes, bytes.count)
    // A write that is cut short is one to a full disk, which says so only the next time.
    if count >= 0, count < bytes.count { errno = ENOSPC }
    guard count == bytes.count, fsync(file) == 0 else {
      throw .system("write", markerPath, reason: "BACKUP_NOT_POSSIBLE")
    }
  }

  /// Brings the file to disk and gives it its name.
  func publish() throws(StoreFailure) {
    try Self.sync(partial)
    guard unsafe link(partial, path) == 0 else {
      if errno == EEXIST { throw Self.exists(path) }
      throw .system("link the backup to", path, reason: "BACKUP_NOT_POSSIBLE")
    }
    let isGone = Self.remove(partial)
    do throws(StoreFailure) {
      try Self.sync(FileSync.folder(of: path))
    } catch {
      // A refused backup leaves nothing that looks like one.
      _ = unsafe unlink(path)
      throw error
    }
    if isGone { _ = unsafe unlink(markerPath) }
  }

  /// Whether nothing has this name any more.
  private static func remove(_ path: String) -> Bool { unsafe unlink(path) == 0 || errno == ENOENT }

  /// Removes what is unfinished.
  func remove() {
    _ = unsafe unlink(partial + "-journal")
    // Where it is not gone, also on disk, the next start removes it.
    guard Self.remove(partial) else { return }
    do throws(StoreFailure) { try Self.sync(FileSync.folder(of: path)) } catch { return }
    _ = unsafe unlink(markerPath)
  }

  private static func sync(_ path: String) throws(StoreFailure) {
    do throws(FileFault) {
      try FileSync.sync(path)
    } catch {
      throw .system(error.deed, error.path, error.number, reason: "BACKUP_NOT_POSSIBLE")
    }
  }

  /// Removes what a server left that ended in the middle of a backup.
  static func removeLeftover(in directory: String) {
    let markerPath = "\(directory)/\(marker)"
    let file = unsafe open(markerPath, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe read(file, &bytes, bytes.count)
    close(file)
    let path = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    if path.hasPrefix("/"), path.hasSuffix(suffix) {
      guard remove(path) else { return }
      // Behind a power failure it would be there again, and nothing would say where.
      do throws(FileFault) {
        try FileSync.sync(FileSync.folder(of: path))
      } catch {
        // A folder that is gone has taken it along.
        guard error.number == ENOENT || error.isOfPlace else { return }
      }
    }
    _ = unsafe unlink(markerPath)
  }
}
