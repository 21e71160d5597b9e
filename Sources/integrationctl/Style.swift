/// What a piece of text means; a terminal with colour shows it as a colour.
enum Tone: Sendable, Equatable {
  case plain
  case heading
  case faint
  case good
  case active
  case warning
  case bad

  fileprivate var code: String {
    switch self {
    case .plain: ""
    case .heading: "1"
    case .faint: "2"
    case .good: "32"
    case .active: "36"
    case .warning: "33"
    case .bad: "31"
    }
  }
}

/// What the place where text goes can show.
struct Presentation: Sendable, Equatable {
  /// Columns; nil is unlimited.
  var width: Int?
  /// Whether escape codes for colour are wanted.
  var hasColour: Bool
  /// The moment that relative times start from.
  var now: WallTime
  /// Whether other characters than ASCII's can be shown.
  var hasUnicode = true
  /// Whether tables have a line of headings.
  var hasHeadings = true

  func styled(_ text: String, _ tone: Tone) -> String {
    guard hasColour, tone != .plain, !text.isEmpty else { return text }
    return "\u{1B}[\(tone.code)m\(text)\u{1B}[0m"
  }
}
