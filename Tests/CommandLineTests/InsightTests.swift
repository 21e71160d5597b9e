import CommandLineOptions
import IntegrationAPI
import ProtobufRuntime
import Testing

@testable import integrationctl

@Suite struct InsightTests {
  private static func counts(_ rows: [([String], UInt64)]) -> CountLogsResponse {
    var reply = CountLogsResponse()
    reply.counts = rows.map { keys, logs in
      var count = LogCount()
      count.keys = keys
      count.logs = logs
      return count
    }
    reply.total = rows.reduce(0) { $0 + $1.1 }
    return reply
  }

  // MARK: - Counts

  @Test("Statuses stand side by side, with totals both ways")
  func countTable() async throws {
    let desk = Desk()
    desk.server.answer(
      OperatorServiceMethods.countLogs,
      Self.counts([
        (["2026-11-23", "COMPLETED"], 1_200), (["2026-11-23", "FAILED"], 3),
        (["2026-11-24", "COMPLETED"], 800),
      ]))
    let outcome = await desk.run(
      "logs", "count", "--by", "day,status", "--time-zone", "+01:00", "-i", "customsoft")
    #expect(
      outcome.output == """
        DAY         COMPLETED  FAILED    ALL   SHARE
        2026-11-23      1,200       3  1,203  60.1 %
        2026-11-24        800       0    800  39.9 %
        all             2,000       3  2,003

        """)
    let requests: [CountLogsRequest] = try desk.server.requests(OperatorServiceMethods.countLogs)
    #expect(requests.first?.by == [.day, .status])
    #expect(requests.first?.timeZone == "+01:00")
    #expect(requests.first?.filter?.integrations == ["customsoft"])
  }

  @Test("A count by nothing is one number; by a label, a line each")
  func plainCounts() async throws {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.countLogs, Self.counts([([], 5)]))
    desk.server.answer(OperatorServiceMethods.countLogs, Self.counts([(["a"], 2), ([""], 1)]))
    #expect(await desk.run("logs", "count").output == "LOGS\n   5\n")
    let none = Desk()
    none.server.answer(OperatorServiceMethods.countLogs, CountLogsResponse())
    none.server.answer(OperatorServiceMethods.countLogs, CountLogsResponse())
    #expect(await none.run("logs", "count", "-o", "csv").output == "logs\r\n0\r\n")
    #expect(
      await none.run("logs", "count", "-o", "jsonl").output == "{\"keys\":[],\"logs\":\"0\"}\n")
    #expect(
      await desk.run("logs", "count", "--by", "label:tenant", "-o", "csv").output
        == "label:tenant,logs\r\na,2\r\n,1\r\n")
    let table = await desk.run("logs", "count", "--by", "label:tenant").output
    #expect(table.contains("(none)"))
    let json = await desk.run("logs", "count", "--by", "label:tenant", "-o", "json").output
    #expect(json.hasPrefix("{\n  \"counts\": [") && json.contains("\"total\": \"3\""))
    let requests: [CountLogsRequest] = try desk.server.requests(OperatorServiceMethods.countLogs)
    #expect(requests.last?.labelKey == "tenant")
  }

  @Test(
    "A count by what is not known is wrong usage",
    arguments: ["statsu", "label:", "", "label:a,label:b", "colour"])
  func badKeys(key: String) async {
    let outcome = await Desk().run("logs", "count", "--by", key)
    #expect(outcome.code == .usage && outcome.output.isEmpty)
    if key == "statsu" { #expect(outcome.errors.contains("did you mean status?")) }
  }

  // MARK: - Charts

  private static var chart: ChartLogsResponse {
    var reply = ChartLogsResponse()
    reply.bucketMs = 3_600_000
    reply.buckets = (0..<3).map { number in
      var bucket = LogBucket()
      bucket.localStart = "2026-11-24T0\(6 + number):00:00+01:00"
      bucket.logs = [100, 0, 20][number]
      bucket.failed = [1, 0, 20][number]
      bucket.durationP50Ms = 1_200
      bucket.durationP95Ms = 61_000
      return bucket
    }
    return reply
  }

  @Test("A chart marks what failed, and fits the terminal")
  func chart() async {
    var desk = Desk()
    desk.width = 60
    desk.server.answer(OperatorServiceMethods.chartLogs, Self.chart)
    let outcome = await desk.run("logs", "chart")
    #expect(
      outcome.output == """
        120 logs, 21 failed (17.5 %); each line is 1h, UTC+01:00

        FROM         LOGS  FAILED   P50    P95  █ failed  ░ others
        11-24 06:00   100       1  1.2s  1m 1s  █░░░░░░░░░░░░░░░░░░░
        11-24 07:00     0
        11-24 08:00    20      20  1.2s  1m 1s  ████

        """)
  }

  @Test("Without Unicode a chart is of ASCII alone")
  func plainChart() {
    let presentation = Presentation(
      width: 80, hasColour: false, now: Desk.now, hasUnicode: false)
    let text = TimeChart(Self.chart).text(presentation)
    #expect(text.utf8.allSatisfy { $0 < 0x80 })
    #expect(text.contains("x----"))
  }

  // MARK: - Failures

  @Test("A group has its sample and commands that work in a shell")
  func failures() async throws {
    let desk = Desk()
    var group = FailureGroup()
    group.integration = "customsoft"
    group.actionType = "export_quote"
    group.pattern = "Quote … isn't there: … of …"
    group.logs = 1_234
    group.entities = 1_000
    group.firstAt = Samples.time(secondsAgo: 7_200)
    group.lastAt = Samples.time(secondsAgo: 60)
    group.sampleMessage = "Quote Q-1 isn't there: 3 of 4"
    group.sampleLogIds = [Samples.logID]
    var reply = GroupFailuresResponse()
    reply.groups = [group]
    reply.total = 2_000
    desk.server.answer(OperatorServiceMethods.groupFailures, reply)
    #expect(
      await desk.run("logs", "failures").output == """
        2,000 failed  in 1 group; 766 in others

        1,234  customsoft/export_quote  61.7 %
          Quote … isn't there: … of …
          when     last 1m ago, first 2h ago
          records  1,000 or more
          e.g.     Quote Q-1 isn't there: 3 of 4
          show  integrationctl logs show \(Samples.logID)
          all   integrationctl logs list --integration customsoft --action export_quote \
        --status FAILED,TIMED_OUT --text 'isn'\\''t there:' --since 24h

        """)
    #expect(await desk.run("logs", "failures", "-o", "csv").output.hasPrefix("integration,"))
    let none = Desk()
    none.server.answer(OperatorServiceMethods.groupFailures, GroupFailuresResponse())
    let empty = await none.run("logs", "failures")
    #expect(empty.output.isEmpty && empty.errors == "Nothing failed.\n")
  }

  @Test("The newest logs are all read, also where a page is short")
  func newestInPages() async throws {
    let desk = Desk()
    for number in 1...3 {
      var page = ListLogsResponse()
      page.logs = [Samples.log(id: "0000000\(number)\(Samples.logID.dropFirst(8))")]
      page.nextPageToken = "l\(number)"
      desk.server.answer(OperatorServiceMethods.listLogs, page)
    }
    let outcome = await desk.run("logs", "tail", "-n", "3", "-o", "csv", "--text", "rare")
    let ids = outcome.output.split(whereSeparator: \.isNewline).dropFirst().map { $0.prefix(8) }
    #expect(ids == ["00000003", "00000002", "00000001"])
    let asked: [ListLogsRequest] = try desk.server.requests(OperatorServiceMethods.listLogs)
    #expect(asked.map(\.pageToken) == ["", "l1", "l2"])
    #expect(asked.map(\.pageSize) == [3, 2, 1])
  }

  @Test("The command that lists a group keeps the filter, and has no longer text than is taken")
  func groupCommand() {
    var group = FailureGroup()
    group.integration = "customsoft"
    group.actionType = "export_quote"
    group.sampleMessage = String(repeating: "é", count: 200)
    group.pattern = group.sampleMessage
    var filter = LogFilter()
    filter.agentIds = ["erp-1"]
    filter.labels = ["tenant": "a"]
    filter.handling = .open
    filter.until = WallTime(milliseconds: 90_000_000).timestamp
    #expect(
      LogFailuresCommand.listCommand(group, of: filter) == """
        integrationctl logs list --integration customsoft --action export_quote \
        --status FAILED,TIMED_OUT --agent erp-1 --since 1970-01-01T01:00:00Z \
        --until 1970-01-02T01:00:00Z --text '\(String(repeating: "é", count: 128))' \
        --label tenant=a --handling OPEN
        """)
    group.sampleMessage = "no \u{1B}[31mconnection\nhere"
    group.pattern = group.sampleMessage
    #expect(
      LogFailuresCommand.listCommand(group, of: LogFilter()).hasSuffix(
        "--text '[31mconnection' --since 24h"))
  }

  // MARK: - One log

  @Test("Phases, attempts and late reports of a log are shown")
  func logShow() async {
    let desk = Desk()
    var reply = Samples.logReply
    var phase = LogPhase()
    phase.kind = .leased
    phase.startedAt = Samples.time(secondsAgo: 60)
    phase.endedAt = Samples.time(secondsAgo: 30)
    phase.delivery = 2
    phase.agentID = "crm-1"
    reply.phases = [phase]
    var first = Samples.log(id: "01938c3e-0000-7bb2-9d2e-5f0a6c1e8d37")
    first.attempt = 1
    reply.chain = [first, Samples.log()]
    reply.timeline[1].late = true
    desk.server.answer(OperatorServiceMethods.getLog, reply)
    let text = await desk.run("logs", "show", "01938C3E-7a41").output
    #expect(text.contains("leased  30s  2026-11-24 08:29:00.000  2         crm-1"))
    #expect(text.contains("Timeline (1 late report, which changed nothing)"))
    #expect(text.contains("Attempts at this work\n"))
    #expect(text.contains("   1  01938c3e-0000-7bb2-9d2e-5f0a6c1e8d37  FAILED"))
    #expect(text.contains("   2  this one                              FAILED"))
  }

  @Test("Record errors are fetched page by page, as many as are wanted")
  func errorPages() async throws {
    let desk = Desk()
    for page in 0..<3 {
      var reply = Samples.logReply
      reply.errors = (0..<200).map { number in
        var error = RecordError()
        error.referenceID = "record \(page * 200 + number)"
        return error
      }
      reply.nextErrorPageToken = page < 2 ? "e\((page + 1) * 200)" : ""
      desk.server.answer(OperatorServiceMethods.getLog, reply)
    }
    let text = await desk.run("logs", "show", Samples.logID, "--errors", "5000").output
    #expect(text.contains("record 0 ") && text.contains("record 599"))
    let requests: [GetLogRequest] = try desk.server.requests(OperatorServiceMethods.getLog)
    #expect(requests.map(\.errorPageToken) == ["", "e200", "e400"])
    #expect(await Desk().run("logs", "show", "0193").code == .usage)
  }

  @Test("On 80 columns status, record and message of a log can be read")
  func narrowList() async {
    var desk = Desk()
    desk.width = 80
    var reply = ListLogsResponse()
    var other = Samples.log(.inProgress, id: "01938c3e-7a41-7bb2-8000-000000000000")
    other.statusMessage = "half of it"
    reply.logs = [Samples.log(id: "01938c3e-7a42-7bb2-9d2e-5f0a6c1e8d37"), other]
    desk.server.answer(OperatorServiceMethods.listLogs, reply)
    let lines = await desk.run("logs", "list").output.split(separator: "\n")
    #expect(lines[1].hasPrefix("01938c3e-7a42-7bb2  FAILED       "))
    #expect(lines[1].contains("Q-1042") && lines[1].contains("line 3 has no product"))
    #expect(lines.allSatisfy { $0.count <= 80 })
    #expect(LogIDText.tellingApart([Samples.logID, other.id]) == 23)
    #expect(LogIDText.tellingApart([Samples.logID, Samples.logID]) == 18)
  }
}
