import CSQLite

/// One prepared statement: bind, step, read columns, reset.
///
/// Parameters count from 1, columns from 0, as in SQLite. It lives as long as its owner keeps it,
/// and is used on the thread of its connection.
@safe public final class SQLiteStatement {
  // What each bind reads does not change: a variable of a class would be checked for conflicting
  // accesses each time, which took a twentieth of the time of a report.
  private let handle: OpaquePointer
  private var isFinalized = false
  private let sql: String
  /// 16 bytes for each parameter, so that ids can be bound without a copy by SQLite; the first 16
  /// are `nulls`.
  private let scratch: UnsafeMutableRawPointer

  init(connection: SQLiteConnection, sql: String) throws(SQLiteError) {
    var prepared: OpaquePointer?
    let code = unsafe sqlite3_prepare_v3(
      connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
    guard code == SQLITE_OK, let prepared = unsafe prepared else {
      throw unsafe SQLiteError(code, of: connection.handle, in: sql)
    }
    let parameters = Int(unsafe sqlite3_bind_parameter_count(prepared))
    unsafe scratch = .allocate(byteCount: 16 * (parameters + 1), alignment: 8)
    unsafe scratch.storeBytes(of: .max, as: UInt64.self)
    unsafe handle = prepared
    self.sql = sql
  }

  deinit {
    finalize()
    unsafe scratch.deallocate()
  }

  /// Ends the statement before its connection closes.
  func finalize() {
    guard !isFinalized else { return }
    isFinalized = true
    unsafe sqlite3_finalize(handle)
  }

  /// Which of the first 63 parameters are NULL, one bit each: most of the many columns of a log are
  /// NULL in most logs, and to say so again costs a call.
  private var nulls: UInt64 {
    get { unsafe scratch.load(as: UInt64.self) }
    set { unsafe scratch.storeBytes(of: newValue, as: UInt64.self) }
  }

  /// Steps once; true: there is a row.
  public func step() throws(SQLiteError) -> Bool {
    let code = unsafe sqlite3_step(handle)
    if code == SQLITE_DONE { return false }
    if code == SQLITE_ROW { return true }
    throw unsafe SQLiteError(code, of: sqlite3_db_handle(handle), in: sql)
  }

  /// Steps to the end and resets; for statements that bring no rows.
  public func run() throws(SQLiteError) {
    defer { reset() }
    while try step() {}
  }

  /// Makes the statement ready for the next use; bound values stay.
  public func reset() {
    // The code repeats the last step's failure, which was thrown there.
    _ = unsafe sqlite3_reset(handle)
  }

  /// Sets every parameter to NULL.
  public func clearBindings() {
    _ = unsafe sqlite3_clear_bindings(handle)
    nulls = .max
  }

  private static func bit(_ index: Int) -> UInt64 { index < 64 ? 1 << UInt64(index) : 0 }

  // A bind can fail only for an index out of range (own bug), a text above 1 GB (bounded by every
  // caller) or want of memory.
  private func check(_ code: Int32, _ index: Int) {
    nulls &= ~Self.bit(index)
    precondition(code == SQLITE_OK, "bind failed with SQLite code \(code) in: \(sql)")
  }
}

// MARK: - Parameters

extension SQLiteStatement {
  /// Binds an integer.
  public func bind(_ index: Int, _ value: Int64) {
    check(unsafe sqlite3_bind_int64(handle, Int32(index), value), index)
  }

  /// Binds an integer, or NULL for nil.
  public func bind(_ index: Int, _ value: Int64?) {
    if let value { bind(index, value) } else { bindNull(index) }
  }

  /// Binds a real number.
  public func bind(_ index: Int, _ value: Double) {
    check(unsafe sqlite3_bind_double(handle, Int32(index), value), index)
  }

  /// Binds NULL.
  public func bindNull(_ index: Int) {
    let bit = Self.bit(index)
    if bit != 0, nulls & bit != 0 { return }
    check(unsafe sqlite3_bind_null(handle, Int32(index)), index)
    nulls |= bit
  }

  /// Binds a copy of a text.
  public func bind(_ index: Int, _ value: String) {
    var copy = value
    copy.withUTF8 { bytes in
      let code = unsafe bytes.withMemoryRebound(to: CChar.self) { text in
        unsafe csqlite_bind_text_copy(handle, Int32(index), text.baseAddress, UInt64(text.count))
      }
      // An empty string has no address, which SQLite takes for NULL.
      check(
        bytes.isEmpty ? unsafe sqlite3_bind_text(handle, Int32(index), "", 0, nil) : code, index)
    }
  }

  /// Binds a copy of bytes.
  public func bind(_ index: Int, blob value: [UInt8]) {
    guard !value.isEmpty else {
      return check(unsafe sqlite3_bind_zeroblob(handle, Int32(index), 0), index)
    }
    unsafe value.withUnsafeBytes { bytes in
      check(
        unsafe csqlite_bind_blob_copy(
          handle, Int32(index), bytes.baseAddress, UInt64(bytes.count)), index)
    }
  }

