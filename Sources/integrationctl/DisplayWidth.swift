/// How many terminal columns text takes, and text cut to fit.
///
/// Simple on purpose: a character is as wide as its first scalar; emoji and East Asian wide and
/// fullwidth blocks take two columns, combining marks and format characters none.
enum DisplayWidth {
  static func columns(_ text: String) -> Int {
    if text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return text.utf8.count }
    return text.reduce(0) { $0 + columns($1) }
  }

  /// How many lines of a terminal a line takes; colours take no place.
  static func rows(_ line: String, width: Int?) -> Int {
    guard let width, line.utf8.count > width else { return 1 }
    return max(1, (columns(withoutColours(line)) + width - 1) / width)
  }

  private static func withoutColours(_ line: String) -> String {
    guard line.utf8.contains(0x1B) else { return line }
    var isCode = false
    return line.filter { character in
      if character == "\u{1B}" { isCode = true }
      defer { if character == "m" { isCode = false } }
      return !isCode
    }
  }

  /// The text cut to so many columns, the last of them an ellipsis where something is left out.
  static func cut(_ text: String, to limit: Int) -> String {
    guard columns(text) > limit else { return text }
    guard limit > 0 else { return "" }
    var kept = ""
    var used = 0
    for character in text {
      let width = columns(character)
      guard used + width < limit else { break }
      kept.append(character)
      used += width
    }
    return kept + "…"
  }

  /// The text on one line, without what would move the cursor or speak to the terminal.
  ///
  /// Names and messages come from agents: an escape sequence in them must not reach the terminal.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var clean = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n", "\t", "\r": clean.append(" ")
      case _ where isControl(scalar): clean.append("\u{FFFD}")
      default: clean.append(scalar)
      }
    }
    return String(clean)
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0: true
    // Directions that would reorder the rest of the line.
    case 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  private static func columns(_ character: Character) -> Int {
    let first = character.unicodeScalars[character.unicodeScalars.startIndex]
    if first.properties.isEmojiPresentation { return 2 }
    switch first.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control: return 0
    default: break
    }
    switch first.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
      0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F,
      0x1F900...0x1F9FF, 0x20000...0x3FFFD:
      return 2
    default:
      return 1
    }
  }
}
