/// The result as bars: a panel for each work, a bar for each contestant, as long as its median,
/// with a line from its slowest to its fastest round.
struct ComparisonChart {
  let results: [ComparedResult]

  private static let width = 880
  private static let barLeft = 230
  private static let barRoom = 400
  private static let rowHeight = 22
  private static let titleHeight = 44

  var svg: String {
    var top = 8
    var body = ""
    for result in results where !result.contestants.isEmpty {
      body += panel(result, top: top)
      top += Self.titleHeight + Self.rowHeight * result.contestants.count
    }
    top += 16
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(Self.width)" height="\(top)" \
      viewBox="0 0 \(Self.width) \(top)" \
      font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="13">
      <rect width="\(Self.width)" height="\(top)" rx="8" fill="#ffffff"/>
      \(body)</svg>

      """
  }

  private func panel(_ result: ComparedResult, top: Int) -> String {
    let most = result.contestants.compactMap { $0.spread?.1 }.max() ?? 1
    var text = """
      <text x="20" y="\(top + 30)" font-size="15" font-weight="600" fill="#1f2328">\
      \(escaped(result.title))<tspan font-weight="400" fill="#59636e">, \
      \(result.unit) a second</tspan></text>

      """
    for (index, contestant) in result.contestants.enumerated() {
      let y = top + Self.titleHeight + index * Self.rowHeight
      text += row(contestant, y: y, most: most)
    }
    return text
  }

  private func row(_ contestant: ContestantResult, y: Int, most: Double) -> String {
    let label = """
      <text x="\(Self.barLeft - 10)" y="\(y + 12)" text-anchor="end" fill="#1f2328">\
      \(escaped(contestant.name))</text>

      """
    guard let rate = contestant.median(.rate), let spread = contestant.spread else {
      return label + """
        <text x="\(Self.barLeft)" y="\(y + 12)" fill="#59636e" font-style="italic">skipped</text>

        """
    }
    func length(_ value: Double) -> String { fixed(value / most * Double(Self.barRoom), 1) }
    func place(_ value: Double) -> String {
      fixed(Double(Self.barLeft) + value / most * Double(Self.barRoom), 1)
    }
    let after = fixed(Double(Self.barLeft) + spread.1 / most * Double(Self.barRoom) + 8, 1)
    let p99 = contestant.median(.p99).map { ", p99 \(decimal($0)) ms" } ?? ""
    return label + """
      <rect x="\(Self.barLeft)" y="\(y)" width="\(length(rate))" height="15" rx="2" \
      fill="\(colour(contestant.name))"/>
      <line x1="\(place(spread.0))" x2="\(place(spread.1))" y1="\(y + 7)" y2="\(y + 7)" \
      stroke="#1f2328" stroke-opacity="0.55" stroke-width="1.5"/>
      <text x="\(after)" y="\(y + 12)" fill="#59636e"><tspan fill="#1f2328">\(grouped(rate))\
      </tspan>\(p99)</text>

      """
  }

  /// Ours, the machine's limits, and the others.
  private func colour(_ name: String) -> String {
    if name.hasPrefix("ours") { return "#1a7f5a" }
    return [Name.echo, Name.append].contains(name) ? "#afb8c1" : "#5b8def"
  }

  private func escaped(_ text: String) -> String {
    text.reduce(into: "") { escaped, character in
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      default: escaped.append(character)
      }
    }
  }
}
