import SQLiteDatabase

/// Finds a text inside columns, in any case.
///
/// Text without other letters than ASCII's is looked for byte by byte, without making a string:
/// bytes of ASCII stand for nothing else in UTF-8.
struct TextSearch {
  private let wanted: String
  /// The lower-case bytes; nil: there are other letters than ASCII's.
  private let pattern: [UInt8]?

  init(_ wanted: String) {
    self.wanted = wanted.lowercased()
    let isASCII = wanted.utf8.allSatisfy { $0 < 0x80 }
    pattern = isASCII ? wanted.utf8.map(Self.lower) : nil
  }

  /// Runs of bytes that a text has wherever it holds the wanted one, in lower case.
  ///
  /// ASCII is looked for byte by byte, so it is one run. Else strings are compared by characters,
  /// which may be written in several ways: a letter before another than ASCII's may be one
  /// character with it, and `k`, `;` and `` ` `` have a second code (U+212A, U+037E, U+1FEF).
  var sureRuns: [[UInt8]] {
    if let pattern { return [pattern] }
    var runs: [[UInt8]] = []
    var run: [UInt8] = []
    for byte in wanted.utf8 {
      let isDoubtful = byte == UInt8(ascii: "k") || byte == UInt8(ascii: ";") || byte == 0x60
      if byte < 0x80, !isDoubtful {
        run.append(byte)
        continue
      }
      if byte >= 0x80, !run.isEmpty { run.removeLast() }
      runs.append(run)
      run = []
    }
    return runs + [run]
  }

  /// Whether a column of the current row holds the text.
  func matches(_ row: SQLiteStatement, _ column: Int) -> Bool {
    guard let pattern else { return row.text(column).lowercased().contains(wanted) }
    return unsafe row.withText(column) { unsafe Self.contains(pattern, in: $0) }
  }

  static func contains(_ pattern: [UInt8], in text: UnsafeRawBufferPointer) -> Bool {
    guard let first = pattern.first else { return true }
    guard text.count >= pattern.count else { return false }
    for start in 0...(text.count - pattern.count) where unsafe lower(text[start]) == first {
      var length = 1
      while length < pattern.count, unsafe lower(text[start + length]) == pattern[length] {
        length += 1
      }
      if length == pattern.count { return true }
    }
    return false
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }
}
