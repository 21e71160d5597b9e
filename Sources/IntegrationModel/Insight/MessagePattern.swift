/// What messages of one kind of failure have in common.
///
/// What differs from one to the next is replaced by `…`: numbers, ids, UUIDs, dates, addresses of
/// mail and of the web, and quoted texts. A word that has a digit is an id. A short number behind
/// `HTTP`, `status`, `code` or `errno` stays, because it names the failure. Lists of what differs
/// become one `…`, so that "lines 3, 4 and 9" are as "lines 7". Time is linear in the length, and
/// no more is read than makes ``maximumBytes``.
public struct MessagePattern {
  /// How long a pattern gets: 200 bytes.
  public static let maximumBytes = 200

  /// The pattern of a message.
  public static func of(_ message: String) -> String {
    var pattern = MessagePattern(Array(message.utf8.prefix(4_096)))
    pattern.read()
    return pattern.text
  }

  private let bytes: [UInt8]
  private var next = 0
  private var output: [UInt8] = []
  /// Where the output ends behind its last `…`; what follows is only what joins a list.
  private var endOfGap: Int?
  /// Quotes that nothing closes any more.
  private var unclosed: Set<UInt8> = []
  /// Whether the last word says that a number follows which names the failure.
  private var expectsCode = false

  private static let gap = Array("…".utf8)
  private static let codeWords: Set<String> = ["http", "status", "code", "errno"]

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  private var text: String {
    let end = output.lastIndex { $0 != Self.space }.map { $0 + 1 } ?? 0
    return String(decoding: output[..<end], as: UTF8.self)
  }

  private mutating func read() {
    while next < bytes.count {
      if output.count >= Self.maximumBytes { return writeGap() }
      let byte = bytes[next]
      if Self.isSpace(byte) {
        if let last = output.last, last != Self.space { output.append(Self.space) }
        next += 1
      } else if let (length, closers) = opening(), let end = closing(closers, behind: length) {
        next = end
        writeGap()
      } else if Self.isOfWord(byte) {
        readWord()
      } else {
        write([byte][...])
        next += 1
      }
    }
  }

  // MARK: Words

  private mutating func readWord() {
    let start = next
    var end = start
    while end < bytes.count, Self.isOfWord(bytes[end]) || isJoint(end) { end += 1 }
    if isAddress(bytes[start..<end]) {
      while end < bytes.count, !Self.isSpace(bytes[end]), !Self.endsAddress(bytes[end]) { end += 1 }
    }
    // The point of a sentence is not the word's.
    while end > start + 1, Self.joints.contains(bytes[end - 1]) { end -= 1 }
    next = end
    let word = bytes[start..<end]
    let isCode = expectsCode && word.count <= 5 && word.allSatisfy(Self.isDigit)
    expectsCode = isCodeWord(word)
    if !isCode, differs(word) { return writeGap() }
    let isAnd = word.elementsEqual("and".utf8) || word.elementsEqual("to".utf8)
    write(word, joinsList: isAnd)
  }

  private func isCodeWord(_ word: ArraySlice<UInt8>) -> Bool {
    guard word.count <= 8 else { return false }
    let lower = String(decoding: word, as: UTF8.self).lowercased()
    return Self.codeWords.contains(lower) || lower.hasPrefix("http/")
  }

  /// Whether the next message of the kind has another word there.
  private func differs(_ word: ArraySlice<UInt8>) -> Bool {
    if word.starts(with: "HTTP/".utf8) { return false }
    if word.contains(where: Self.isDigit) { return true }
    if let at = word.firstIndex(of: UInt8(ascii: "@")) {
      return at > word.startIndex && word[at...].contains(UInt8(ascii: "."))
    }
    return isAddress(word)
  }

  /// Whether a word is an address of the web.
  private func isAddress(_ word: ArraySlice<UInt8>) -> Bool {
    guard let colon = word.firstIndex(of: UInt8(ascii: ":")) else { return false }
    return word[colon...].starts(with: "://".utf8)
  }

