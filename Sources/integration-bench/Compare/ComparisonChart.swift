/// The result as bars on a white card, which a light and a dark page show alike: a panel for each
/// work, a bar for each contestant, as long as its median, with a line from its slowest to its
/// fastest round, what it is beside ours, and what its reply promises.
struct ComparisonChart {
  let report: ComparisonReport

  private static let width = 900
  private static let barLeft = 234
  private static let barRoom = 380
  private static let rowHeight = 38
  private static let panelHead = 50
  private static let headHeight = 92

  private enum Colour {
    static let text = "#1f2328"
    static let quiet = "#59636e"
    static let ours = "#1a7f5a"
    static let limit = "#afb8c1"
    static let peer = "#5b8def"
  }

  var svg: String {
    var top = Self.headHeight
    var body = heading
    for result in report.works where !result.contestants.isEmpty {
      body += panel(result, top: top)
      top += Self.panelHead + Self.rowHeight * result.contestants.count
    }
    top += 10
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(Self.width)" height="\(top)" \
      viewBox="0 0 \(Self.width) \(top)" role="img" aria-label="\(escaped(Self.title))" \
      font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">
      <rect x="0.5" y="0.5" width="\(Self.width - 1)" height="\(top - 1)" rx="8" \
      fill="#ffffff" stroke="#d1d9e0"/>
      \(body)</svg>

      """
  }

  // MARK: The head

  private static let title = "integrationd beside its peers, the same work on the same machine"

  private var heading: String {
    text(20, 30, Self.title, size: 17, weight: 600)
      + text(20, 50, machine, size: 12, colour: Colour.quiet) + legend
  }

  private var machine: String {
    let model = report.processor.isEmpty ? "" : " (\(report.processor))"
    return "Medians of \(report.conditions)\(model)"
  }

  private var legend: String {
    let entries = [
      (Colour.ours, "ours", 20), (Colour.limit, "what the machine can do at most", 84),
      (Colour.peer, "peers, each set up as its users would", 318),
    ]
    let swatches = entries.map { colour, words, x in
      "<rect x=\"\(x)\" y=\"64\" width=\"12\" height=\"12\" rx=\"2\" fill=\"\(colour)\"/>\n"
        + text(x + 18, 74, words, size: 12, colour: Colour.quiet)
    }
    return swatches.joined() + line(from: 590, to: 614, y: 70)
      + text(620, 74, "from the slowest round to the fastest", size: 12, colour: Colour.quiet)
  }

  // MARK: Panels

  private func panel(_ result: ComparedResult, top: Int) -> String {
    let most = result.contestants.compactMap { $0.spread?.1 }.max() ?? 1
    let own = result.contestants.first?.median(.rate)
    let head = """
      <text x="20" y="\(top + 32)" font-size="15" font-weight="600" fill="\(Colour.text)">\
      \(escaped(result.title))<tspan font-weight="400" fill="\(Colour.quiet)">, \
      \(result.unit) a second</tspan></text>

      """
    let rows = result.contestants.enumerated().map { index, contestant in
      row(
        contestant, y: top + Self.panelHead + index * Self.rowHeight,
        scale: Double(Self.barRoom) / most, own: own)
    }
    return head + rows.joined()
  }

  private func row(
    _ contestant: ContestantResult, y: Int, scale: Double, own: Double?
  ) -> String {
    let label = """
      <text x="\(Self.barLeft - 10)" y="\(y + 12)" text-anchor="end" fill="\(Colour.text)">\
      \(escaped(contestant.name))</text>

      """
    guard let rate = contestant.median(.rate), let spread = contestant.spread else {
      let reason = contestant.skipped ?? "not measured"
      return label
        + text(Self.barLeft, y + 12, "skipped: \(reason)", colour: Colour.quiet, style: "italic")
    }
    let left = Double(Self.barLeft)
    let isOurs = contestant.name.hasPrefix("ours")
    let ratio = isOurs ? "" : own.map { "ours \(times($0 / rate)), " } ?? ""
    let p99 = contestant.median(.p99).map { "p99 \(decimal($0)) ms" } ?? ""
    return label + """
      <rect x="\(Self.barLeft)" y="\(y)" width="\(fixed(max(1, rate * scale), 1))" height="15" \
      rx="2" fill="\(colour(contestant.name))"/>

      """ + line(from: left + spread.0 * scale, to: left + spread.1 * scale, y: y + 7) + """
        <text x="\(fixed(left + spread.1 * scale + 8, 1))" y="\(y + 12)" fill="\(Colour.quiet)">\
        <tspan fill="\(Colour.text)" font-weight="600">\(grouped(rate))</tspan> \
        \(ratio)\(p99)</text>

        """ + text(Self.barLeft, y + 28, contestant.promise, size: 11, colour: Colour.quiet)
  }

  /// `19x`, `1.2x`: how many times as many ours does.
  private func times(_ ratio: Double) -> String {
    (ratio < 10 ? decimal(ratio) : fixed(ratio, 0)) + "x"
  }

  /// Ours, the machine's limits, and the others.
  private func colour(_ name: String) -> String {
    if name.hasPrefix("ours") { return Colour.ours }
    return [Name.echo, Name.append].contains(name) ? Colour.limit : Colour.peer
  }

  // MARK: Elements

  private func text(
    _ x: Int, _ y: Int, _ words: String, size: Int = 13, weight: Int = 400,
    colour: String = Colour.text, style: String = "normal"
  ) -> String {
    "<text x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\" font-weight=\"\(weight)\" "
      + "font-style=\"\(style)\" fill=\"\(colour)\">\(escaped(words))</text>\n"
  }

  private func line(from: Double, to: Double, y: Int) -> String {
    "<line x1=\"\(fixed(from, 1))\" x2=\"\(fixed(to, 1))\" y1=\"\(y)\" y2=\"\(y)\" "
      + "stroke=\"\(Colour.text)\" stroke-opacity=\"0.6\" stroke-width=\"1.5\"/>\n"
  }

  private func escaped(_ text: String) -> String {
    text.reduce(into: "") { escaped, character in
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      default: escaped.append(character)
      }
    }
  }
}
