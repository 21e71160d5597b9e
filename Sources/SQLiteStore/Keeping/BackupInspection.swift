import Glibc
import IntegrationStore
import SQLiteDatabase

/// Looks whether a backup is whole, before a server begins with it.
///
/// SQLite keeps no checksum of its pages: what is damaged inside of a row's own bytes is not found.
struct BackupInspection {
  /// The backup, as people named it.
  let name: String
  /// Its copy, which is looked at.
  let copy: String

  /// Throws `damaged`, with what to do, where the copy is cut off or its pages do not fit together.
  func run() throws(StoreError) {
    try compareLength()
    defer { for end in ["-wal", "-shm", "-journal"] { _ = unsafe unlink(copy + end) } }
    do {
      let database = try SQLiteConnection(path: copy, mode: .readWrite)
      let found = try database.rows("PRAGMA quick_check(1)").first?.first?.text ?? "no answer"
      // An answer may have several lines; the first says enough.
      if found != "ok" { throw damaged(found.split(separator: "\n").last.map(String.init) ?? "") }
    } catch let error as StoreError {
      throw error
    } catch let error as SQLiteError where error.isDamage {
      throw damaged("\(error)")
    } catch {
      throw StoreError(.inputOutput, "cannot read \(copy), the copy of \(name): \(error)")
    }
  }

  /// A file may be longer than its header says, as SQLite sees it, but not shorter.
  private func compareLength() throws(StoreError) {
    let file = unsafe open(copy, O_RDONLY | O_CLOEXEC)
    defer { if file >= 0 { close(file) } }
    var head = [UInt8](repeating: 0, count: 100)
    var information = stat()
    guard file >= 0, unsafe read(file, &head, head.count) == head.count,
      unsafe fstat(file, &information) == 0
    else { throw damaged("its copy \(copy) cannot be read") }
    func number(_ range: Range<Int>) -> Int64 {
      head[range].reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }
    // https://www.sqlite.org/fileformat.html#the_database_header: 1 stands for 65,536, and the
    // count holds where the two numbers of the last change are the same.
    let pageBytes = number(16..<18) == 1 ? 65_536 : number(16..<18)
    let bytes = pageBytes * number(28..<32)
    guard number(24..<28) != number(92..<96) || Int64(information.st_size) >= bytes else {
      throw damaged("it has \(information.st_size) bytes, its header says \(bytes)")
    }
  }

  private func damaged(_ what: String) -> StoreError {
    StoreError(
      .damaged, "\(name) is damaged: \(what); copy it again, or restore another backup")
  }
}
