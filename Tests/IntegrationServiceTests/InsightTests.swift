import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCWire
import Testing

@testable import IntegrationService

@Suite struct InsightTests {
  /// Ten logs of one agent: six done, four failed in two ways.
  private func filled(_ limits: ServiceLimits = ServiceLimits()) async throws -> Harness {
    let harness = try await Harness(limits: limits)
    let agent = try await harness.agent(declaring: [.exportQuote, .bulkImport])
    for number in 0..<10 {
      _ = try await agent.report { report in
        report.actionType = number < 8 ? "export_quote" : "bulk_import"
        report.status = number % 5 < 3 ? .completed : .failed
        report.statusMessage =
          number % 5 == 3 ? "Quote Q-\(number) not found" : number % 5 == 4 ? "HTTP 503" : "done"
        report.labels = ["tenant": number % 2 == 0 ? "a" : "b"]
        report.entity = Entity()
        report.entity?.type = "quote"
        report.entity?.id = "Q-\(number)"
      }
    }
    return harness
  }

  private func expectInvalid(
    _ field: String, _ call: () async throws(RPCError) -> Any,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    do throws(RPCError) {
      let value = try await call()
      Issue.record("expected a refusal of \(field), got \(value)", sourceLocation: sourceLocation)
    } catch {
      #expect(error.code == .invalidArgument, sourceLocation: sourceLocation)
      #expect(error.violations.map(\.field) == [field], sourceLocation: sourceLocation)
    }
  }

