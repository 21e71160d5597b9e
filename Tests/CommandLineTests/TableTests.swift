import Testing

@testable import integrationctl

@Suite struct TableTests {
  struct Row: Sendable {
    var name: String
    var message: String
    var count: UInt64
  }

  static let table = Table<Row>(columns: [
    Column("NAME") { row, _ in Cell(row.name) },
    Column(number: "COUNT", .extra) { $0.count },
    Column("MESSAGE", .important, cuttableTo: 8) { row, _ in Cell(row.message, .bad) },
  ])
  static let rows = [
    Row(name: "customsoft", message: "the quote has no lines; add one", count: 7),
    Row(name: "erp", message: "fine", count: 1200),
  ]

  static func lines(_ rows: [Row] = rows, width: Int?, colour: Bool = false) -> [String] {
    table.lines(
      rows,
      Presentation(width: width, hasColour: colour, now: WallTime(milliseconds: 0)))
  }

  @Test("Without a terminal nothing is cut, numbers stand right, no line ends in spaces")
  func unlimited() {
    #expect(
      Self.lines(width: nil) == [
        "NAME        COUNT  MESSAGE",
        "customsoft      7  the quote has no lines; add one",
        "erp          1200  fine",
      ])
  }

  @Test("A narrow terminal cuts the long column first")
  func cutting() {
    #expect(
      Self.lines(width: 45) == [
        "NAME        COUNT  MESSAGE",
        "customsoft      7  the quote has no lines; a…",
        "erp          1200  fine",
      ])
  }

  @Test("A narrower one leaves out what is least needed while the long column keeps some room")
  func leavingOut() {
    #expect(
      Self.lines(width: 40) == [
        "NAME        MESSAGE", "customsoft  the quote has no lines; add…", "erp         fine",
      ])
    #expect(
      Self.lines(width: 24) == [
        "NAME        MESSAGE", "customsoft  the quote h…", "erp         fine",
      ])
    #expect(Self.lines(width: 15) == ["NAME", "customsoft", "erp"])
  }

  @Test("Lines fit the terminal at every width that holds the needed column", arguments: 12...70)
  func fitting(width: Int) {
    for line in Self.lines(width: width) { #expect(DisplayWidth.columns(line) <= width) }
  }

  @Test("Colour stands around the text and not around the padding")
  func colour() {
    let line = Self.lines(width: nil, colour: true)[2]
    #expect(line == "erp          1200  \u{1B}[31mfine\u{1B}[0m")
  }

  @Test("Wide and combining characters keep the columns straight")
  func wideCharacters() {
    let rows = [
      Row(name: "東京", message: "x", count: 1), Row(name: "Zoe\u{301}", message: "y", count: 2),
      Row(name: "📦", message: "z", count: 3),
    ]
    let starts = Self.lines(rows, width: nil).dropFirst().map { line in
      DisplayWidth.columns(String(line.dropLast(1)))
    }
    #expect(Set(starts).count == 1)
  }

  @Test(
    "Text is cut to its columns",
    arguments: [
      ("abcdef", 4, "abc…"), ("abc", 3, "abc"), ("東京都", 4, "東…"), ("ab", 0, ""), ("ab", 1, "…"),
    ])
  func cut(text: String, limit: Int, expected: String) {
    #expect(DisplayWidth.cut(text, to: limit) == expected)
  }

  @Test("What an agent says cannot drive the terminal")
  func escapes() {
    #expect(Cell("a\u{1B}[2Jb\nc\u{7}\u{202E}").text == "a\u{FFFD}[2Jb c\u{FFFD}\u{FFFD}")
  }

  @Test("Fields are aligned, wrapped beside their labels, and left out when empty")
  func document() {
    var document = Document(
      Presentation(width: 40, hasColour: false, now: WallTime(milliseconds: 0)))
    document.fields([
      ("Author", "CustomSoft"), ("Empty", ""),
      ("Description", "moves quotes to the customer's own system of record"),
    ])
    #expect(
      document.text == """
          Author       CustomSoft
          Description  moves quotes to the
                       customer's own system of
                       record

        """)
  }
}
