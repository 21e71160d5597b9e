import Testing

@testable import CommandLineOptions

@Suite struct OptionTextTests {
  @Test(
    "Spans are read with their units",
    arguments: [
      ("15m", 900_000), ("2d", 172_800_000), ("1h30m", 5_400_000), ("250ms", 250),
      ("1w", 604_800_000),
      ("0s", 0),
    ])
  func spans(text: String, milliseconds: Int64) {
    #expect(DurationText.parse(text) == .milliseconds(milliseconds))
  }

  @Test(
    "What is no span is refused",
    arguments: ["", "15", "m", "-5m", "1.5h", "5 m", "5M", "99999999999999999999d", "९m", "5mm"])
  func wrongSpans(text: String) {
    #expect(DurationText.parse(text) == nil)
  }

  @Test("A span is written as it is read", arguments: ["0s", "250ms", "1s", "1h30m", "2d", "20s"])
  func spanFormat(text: String) throws {
    #expect(DurationText.format(try #require(DurationText.parse(text))) == text)
  }

  @Test(
    "Byte counts are read in powers of 1,024",
    arguments: [("4096", 4096), ("64KiB", 65_536), ("4MiB", 4_194_304), ("1GiB", 1_073_741_824)])
  func byteCounts(text: String, bytes: Int) {
    #expect(ByteCountText.parse(text) == bytes)
  }

  @Test("What is no byte count is refused", arguments: ["", "4MB", "KiB", "-1", "9999999999TiB"])
  func wrongByteCounts(text: String) {
    #expect(ByteCountText.parse(text) == nil)
  }

  @Test("A byte count is written in the largest unit that divides it")
  func byteFormat() {
    #expect(ByteCountText.format(4_194_304) == "4MiB")
    #expect(ByteCountText.format(1500) == "1500B")
  }

  @Test(
    "A near name is suggested",
    arguments: [
      ("lst", "list"), ("shwo", "show"), ("tial", "tail"), ("integ", "integrations"),
      ("LIST", "list"),
    ])
  func suggestions(word: String, expected: String) {
    let names = ["list", "show", "tail", "integrations"]
    #expect(Suggestions.nearest(to: word, among: names) == expected)
  }

  @Test("A far name is not suggested", arguments: ["", "zz", "schedules", "delete"])
  func noSuggestion(word: String) {
    #expect(Suggestions.nearest(to: word, among: ["list", "show", "tail"]) == nil)
  }

  @Test("root and other users have their own default paths")
  func defaultPaths() {
    let root = DefaultPaths(isRoot: true, environment: Environment(["HOME": "/root"]))
    #expect(root.dataDirectory == "/var/lib/integrationd")
    #expect(root.address == "unix:/run/integrationd.sock")
    let home = DefaultPaths(isRoot: false, environment: Environment(["HOME": "/home/a"]))
    #expect(home.dataDirectory == "/home/a/.local/share/integrationd")
    #expect(home.socket == "/home/a/.local/share/integrationd/integrationd.sock")
    let full = DefaultPaths(
      isRoot: false, environment: Environment(["XDG_DATA_HOME": "/d", "XDG_RUNTIME_DIR": "/run/u"]))
    #expect(full.dataDirectory == "/d/integrationd")
    #expect(full.socket == "/run/u/integrationd.sock")
  }
}
