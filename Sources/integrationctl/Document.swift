/// What a `show` verb prints: a headline, labelled values, tables under headings, paragraphs.
struct Document: Sendable {
  /// Where a long value may go on in the next line.
  enum Breaks: Sendable {
    case words
    /// Nowhere: a command to copy stays one line.
    case never
  }

  private var blocks: [[String]] = []
  private let presentation: Presentation

  init(_ presentation: Presentation) { self.presentation = presentation }

  /// The moment that relative times start from.
  var now: WallTime { presentation.now }

  /// A line of its own.
  mutating func line(_ cells: Cell...) {
    let given = cells.filter { !$0.text.isEmpty }
    blocks.append([given.map { presentation.styled($0.text, $0.tone) }.joined(separator: "  ")])
  }

  /// Labelled values that belong to the line before them, without an empty line between.
  mutating func attachFields(_ fields: [(label: String, value: Cell)], _ breaks: Breaks = .words) {
    let count = blocks.count
    self.fields(fields, breaks)
    if count > 0, blocks.count > count { blocks[count - 1] += blocks.removeLast() }
  }

  /// Labels with their values, those that are empty left out; long values are wrapped beside the
  /// label.
  mutating func fields(_ fields: [(label: String, value: Cell)], _ breaks: Breaks = .words) {
    let given = fields.filter { !$0.value.text.isEmpty }
    let widest = given.map { DisplayWidth.columns($0.label) }.max() ?? 0
    let margin = widest == 0 ? 2 : widest + 4
    var lines: [String] = []
    for field in given {
      let label = "  \(field.label)"
      let padding = String(repeating: " ", count: margin - DisplayWidth.columns(label))
      let parts = breaks == .never ? [field.value.text] : wrap(field.value.text, margin: margin)
      for (place, part) in parts.enumerated() {
        let head =
          place == 0
          ? presentation.styled(label, .faint) + padding : String(repeating: " ", count: margin)
        lines.append(head + presentation.styled(part, field.value.tone))
      }
    }
    if !lines.isEmpty { blocks.append(lines) }
  }

  /// A table under a heading; `empty` stands there when it has no rows.
  mutating func table<Row>(_ heading: String, _ table: Table<Row>, _ rows: [Row], empty: String) {
    var inner = presentation
    inner.width = presentation.width.map { max(20, $0 - 2) }
    let body = rows.isEmpty ? [empty] : table.lines(rows, inner)
    blocks.append([presentation.styled(heading, .heading)] + body.map { "  \($0)" })
  }

  /// Lines as they are.
  mutating func lines(_ lines: [String]) { if !lines.isEmpty { blocks.append(lines) } }

  /// All of it, blocks parted by an empty line.
  var text: String { blocks.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n" }

  private func wrap(_ text: String, margin: Int) -> [String] {
    guard let width = presentation.width else { return [text] }
    return TextWrap.lines(text, width: max(20, width - margin))
  }
}

/// Breaks text into lines at spaces; a word longer than a line stays whole.
enum TextWrap {
  static func lines(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    var used = 0
    for word in text.split(separator: " ") {
      let columns = DisplayWidth.columns(String(word))
      if used > 0, used + 1 + columns > width {
        lines.append(line)
        (line, used) = ("", 0)
      }
      if used > 0 {
        line += " "
        used += 1
      }
      line += word
      used += columns
    }
    return lines + [line]
  }
}
