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
  init(database: String) throws(StoreError) {
    path = database + "-wal"
    file = unsafe open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { throw Self.error("open", path) }
  }

  deinit { close(file) }

  /// Writes what the log holds once more, and waits until it is on disk; before the first commit.
  ///
  /// What an earlier process left may stand in the system's cache alone. Where its sync failed, the
  /// cache calls those pages clean: no later sync writes them, reads still show them, and a power
  /// failure would take them away with every commit behind them. The bytes stay the same, so a
  /// power failure in the middle of this harms nothing.
  func renew() throws(StoreError) {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let count = unsafe pread(file, &buffer, buffer.count, off_t(offset))
      guard count >= 0 else { throw Self.error("read", path) }
      guard count > 0 else { return try sync() }
      var done = 0
      while done < count {
        let written = unsafe buffer.withUnsafeBytes { bytes in
          unsafe pwrite(
            file, bytes.baseAddress! + done, count - done, off_t(offset + done))
        }
        if written < 0, errno == EINTR { continue }
        // A full file system that never writes in place has no room for this; reads can go on.
        if written < 0, errno == ENOSPC { return try sync() }
        guard written > 0 else { throw Self.error("write", path) }
        done += written
      }
      offset += count
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
