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
  init(_ path: String, directory: String) throws(StoreFailure) {
    self.path = path
    partial = path + Self.suffix
    markerPath = "\(directory)/\(Self.marker)"
    var information = stat()
    if unsafe lstat(path, &information) == 0 { throw Self.exists(path) }
    let file = unsafe open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      if errno == EEXIST {
        throw StoreFailure(
          .alreadyExists, "BACKUP_FILE_EXISTS",
          "\(partial) exists: another backup is written there, or one was left behind; remove it")
      }
      throw .system("create", partial, reason: "BACKUP_NOT_POSSIBLE")
    }
    close(file)
    guard mark() else {
      let failure = StoreFailure.system("write", markerPath, reason: "BACKUP_NOT_POSSIBLE")
      remove()
      throw failure
    }
  }

  private static func exists(_ path: String) -> StoreFailure {
    StoreFailure(
      .alreadyExists, "BACKUP_FILE_EXISTS",
      "\(path) exists, and a backup never overwrites; name a file that is not there")
  }

  private func mark() -> Bool {
    let file = unsafe open(markerPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { return false }
    defer { close(file) }
    let bytes = Array(partial.utf8)
    return unsafe write(file, bytes, bytes.count) == bytes.count
  }

  /// Brings the file to disk and gives it its name.
  func publish() throws(StoreFailure) {
    try Self.sync(partial)
    guard unsafe link(partial, path) == 0 else {
      if errno == EEXIST { throw Self.exists(path) }
      throw .system("link the backup to", path, reason: "BACKUP_NOT_POSSIBLE")
    }
    _ = unsafe unlink(partial)
    _ = unsafe unlink(markerPath)
    let end = path.lastIndex(of: "/") ?? path.startIndex
    try Self.sync(end == path.startIndex ? "/" : String(path[..<end]))
  }

  /// Removes what is unfinished.
  func remove() {
    for path in [partial, partial + "-journal", markerPath] { _ = unsafe unlink(path) }
  }

  private static func sync(_ path: String) throws(StoreFailure) {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw .system("open", path, reason: "BACKUP_NOT_POSSIBLE") }
    defer { close(file) }
    guard fsync(file) == 0 else {
      throw .system("bring to disk", path, reason: "BACKUP_NOT_POSSIBLE")
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
    if path.hasPrefix("/"), path.hasSuffix(suffix) { _ = unsafe unlink(path) }
    _ = unsafe unlink(markerPath)
  }
}
