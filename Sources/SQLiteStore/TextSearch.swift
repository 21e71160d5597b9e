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
