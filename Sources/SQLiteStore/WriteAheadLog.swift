import Glibc
import IntegrationStore

/// SQLite's write-ahead log as a file that is synced beside SQLite.
///
/// The writer commits without waiting for the disk (`synchronous=NORMAL`); what it has written to
/// the log before `sync` begins is durable when that returns. A descriptor of its own, open from
/// the start, hears of every failed write-back since (fsync(2)). SQLite keeps no POSIX lock on this
/// file, so closing it takes none away.
final class WriteAheadLog: Sendable {
  private let path: String
  private let file: Int32

  /// Opens the log of a database; the writer has made it.
  convenience init(database: String) throws(StoreError) {
    let file = unsafe open(database + "-wal", O_RDWR | O_CLOEXEC)
    guard file >= 0 else { throw Self.error("open", database + "-wal") }
    self.init(path: database + "-wal", adopting: file)
  }

  private init(path: String, adopting file: Int32) {
    self.path = path
    self.file = file
  }

  deinit { close(file) }

  /// How bytes are written at an offset of a file; the answer is that of pwrite(2).
  typealias Write = (_ file: Int32, _ bytes: ArraySlice<UInt8>, _ offset: Int) -> Int

  /// Writes what the log of a database holds once more, and waits until it is on disk.
  ///
  /// Before SQLite looks at it: what an earlier process left may stand in the system's cache
  /// alone. Where its sync failed, the cache calls those pages clean: no later sync writes them,
  /// reads still show them, and a power failure would take them away with every commit behind them.
  /// The bytes stay the same, so a power failure in the middle of this harms nothing.
  static func renew(database: String, write: Write = overwrite) throws(StoreError) {
    let file = unsafe open(database + "-wal", O_RDWR | O_CLOEXEC)
    guard file >= 0 else {
      // No log; or one that is not this user's, as SQLite is about to say.
      if [ENOENT, EACCES, EPERM, EROFS].contains(errno) { return }
      throw error("open", database + "-wal")
    }
    try WriteAheadLog(path: database + "-wal", adopting: file).renew(by: write)
  }

  private func renew(by write: Write) throws(StoreError) {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let count = unsafe pread(file, &buffer, buffer.count, off_t(offset))
      guard count >= 0 else { throw Self.error("read", path) }
      guard count > 0 else { return try sync() }
      var done = 0
      while done < count {
        let written = write(file, buffer[done..<count], offset + done)
        if written < 0, errno == EINTR { continue }
        if written < 0, errno == ENOSPC { return try readAnew() }
        guard written > 0 else { throw Self.error("write", path) }
        done += written
      }
      offset += count
    }
  }

  private static func overwrite(_ file: Int32, _ bytes: ArraySlice<UInt8>, _ offset: Int) -> Int {
    unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, off_t(offset)) }
  }

  /// Has reads show what is on disk.
  ///
  /// A full file system that never writes in place has no room for what is written once more. So
  /// what the cache has is forgotten: a commit whose sync has failed was not acknowledged, and is
  /// gone.
  private func readAnew() throws(StoreError) {
    try sync()
    guard FileCache.drop(file) else {
      throw StoreError(
        .inputOutput,
        "\(path) may not be on disk as it is read, and cannot be written again, because the "
          + "disk is full; free space there, then start again")
    }
  }

  /// Waits until the log is on disk.
  ///
  /// Throws when that fails for whatever reason: what was written since the last success is in
  /// doubt then, and another try would prove nothing.
  func sync() throws(StoreError) {
    #if !PLANTED_SYNCHRONOUS_NORMAL
      while fdatasync(file) != 0 {
        #if PLANTED_IGNORE_FAILED_SYNC
          return
        #else
          guard errno == EINTR else { throw Self.error("bring to disk", path) }
        #endif
      }
    #endif
  }

  private static func error(_ deed: String, _ path: String) -> StoreError {
    let text = unsafe String(cString: strerror(errno))
    return StoreError(.inputOutput, "cannot \(deed) \(path): \(text)")
  }
}
