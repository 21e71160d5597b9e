import CommandLineOptions

/// Flags that every list has.
enum ListFlags {
  static let columns = Flag.commaList(
    "columns", .text.named("NAME"), help: "only these columns, in this order")

  static let noHeaders = Flag.toggle("no-headers", help: "no line of headings")

  static let watch = Flag.optional(
    "watch", .duration(.milliseconds(200)...(.seconds(86_400))).named("INTERVAL"),
    bare: .seconds(2), help: "show it again and again, until Ctrl-C")

  /// The same flag as ``columns``, with the names of one list.
  static func columns<Row>(of listing: Listing<Row>) -> Flag<[String]> {
    let names = listing.columnNames
    let form = ValueForm<String>("NAME", choices: names) { text throws(ValueProblem) in
      guard let name = ColumnName.find(text, among: names) else {
        let near = Suggestions.nearest(to: text, among: names)
        throw ValueProblem(
          expected: "one of \(names.joined(separator: ", "))"
            + (near.map { " (did you mean \($0)?)" } ?? ""))
      }
      return name
    }
    return Flag.commaList("columns", form, help: "only these columns, in this order")
  }
}

/// Names of columns as people type them.
enum ColumnName {
  /// `failed-24h` for the title `FAILED 24H`.
  static func of(title: String) -> String {
    title.lowercased().split(separator: " ").joined(separator: "-")
  }

  /// `CREATED AT` for the member `createdAt`, `ENTITY ID` for `entity.id`.
  static func title(ofPath path: String) -> String {
    path.map { $0 == "." ? " " : $0.isUppercase ? " \($0)" : "\($0)" }.joined().uppercased()
  }

  /// The name that is meant, whatever its case and signs: `FAILED 24H`, `failed_24h`.
  static func find(_ text: String, among names: [String]) -> String? {
    names.first { $0 == text } ?? names.first { folded($0) == folded(text) }
  }

  static func folded(_ name: String) -> String {
    name.lowercased().filter { $0.isLetter || $0.isNumber }
  }
}

extension Listing {
  /// The columns of the table, then members of JSON that it does not show.
  var columnNames: [String] {
    let titles = table.columns.map { ColumnName.of(title: $0.title) }
    let known = Set(titles.map(ColumnName.folded))
    return titles + csvPaths.filter { !known.contains(ColumnName.folded($0)) }
  }

  /// The table with these columns, which are never left out; all of its own when none is named.
  func table(showing names: [String]) throws(UsageError) -> Table<Row> {
    guard !names.isEmpty else { return table }
    var columns: [Column<Row>] = []
    for name in names {
      let folded = ColumnName.folded(name)
      if let column = table.columns.first(where: { ColumnName.folded($0.title) == folded }) {
        columns.append(column.kept)
      } else if let path = ColumnName.find(name, among: csvPaths) {
        columns.append(
          Column(ColumnName.title(ofPath: path), cuttableTo: 8) { row, _ in
            Cell(CSVText.text((try? JSONTreeEncoder.tree(of: row))?.member(path)))
          })
      } else {
        throw unknown(name, expected: columnNames)
      }
    }
    return Table(columns: columns)
  }

  /// The columns of CSV, which are members of JSON.
  func csvPaths(showing names: [String]) throws(UsageError) -> [String] {
    guard !names.isEmpty else { return csvPaths }
    var paths: [String] = []
    for name in names {
      guard let path = ColumnName.find(name, among: csvPaths) else {
        throw unknown(name, expected: csvPaths)
      }
      paths.append(path)
    }
    return paths
  }

  private func unknown(_ name: String, expected: [String]) -> UsageError {
    let near = Suggestions.nearest(to: name, among: expected).map { "Did you mean \($0)? " } ?? ""
    return UsageError(
      "integrationctl: --columns: no column \"\(name)\" here",
      hint: "\(near)There are \(expected.joined(separator: ", ")).")
  }
}