  @Test("Logs are counted by what the call names, in the order of the names")
  func counts() async throws {
    let harness = try await filled()
    var request = CountLogsRequest()
    request.by = [.action, .status]
    let reply = try await harness.operators.countLogs(request)
    #expect(reply.total == 10)
    #expect(
      reply.counts.map { $0.keys + ["\($0.logs)"] } == [
        ["bulk_import", "FAILED", "2"], ["export_quote", "COMPLETED", "6"],
        ["export_quote", "FAILED", "2"],
      ])
    request.by = [.label]
    request.labelKey = "tenant"
    request.filter = LogFilter()
    request.filter?.statuses = [.failed]
    #expect(
      try await harness.operators.countLogs(request).counts.map { $0.keys + ["\($0.logs)"] }
        == [["a", "2"], ["b", "2"]])
    request.by = []
    #expect(try await harness.operators.countLogs(request).counts.map(\.logs) == [4])
  }

  @Test("Days are those of the zone")
  func zones() async throws {
    let harness = try await filled()
    var request = CountLogsRequest()
    request.by = [.day]
    for zone in ["", "UTC", "+14:00", "-12:00"] {
      request.timeZone = zone
      let day = LogPeriod.day.name(
        at: ServerClock.now, try #require(LogPeriod.fixedOffset(zone == "UTC" ? "" : zone)))
      #expect(try await harness.operators.countLogs(request).counts.last?.keys == [day])
    }
    let berlin = try await harness.service.offset(ofZone: "Europe/Berlin")
    let summer = Instant(milliseconds: 1_784_000_000_000)
    #expect(berlin(summer) == 7_200 && berlin(Instant(milliseconds: -1)) == 3_600)
  }

  @Test("A count by nothing known, by too much, or of a zone that does not exist is refused")
  func badCounts() async throws {
    let harness = try await filled()
    let count = { (change: (inout CountLogsRequest) -> Void) in
      var request = CountLogsRequest()
      change(&request)
      return request
    }
    let bad: [(String, CountLogsRequest)] = [
      ("by", count { $0.by = [.unrecognized(77)] }), ("by", count { $0.by = [.unspecified] }),
      ("by", count { $0.by = [.status, .agent, .action, .trigger, .integration] }),
      ("by", count { $0.by = [.day, .day] }), ("label_key", count { $0.by = [.label] }),
      ("time_zone", count { $0.timeZone = "Mars/Olympus" }),
      (
        "filter.until",
        count {
          $0.filter = LogFilter()
          $0.filter?.since = Timestamp(milliseconds: 2_000)
          $0.filter?.until = Timestamp(milliseconds: 1_000)
        }
      ),
    ]
    for (field, request) in bad {
      await expectInvalid(field) { () throws(RPCError) in
        try await harness.operators.countLogs(request)
      }
    }
  }

  @Test("Too many groups are refused, and so are too many counts at once")
  func limits() async throws {
    var limits = ServiceLimits()
    limits.maximumGroups = 1
    let harness = try await filled(limits)
    var request = CountLogsRequest()
    request.by = [.trigger]
    #expect(try await harness.operators.countLogs(request).total == 10)
    request.by = [.status]
    do {
      _ = try await harness.operators.countLogs(request)
      Issue.record("two groups, and one may be")
    } catch let error {
      #expect(error.reason == "TOO_MANY_GROUPS" && error.message.contains("--maximum-groups"))
    }
    limits.maximumCounts = 0
    let none = try await Harness(limits: limits)
    do {
      _ = try await none.operators.countLogs(CountLogsRequest())
      Issue.record("none may be worked out")
    } catch let error {
      #expect(error.reason == "TOO_MANY_COUNTS" && error.code == .resourceExhausted)
    }
  }

  @Test("A chart has a bucket for every time, and all logs in them")
  func chart() async throws {
    let harness = try await filled()
    let reply = try await harness.operators.chartLogs(ChartLogsRequest())
    #expect(reply.bucketMs == 1_800_000 && (48...49).contains(reply.buckets.count))
    #expect(reply.buckets.reduce(0) { $0 + $1.logs } == 10)
    #expect(reply.buckets.reduce(0) { $0 + $1.failed } == 4)
    let starts = reply.buckets.compactMap { $0.start?.milliseconds }
    #expect(zip(starts, starts.dropFirst()).allSatisfy { $1 - $0 == 1_800_000 })
    #expect(reply.buckets.allSatisfy { $0.localStart.hasSuffix(":00Z") })
    var request = ChartLogsRequest()
    request.buckets = 1_001
    let tooMany = request
    await expectInvalid("buckets") { () throws(RPCError) in
      try await harness.operators.chartLogs(tooMany)
    }
    request = ChartLogsRequest()
    request.filter = LogFilter()
    request.filter?.since = Timestamp(milliseconds: 4_000_000_000_000)
    let future = request
    await expectInvalid("filter.since") { () throws(RPCError) in
      try await harness.operators.chartLogs(future)
    }
  }

  @Test("A chart of all time has its buckets, whatever times its caller names")
  func chartOfAllTime() async throws {
    let harness = try await filled()
    for zone in ["", "Europe/Berlin", "-14:00", "+14:00"] {
      var request = ChartLogsRequest()
      request.timeZone = zone
      request.filter = LogFilter()
      request.filter?.since = Timestamp(seconds: .min, nanos: .min)
      request.filter?.until = Timestamp(seconds: .max, nanos: .max)
      let reply = try await harness.operators.chartLogs(request)
      #expect(reply.buckets.reduce(0) { $0 + $1.logs } == 10)
      request.filter?.until = Timestamp(seconds: -62_135_596_799)
      #expect(try await harness.operators.chartLogs(request).buckets.allSatisfy { $0.logs == 0 })
    }
  }

  @Test("Failures are grouped by action and by what their messages have in common")
  func failures() async throws {
    let harness = try await filled()
    let reply = try await harness.operators.groupFailures(GroupFailuresRequest())
    #expect(reply.total == 4)
    let groups = reply.groups.map { "\($0.actionType): \($0.pattern) \($0.logs) \($0.entities)" }
    #expect(
      Set(groups) == [
        "export_quote: Quote … not found 1 1", "export_quote: HTTP 503 1 1",
        "bulk_import: Quote … not found 1 1", "bulk_import: HTTP 503 1 1",
      ])
    for group in reply.groups {
      let sample = try await harness.log(try #require(group.sampleLogIds.first)).log
      #expect(sample?.statusMessage == group.sampleMessage)
    }
    var few = GroupFailuresRequest()
    few.maximumGroups = 1
    let one = try await harness.operators.groupFailures(few)
    #expect(one.groups.count == 1 && one.total == 4)
  }

  @Test("A log shows its phases and all attempts at its work, and is found by its beginning")
  func oneLog() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let first = try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    for (sequence, status) in [LogStatus.inProgress, .failed].enumerated() {
      _ = try await agent.report { report in
        report.sequence = UInt64(sequence + 1)
        report.logID = held.logID
        report.leaseToken = held.leaseToken
        report.status = status
      }
    }
    var retry = RetryLogRequest()
    retry.id = first.id
    let second = try #require(try await harness.operators.retryLog(retry).log)
    let shown = try await harness.log(first.id)
    #expect(shown.phases.map(\.kind) == [.queued, .leased, .running])
    #expect(shown.phases.allSatisfy { $0.endedAt != nil })
    #expect(shown.phases.map(\.delivery) == [0, 1, 1])
    #expect(shown.chain.map(\.id) == [first.id, second.id])
    #expect(try await harness.log(second.id).chain.map(\.id) == [first.id, second.id])
    #expect(try await harness.log(String(first.id.prefix(35))).log?.id == first.id)
    do {
      _ = try await harness.log(String(first.id.prefix(8)))
      Issue.record("both begin so")
    } catch let error as RPCError {
      #expect(error.reason == "LOG_AMBIGUOUS" && error.message.contains(second.id))
    }
    do {
      _ = try await harness.log("00000000-0000")
      Issue.record("none begins so")
    } catch let error as RPCError { #expect(error.reason == "LOG_UNKNOWN") }
  }

  // MARK: - Status

  private static func board(_ activity: IntegrationActivity, last: Instant?) -> HealthBoard {
    let now = ServerClock.now
    let stored = StoredIntegration(
      id: 1, name: "customsoft", displayName: "", category: "", author: "",
      supportContact: "help@customsoft.example", description: "", createdAt: now)
    var counts = IntegrationCounts(integration: 1)
    counts.failedDay = 30
    var action = ActionCounts(integration: 1, actionType: "export_quote")
    action.lastLogAt = last
    counts.actions = [action]
    var agent = StoredAgent(integration: 1, agentID: "a", firstSeenAt: now)
    agent.lastHeartbeatAt = now
    agent.lastPollAt = now
    return HealthBoard(
      stored, counts, agents: [AgentRecord(agent)], actions: [], activity: activity, now: now)
  }

  @Test("A failure rate that rose, and an action that is quiet, are said with the next command")
  func troubles() {
    let now = ServerClock.now
    let hour = HourOfTime.of(now)
    var hours: [HourCounts] = []
    for back in (30..<200).reversed() {
      var counts = HourCounts(hour: hour - Int64(back))
      counts.created = 1
      counts.completed = 1
      hours.append(counts)
    }
    var recent = HourCounts(hour: hour - 1)
    recent.failed = 30
    recent.completed = 70
    var before = HourCounts(hour: hour - 25)
    before.completed = 100
    let habit = ActionHours(integration: 1, actionType: "export_quote", hours: hours)
    let rate = ActionHours(integration: 1, actionType: "other", hours: [before, recent])
    let last = now.adding(milliseconds: -30 * HourOfTime.milliseconds)
    let board = Self.board(IntegrationActivity([habit, rate], now: now), last: last)
    let troubles = Troubles.find([board])
    #expect(troubles.map(\.kind) == ["FAILURE_RATE_UP", "QUIET_TOO_LONG"])
    #expect(troubles.allSatisfy { $0.supportContact == "help@customsoft.example" })
    #expect(troubles[0].message.contains("30 % of 100 logs failed"))
    #expect(troubles[1].message.contains("export_quote has not run for 30 h"))
    #expect(board.integration.endedLogsDay == 100)
    var scheduled = IntegrationActivity()
    scheduled.scheduled = ["export_quote": now.adding(milliseconds: -3 * HourOfTime.milliseconds)]
    let late = Troubles.find([Self.board(scheduled, last: last)])
    #expect(late.map(\.kind) == ["QUIET_TOO_LONG", "FAILED_LOGS"])
    #expect(late[0].message.contains("it was expected 3 h ago"))
    let since = now.adding(milliseconds: -2 * HourOfTime.milliseconds)
    #expect(
      Troubles.find([Self.board(scheduled, last: since)]).map(\.kind) == ["FAILED_LOGS"])
    #expect(
      Troubles.find([Self.board(IntegrationActivity(), last: last)]).map(\.kind)
        == ["FAILED_LOGS"])
  }
}
