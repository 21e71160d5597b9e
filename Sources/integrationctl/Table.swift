/// One cell: text and what it means.
struct Cell: Sendable, Equatable, ExpressibleByStringLiteral {
  let text: String
  let tone: Tone

  init(_ text: String, _ tone: Tone = .plain) {
    self.text = DisplayWidth.printable(text)
    self.tone = tone
  }

  init(stringLiteral value: String) { self.init(value) }
}

extension Cell {
  /// The same text, said quietly.
  var faint: Cell { Cell(text, .faint) }
}

/// One column of a table of `Row`s.
struct Column<Row: Sendable>: Sendable {
  /// How a column gives way on a narrow terminal.
  enum Rank: Int, Sendable, Comparable {
    /// The first to be left out, so that others need not be cut to little.
    case extra
    /// Left out next, for the same reason.
    case useful
    /// Left out only when cutting does not help.
    case important
    /// Left out only when the terminal is too narrow for anything else; the first column never is.
    case needed

    static func < (left: Rank, right: Rank) -> Bool { left.rawValue < right.rawValue }
  }

  enum Alignment: Sendable { case left, right }

  let title: String
  let rank: Rank
  /// How far the column may be cut; nil: never.
  let minimum: Int?
  let alignment: Alignment
  private(set) var isInstant = false
  let cell: @Sendable (Row, WallTime) -> Cell

  /// A column of text; `cuttableTo` is the width below which it is rather left out.
  init(
    _ title: String, _ rank: Rank = .needed, cuttableTo minimum: Int? = nil,
    alignment: Alignment = .left,
    cell: @escaping @Sendable (Row, WallTime) -> Cell
  ) {
    self.title = title
    self.rank = rank
    self.minimum = minimum
    self.alignment = alignment
    self.cell = cell
  }

  /// A column of moments, to the millisecond.
  init(
    instant title: String, _ rank: Rank = .needed, value: @escaping @Sendable (Row) -> WallTime?
  ) {
    self.init(title, rank) { row, _ in Cell(value(row).map(TimeText.instant) ?? "") }
    isInstant = true
  }

  /// The same column, which is never left out.
  var kept: Column {
    var column = Column(title, .needed, cuttableTo: minimum, alignment: alignment, cell: cell)
    column.isInstant = isInstant
    return column
  }

  /// The title; that of moments in UTC says so.
  var heading: String {
    isInstant && TimeDisplay.style != .absolute ? "\(title) (UTC)" : title
  }

  /// A column of numbers.
  init(number title: String, _ rank: Rank = .needed, value: @escaping @Sendable (Row) -> UInt64) {
    self.title = title
    self.rank = rank
    minimum = nil
    alignment = .right
    cell = { row, _ in Cell("\(value(row))") }
  }
}

/// Rows under headings, fitted to the terminal: long columns are cut first, then the least needed
/// columns are left out.
struct Table<Row: Sendable>: Sendable {
  let columns: [Column<Row>]
  private static var gap: Int { 2 }
  /// How many times its minimum a cut column should have before a less needed one stays.
  private static var comfort: Int { 3 }

  func lines(_ rows: [Row], _ presentation: Presentation) -> [String] {
    let cells = rows.map { row in columns.map { $0.cell(row, presentation.now) } }
    let natural = columns.indices.map { index in
      max(
        presentation.hasHeadings ? DisplayWidth.columns(columns[index].heading) : 0,
        cells.map { DisplayWidth.columns($0[index].text) }.max() ?? 0)
    }
    let widths = fit(natural, into: presentation.width)
    let shown = columns.indices.filter { widths[$0] != nil }
    let heading = shown.map { Cell(columns[$0].heading, .heading) }
    let body = cells.map { row in shown.map { row[$0] } }
    return ((presentation.hasHeadings ? [heading] : []) + body).map { row in
      line(row, shown: shown, widths: widths, presentation)
    }
  }

  private func line(
    _ row: [Cell], shown: [Int], widths: [Int?], _ presentation: Presentation
  ) -> String {
    var line = ""
    for (place, index) in shown.enumerated() {
      let isLast = place == shown.count - 1
      let text = DisplayWidth.cut(row[place].text, to: widths[index] ?? 0)
      let padding = String(
        repeating: " ", count: max(0, (widths[index] ?? 0) - DisplayWidth.columns(text)))
      let styled = presentation.styled(text, row[place].tone)
      switch columns[index].alignment {
      case .right: line += padding + styled
      case .left: line += isLast ? styled : styled + padding
      }
      if !isLast { line += String(repeating: " ", count: Self.gap) }
    }
    while line.last == " " { line.removeLast() }
    return line
  }

  /// Each column's width, nil for one that is left out.
  private func fit(_ natural: [Int], into limit: Int?) -> [Int?] {
    guard let limit else { return natural }
    var kept = Set(columns.indices)
    for rank in [Column<Row>.Rank.extra, .useful, .important, .needed] {
      let least = rank < .important ? Self.comfort : 1
      // From the right, for the columns that name a row stand on the left.
      for index in columns.indices.reversed() where index > 0 && columns[index].rank == rank {
        if smallest(kept, natural, minimumTimes: least) <= limit { break }
        kept.remove(index)
      }
    }
    var widths = columns.indices.map { kept.contains($0) ? natural[$0] : nil }
    var excess = widths.compactMap(\.self).reduce(0, +) + (kept.count - 1) * Self.gap - limit
    while excess > 0, let widest = widestCuttable(widths) {
      widths[widest] = (widths[widest] ?? 1) - 1
      excess -= 1
    }
    return widths
  }

  private func smallest(_ kept: Set<Int>, _ natural: [Int], minimumTimes factor: Int) -> Int {
    kept.reduce((kept.count - 1) * Self.gap) { sum, index in
      sum + min(natural[index], columns[index].minimum.map { $0 * factor } ?? natural[index])
    }
  }

  private func widestCuttable(_ widths: [Int?]) -> Int? {
    var best: (index: Int, width: Int)?
    for index in columns.indices {
      guard let width = widths[index], let minimum = columns[index].minimum, width > minimum
      else { continue }
      if let known = best, known.width >= width { continue }
      best = (index, width)
    }
    return best?.index
  }
}
