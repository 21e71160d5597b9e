import CommandLineOptions
import Foundation
import IntegrationAPI
import Synchronization
import Testing

@testable import integrationctl

@Suite struct PresentationTests {
  static func desk() -> Desk {
    let desk = Desk()
    var reply = ListLogsResponse()
    reply.logs = [Samples.log()]
    desk.server.answer(OperatorServiceMethods.listLogs, reply)
    return desk
  }

  static func logs(_ flags: String..., desk: Desk = desk()) async -> Outcome {
    await desk.run(["logs", "list"] + flags)
  }

  // MARK: Columns

  @Test("Columns are chosen by their titles and by members of the JSON, in the order asked for")
  func columns() async {
    let outcome = await Self.logs("--columns", "STATUS,entity.id", "--columns", "createdAt,done")
    #expect(
      outcome.output == """
        STATUS  ENTITY ID  CREATED AT            DONE
        FAILED  Q-1042     2026-11-24T08:29:00Z  3/10

        """)
  }

  @Test("A chosen column is not left out on a narrow terminal, where it can be cut")
  func chosenOnNarrow() async {
    var desk = Self.desk()
    desk.width = 30
    let outcome = await Self.logs("--columns", "status,agent,message", desk: desk)
    #expect(outcome.output.hasPrefix("STATUS  AGENT  MESSAGE\n"))
  }

  @Test("Without headings there are only rows, in tables and in CSV")
  func noHeaders() async {
    let table = await Self.logs("--no-headers", "--columns", "status")
    #expect(table.output == "FAILED\n")
    let csv = await Self.logs("--no-headers", "--columns", "status,entity.id", "-o", "csv")
    #expect(csv.output == "FAILED,Q-1042\r\n")
    let titled = await Self.logs("--columns", "Status", "-o", "csv")
    #expect(titled.output == "status\r\nFAILED\r\n")
  }

  @Test(
    "A column that is not there is a usage error with the list and the near one",
    arguments: [
      (["--columns", "mesage"], "did you mean message?"),
      (["--columns", "nothing-at-all"], "one of log, status,"),
      (["--columns", "log", "-o", "json"], "--columns is for table and csv"),
      (["--columns", "record", "-o", "csv"], "no column \"record\" here"),
    ])
  func unknownColumns(flags: [String], expected: String) async {
    let outcome = await Self.desk().run(["logs", "list"] + flags)
    #expect(outcome.code == .usage)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains(expected), "\(outcome.errors)")
  }

  @Test("Every list declares its columns")
  func everyListDeclares() {
    for path in CommandTreeTests.verbPaths where path.last == "list" {
      let flags = CommandTree.verb(at: path)?.command.flags.map(\.declaration) ?? []
      let columns = flags.first { $0.name.long == "columns" }
      #expect(columns?.choices.isEmpty == false, "\(path): add .showing(listing)")
      #expect(flags.contains { $0.name.long == "no-headers" }, "\(path)")
    }
  }

  // MARK: Times

  @Test("Times are how long ago, or moments in UTC or in the local zone")
  func times() async throws {
    let relative = await Self.logs("--no-headers", "--columns", "updated")
    #expect(relative.output == "30s ago\n")
    let utc = await Self.logs("--no-headers", "--columns", "updated", "--time", "utc")
    #expect(utc.output == "2026-11-24 08:29:30 UTC\n")
    let absolute = await Self.logs("--no-headers", "--columns", "updated", "--time", "absolute")
    let moment = WallTime(milliseconds: Desk.now.milliseconds - 30_000)
    let zone = LocalZone.at(moment)
    #expect(absolute.output == "\(TimeText.plain(zone.shifted(moment))) \(zone.name)\n")
    var desk = Self.desk()
    desk.environment = ["INTEGRATIONCTL_TIME": "utc"]
    let chosen = await Self.logs("--no-headers", "--columns", "updated", desk: desk)
    #expect(chosen.output == utc.output)
  }

  @Test("A zone is a distance and a name")
  func zones() {
    let zone = LocalZone(secondsEast: 19_800, name: "IST")
    #expect(TimeText.plain(zone.shifted(Desk.now)) == "2026-11-24 14:00:00")
  }

  // MARK: Colour

  @Test(
    "Colour is for terminals, unless the environment says otherwise",
    arguments: [
      (true, [:], true), (false, [:], false), (true, ["NO_COLOR": "1"], false),
      (true, ["TERM": "dumb"], false), (true, ["CLICOLOR": "0"], false),
      (false, ["CLICOLOR_FORCE": "1"], true), (false, ["CLICOLOR_FORCE": "0"], false),
      (true, ["CLICOLOR_FORCE": "1", "NO_COLOR": "1"], false), (true, ["NO_COLOR": ""], true),
    ] as [(Bool, [String: String], Bool)])
  func colour(isTerminal: Bool, variables: [String: String], expected: Bool) {
    #expect(Console.hasColour(isTerminal: isTerminal, Environment(variables)) == expected)
  }

  @Test("--no-color is without colour, whatever the terminal can")
  func noColour() async {
    var desk = Self.desk()
    desk.hasColour = true
    #expect(await Self.logs(desk: desk).output.contains("\u{1B}["))
    let plain = await Self.logs("--no-color", desk: desk)
    #expect(!plain.output.contains("\u{1B}["))
  }

  // MARK: Pager

  @Test("Only what is longer than the terminal goes through the pager")
  func pager() async {
    let paged = Mutex("")
    var desk = Self.desk()
    desk.page = { text in
      paged.withLock { $0 = text }
      return true
    }
    // Without a terminal never.
    #expect(await !Self.logs(desk: desk).output.isEmpty)
    desk.height = 3
    #expect(await !Self.logs(desk: desk).output.isEmpty)
    desk.height = 2
    #expect(await Self.logs(desk: desk).output.isEmpty)
    #expect(paged.withLock { $0.hasPrefix("LOG") })
    #expect(await !Self.logs("--no-pager", desk: desk).output.isEmpty)
    desk.page = { _ in false }
    #expect(await !Self.logs(desk: desk).output.isEmpty)
  }

  @Test("Lines that the terminal breaks count as many")
  func brokenLines() {
    #expect(DisplayWidth.rows("abcdef", width: 3) == 2)
    #expect(DisplayWidth.rows("\u{1B}[31mabc\u{1B}[0m", width: 3) == 1)
    #expect(DisplayWidth.rows("", width: 3) == 1)
    #expect(DisplayWidth.rows("abcdef", width: nil) == 1)
  }

  @Test("cat is no pager, and INTEGRATIONCTL_PAGER comes before PAGER")
  func pagers() {
    #expect(Pager(environment: Environment([:])) != nil)
    #expect(Pager(environment: Environment(["PAGER": "cat"])) == nil)
    #expect(
      Pager(environment: Environment(["PAGER": "cat", "INTEGRATIONCTL_PAGER": "more"])) != nil)
  }
}