  /// Whether a byte cannot be of an address.
  private static func endsAddress(_ byte: UInt8) -> Bool { "\"'<>()[]`".utf8.contains(byte) }

  /// Whether a byte joins two parts of one word: `Q-1042`, `08:30:00`, `a@b.example`.
  private func isJoint(_ index: Int) -> Bool {
    guard Self.joints.contains(bytes[index]), index + 1 < bytes.count else { return false }
    guard bytes[index] == UInt8(ascii: ":") else { return true }
    // `id:42` is a name and a value; 08:30, https:// and fe80::1 are not.
    let isBetweenDigits =
      index > 0 && Self.isDigit(bytes[index - 1]) && Self.isDigit(bytes[index + 1])
    return isBetweenDigits || bytes[(index + 1)...].starts(with: "//".utf8)
  }

  // MARK: Quotes

  /// The opening quote at the next byte: its length, and what may close it.
  private func opening() -> (length: Int, closers: [[UInt8]])? {
    switch bytes[next] {
    case UInt8(ascii: "\""), UInt8(ascii: "`"): return (1, [[bytes[next]]])
    case UInt8(ascii: "'"):
      let isInside = next > 0 && Self.isOfWord(bytes[next - 1])
      return isInside ? nil : (1, [[bytes[next]]])
    case 0xC2 where bytes[next...].starts(with: "«".utf8): return (2, [Array("»".utf8)])
    case 0xE2:
      let rest = bytes[next...]
      if rest.starts(with: "“".utf8) { return (3, [Array("”".utf8)]) }
      if rest.starts(with: "„".utf8) { return (3, [Array("“".utf8), Array("”".utf8)]) }
      if rest.starts(with: "‘".utf8) { return (3, [Array("’".utf8)]) }
      return nil
    default: return nil
    }
  }

  /// The place behind the closing quote; nil: there is none.
  private mutating func closing(_ closers: [[UInt8]], behind length: Int) -> Int? {
    // Which quote it is: the last byte tells all of them apart.
    let kind = bytes[next + length - 1]
    guard !unclosed.contains(kind) else { return nil }
    var index = next + length
    while index < bytes.count {
      for closer in closers where bytes[index...].starts(with: closer) {
        let end = index + closer.count
        let isApostrophe =
          closer == [UInt8(ascii: "'")] && end < bytes.count && Self.isOfWord(bytes[end])
        if !isApostrophe { return end }
      }
      index += 1
    }
    unclosed.insert(kind)
    return nil
  }

  // MARK: Writing

  private mutating func writeGap() {
    expectsCode = false
    if let end = endOfGap {
      output.removeLast(output.count - end)
      return
    }
    output += Self.gap
    endOfGap = output.count
  }

  /// Writes what stays; what only joins a list keeps the list open.
  private mutating func write(_ text: ArraySlice<UInt8>, joinsList: Bool = false) {
    let isJoint = text.count == 1 && text.first.map { Self.listJoints.contains($0) } == true
    if !isJoint, !joinsList { endOfGap = nil }
    var kept = text.prefix(Self.maximumBytes)
    // No character is cut in two.
    while kept.endIndex < text.endIndex, text[kept.endIndex] & 0xC0 == 0x80 { kept.removeLast() }
    output += kept
  }

  // MARK: Bytes

  private static let space = UInt8(ascii: " ")
  private static let joints = Set("-._:/@+\\#%~&*".utf8)
  private static let listJoints = Set(",;/&-+".utf8)

  private static func isSpace(_ byte: UInt8) -> Bool { byte == space || (9...13).contains(byte) }
  private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }

  /// Letters, digits and every byte of other letters than ASCII's.
  private static func isOfWord(_ byte: UInt8) -> Bool {
    isDigit(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte >= 0x80
      || byte == UInt8(ascii: "_")
  }
}