  /// Binds a text without a copy; the bytes stay where they are until the statement is reset.
  ///
  /// Empty: NULL.
  public func bind(_ index: Int, borrowedText bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return bindNull(index) }
    check(
      unsafe sqlite3_bind_text(
        handle, Int32(index), base.assumingMemoryBound(to: CChar.self), Int32(bytes.count), nil),
      index)
  }

  /// Binds bytes without a copy; they stay where they are until the statement is reset.
  ///
  /// Empty: NULL.
  public func bind(_ index: Int, borrowedBlob bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return bindNull(index) }
    check(unsafe sqlite3_bind_blob(handle, Int32(index), base, Int32(bytes.count), nil), index)
  }

  /// Binds 16 bytes, given as two big-endian numbers, as a blob.
  public func bind(_ index: Int, high: UInt64, low: UInt64) {
    let place = unsafe scratch + 16 * index
    unsafe place.storeBytes(of: high.bigEndian, as: UInt64.self)
    unsafe place.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
    // The scratch space lives as long as the statement, and each parameter has its own.
    check(unsafe sqlite3_bind_blob(handle, Int32(index), place, 16, nil), index)
  }

  /// Binds values from the first parameter on.
  public func bind(_ values: [SQLiteValue]) throws(SQLiteError) {
    let expected = Int(unsafe sqlite3_bind_parameter_count(handle))
    guard values.count == expected else {
      throw SQLiteError(
        extendedCode: SQLITE_RANGE, message: "\(values.count) values for \(expected) in: \(sql)")
    }
    for (offset, value) in values.enumerated() {
      switch value {
      case .null: bindNull(offset + 1)
      case .integer(let integer): bind(offset + 1, integer)
      case .real(let real): bind(offset + 1, real)
      case .text(let text): bind(offset + 1, text)
      case .blob(let blob): bind(offset + 1, blob: blob)
      }
    }
  }
}

// MARK: - Columns of the current row

extension SQLiteStatement {
  /// Whether a column is NULL.
  public func isNull(_ column: Int) -> Bool {
    unsafe sqlite3_column_type(handle, Int32(column)) == SQLITE_NULL
  }

  /// A column as an integer; 0 for NULL.
  public func integer(_ column: Int) -> Int64 {
    unsafe sqlite3_column_int64(handle, Int32(column))
  }

  /// A column as an integer; nil for NULL.
  public func optionalInteger(_ column: Int) -> Int64? {
    isNull(column) ? nil : integer(column)
  }

  /// A column as a real number; 0 for NULL.
  public func real(_ column: Int) -> Double {
    unsafe sqlite3_column_double(handle, Int32(column))
  }

  /// A column as text; empty for NULL.
  public func text(_ column: Int) -> String {
    unsafe withText(column) { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// A column's bytes; empty for NULL.
  public func blob(_ column: Int) -> [UInt8] {
    unsafe withBlob(column) { unsafe Array($0) }
  }

  /// Borrows a column's text as bytes until `body` returns.
  public func withText<Value>(
    _ column: Int, _ body: (UnsafeRawBufferPointer) -> Value
  ) -> Value {
    let text = unsafe UnsafeRawPointer(sqlite3_column_text(handle, Int32(column)))
    let count = Int(unsafe sqlite3_column_bytes(handle, Int32(column)))
    return unsafe body(UnsafeRawBufferPointer(start: text, count: text == nil ? 0 : count))
  }

  /// Borrows a column's bytes until `body` returns.
  public func withBlob<Value, Failure: Error>(
    _ column: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let bytes = unsafe sqlite3_column_blob(handle, Int32(column))
    let count = Int(unsafe sqlite3_column_bytes(handle, Int32(column)))
    return try unsafe body(UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : count))
  }

  /// A column of 16 bytes as two big-endian numbers; nil for NULL or another length.
  public func halves(_ column: Int) -> (high: UInt64, low: UInt64)? {
    unsafe withBlob(column) { bytes in
      guard bytes.count == 16 else { return nil }
      let high = unsafe bytes.loadUnaligned(as: UInt64.self)
      let low = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      return (UInt64(bigEndian: high), UInt64(bigEndian: low))
    }
  }

  /// All columns of the current row.
  public var values: [SQLiteValue] {
    (0..<Int(unsafe sqlite3_column_count(handle))).map { column in
      switch unsafe sqlite3_column_type(handle, Int32(column)) {
      case SQLITE_INTEGER: .integer(integer(column))
      case SQLITE_FLOAT: .real(real(column))
      case SQLITE_TEXT: .text(text(column))
      case SQLITE_BLOB: .blob(blob(column))
      default: .null
      }
    }
  }
}
