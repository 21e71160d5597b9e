import IntegrationAPI
import IntegrationModel
import RPCClient
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Tailing logs", .limit(minutes: 3))
struct TailTests {
  @Test("A tail begins with the newest logs, oldest first, then follows what changes")
  func follows() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var earlier: [String] = []
    for _ in 0..<3 { earlier.append(try await agent.report { _ in }.logID) }
    var request = TailLogsRequest()
    request.recent = 2
    var tail = harness.operators.tailLogs(request).makeAsyncIterator()
    var seen = [try await tail.next()?.log?.id, try await tail.next()?.log?.id]
    #expect(seen == earlier.sorted().suffix(2))
    // The place from which it follows.
    let place = try await tail.next()
    #expect(place?.log == nil)
    #expect(place?.resumeToken.isEmpty == false)
    let next = try await agent.report { $0.status = .inProgress }
    _ = try await agent.report {
      $0.logID = next.logID; $0.sequence = 2
    }
    seen = []
    let changes = [try await tail.next()?.log, try await tail.next()?.log]
    #expect(changes.map(\.?.id) == [next.logID, next.logID])
    #expect(changes.map(\.?.status) == [.inProgress, .completed])
  }

  @Test("A tail shows only what its filter takes")
  func filters() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var request = TailLogsRequest()
    request.filter = LogFilter()
    request.filter?.statuses = [.failed]
    let filter = request
    let reader = Task { () -> String? in
      for try await item in harness.operators.tailLogs(filter) {
        if let log = item.log { return log.id }
      }
      return nil
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    _ = try await agent.report { _ in }
    let failed = try await agent.report { $0.status = .failed }
    #expect(try await reader.value == failed.logID)
  }

  /// A tail until it has shown some logs, and where it stands then.
  private func read(
    _ harness: Harness, _ count: Int, from token: String = "", recent: UInt32 = 0,
    began: () async throws -> Void = {}
  ) async throws -> (logs: [ActionLog], token: String) {
    var request = TailLogsRequest()
    request.resumeToken = token
    request.recent = recent
    var logs: [ActionLog] = []
    var last = token
    for try await item in harness.operators.tailLogs(request) {
      if !item.resumeToken.isEmpty { last = item.resumeToken }
      if let log = item.log {
        logs.append(log)
      } else if logs.isEmpty {
        try await began()
      }
      if logs.count >= count, !last.isEmpty { break }
    }
    return (logs, last)
  }

  @Test("A tail that was cut off goes on without a gap and without a repeat, also after a restart")
  func resumes() async throws {
    var harness = try await Harness()
    var agent = try await harness.agent()
    let (first, token) = try await read(harness, 1) { _ = try await agent.report { _ in } }
    #expect(first.count == 1)
    let running = try await agent.report { $0.status = .inProgress }.logID
    _ = try await agent.report {
      $0.logID = running
      $0.sequence = 2
    }
    let directory = await harness.stop()
    harness = try await Harness(directory: directory)
    agent = TestAgent(id: "agent-1", channel: try harness.connection())
    let last = try await agent.report { _ in }.logID
    let (rest, place) = try await read(harness, 2, from: token)
    #expect(rest.map(\.id) == [running, last])
    #expect(rest.map(\.status) == [.completed, .completed])
    let next = try await agent.report { _ in }.logID
    #expect(try await read(harness, 1, from: place).logs.map(\.id) == [next])
  }

  @Test("A place that is forged, foreign or too old is refused")
  func badPlaces() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let (_, token) = try await read(harness, 1) { _ = try await agent.report { _ in } }
    for wrong in ["x", "t1.2", "t1.2.-3", "l\(token)", String(repeating: "t", count: 100)] {
      let refused = try await failure { try await read(harness, 1, from: wrong) }
      #expect(refused.reason == "PAGE_TOKEN_INVALID", "\(wrong)")
    }
    let parts = token.dropFirst().split(separator: ".").map(String.init)
    for old in ["t1.1.0", "t\(parts[0]).1.0", "t\(parts[0]).zzzzzzzz.0"] {
      let refused = try await failure { try await read(harness, 1, from: old) }
      #expect(refused.code == .failedPrecondition)
      #expect(refused.reason == "TAIL_TOO_OLD", "\(old)")
    }
  }

  @Test("A tail whose caller is gone is forgotten")
  func ends() async throws {
    let harness = try await Harness()
    let reader = Task {
      for try await _ in harness.operators.tailLogs(TailLogsRequest()) {}
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    reader.cancel()
    _ = await reader.result
    try await eventually("nobody tails") { harness.service.tails.isWatched ? nil : true }
  }

  @Test("More tails than the limit are refused")
  func limit() async throws {
    var limits = ServiceLimits()
    limits.maximumTails = 1
    let harness = try await Harness(limits: limits)
    let reader = Task {
      for try await _ in harness.operators.tailLogs(TailLogsRequest()) {}
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    let refused = try await failure {
      for try await _ in harness.operators.tailLogs(TailLogsRequest()) {}
    }
    #expect(refused.reason == "TOO_MANY_TAILS")
    reader.cancel()
  }

  @Test("When too much waits for all readers together, the tail of the slowest ends")
  func shedding() async throws {
    var limits = ServiceLimits()
    limits.maximumTailBytes = 1 << 20
    let harness = try await Harness(limits: limits)
    let agent = try await harness.agent()
    var tails: [RPCStream<TailLogsResponse>.AsyncIterator] = []
    for _ in 0..<3 {
      var tail = harness.operators.tailLogs(TailLogsRequest()).makeAsyncIterator()
      // The place from which it follows; nothing is read behind it.
      #expect(try await tail.next()?.log == nil)
      tails.append(tail)
    }
    // Five for each of three are too much, seven for each of two are not: a report is answered
    // before the tails have its log, so one or two more may be made.
    let long = "\"\(String(repeating: "x", count: 72_000))\""
    var reported = 0
    while harness.service.tails.count == 3, reported < 200 {
      _ = try await agent.report { $0.result = long }
      reported += 1
      try await eventually("what was sent is not kept") {
        harness.service.tails.all.allSatisfy { $0.keptBytes == $0.waitingBytes } ? true : nil
      }
    }
    #expect(harness.service.tails.count == 2)
    #expect(harness.service.tails.bytes.count <= limits.maximumTailBytes)
    var ended = 0
    for var tail in tails {
      var seen = 0
      do {
        while seen < reported, let item = try await tail.next() { seen += item.log == nil ? 0 : 1 }
        #expect(seen == reported)
      } catch {
        #expect(error.code == .resourceExhausted)
        #expect(error.reason == "SLOW_READER")
        ended += 1
      }
    }
    #expect(ended == 1)
    try await eventually("nothing waits any more") {
      harness.service.tails.bytes.count == 0 ? true : nil
    }
  }

  @Test("A tail does not begin with more than a few MiB of logs")
  func longBeginning() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let long = "\"\(String(repeating: "x", count: 250_000))\""
    for _ in 0..<60 { _ = try await agent.report { $0.result = long } }
    var request = TailLogsRequest()
    request.recent = 1_000
    var shown: [String] = []
    for try await item in harness.operators.tailLogs(request) {
      guard let log = item.log else { break }
      shown.append(log.id)
    }
    #expect(shown.count >= 4_000_000 / 250_000)
    #expect(shown.count < 8_000_000 / 250_000)
    // Oldest first: ids begin with their time.
    #expect(shown == shown.sorted())
  }

  @Test("A reader that gives no credit loses nothing of a burst")
  func burst() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let reader = Task { () -> Set<String> in
      var ids: Set<String> = []
      for try await item in harness.operators.tailLogs(TailLogsRequest()) {
        if let log = item.log { ids.insert(log.id) }
        if ids.count == 1_000 { break }
      }
      return ids
    }
    try await eventually("the tail is watched") { harness.service.tails.isWatched ? true : nil }
    var request = ReportLogBatchRequest()
    request.agentID = agent.id
    request.reports = (0..<1_000).map { _ in LogReport.attempt() }
    _ = try await agent.client.reportLogBatch(request)
    #expect(try await reader.value == Set(request.reports.map(\.logID)))
  }
}
