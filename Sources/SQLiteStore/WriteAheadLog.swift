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
    file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Self.error("open", path) }
  }

  deinit { close(file) }

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
