import CBenchLoad
import Dispatch
import Glibc
import IntegrationAPI
import ProtobufRuntime
import RPCWire

/// What an operator waits for while agents report: a page of 50 logs under each filter, in either
/// order, out of a million.
struct OperatorFigures {
  let directory: String
  let progress: (String) -> Void

  private static let logs: UInt64 = 1_000_000
  private static let reportsPerSecond = 10_000.0
  private static let pages = 200
  private static let goal = 10.0

  func run() async throws -> [OwnFigure] {
    let own = try Program.makeDirectory(below: directory)
    defer { Program.removeDirectory(own) }
    let server = try KeptServer(in: own)
    let filled = try await FilledServer.fill(server, logs: Self.logs, scratch: directory)
    let session = try await FilledServer.session(server, filled.token, scratch: directory)
    let begin = try await oldest(session)
    let load = PacedReports(on: session.target, perSecond: Self.reportsPerSecond)
    defer { _ = load.end() }
    var figures: [OwnFigure] = []
    for list in lists(from: begin) {
      progress("  page by \(list.name)\n")
      figures.append(try await figure(list, session))
    }
    figures += try await processes(session)
    let outcome = load.end()
    figures.append(reportFigure(outcome))
    return figures
  }

  /// Whole runs of integrationctl: all that an operator waits for, and what is beyond the call.
  private func processes(_ session: Session) async throws -> [OwnFigure] {
    progress("  integrationctl\n")
    let client = try session.operatorClient()
    let startup = try StartupBenchmark(
      session: session, shape: LoadShape(connections: 1, inFlight: 1, warmup: 0, seconds: 3))
    let filter = UsualFilters.filter { $0.entityIds = ["0009973"] }
    var request = ListLogsRequest()
    request.filter = filter
    let sent = request
    let list = try await startup.measure(["logs", "list", "--entity", "0009973"]) {
      _ = try await client.listLogs(sent)
    }
    let status = try await startup.measure(["status"]) {
      _ = try await client.getStatus(GetStatusRequest())
    }
    let version = try await startup.measure(["--version"]) { return }
    var figures = [
      OwnFigure(
        name: "1 million logs, 10,000 reports/s: logs list --entity, start to exit, p99",
        value: list.latencyMs.p99, unit: " ms", goal: 50, fault: fault(list))
    ]
    for run in [list, status, version] {
      guard let beyond = run.beyond else { continue }
      let words = run.benchmark.dropFirst("startup ".count)
      figures.append(
        OwnFigure(
          name: "integrationctl \(words), beyond the call, p50 (p99 \(decimal(beyond.p99Ms)) ms)",
          value: beyond.p50Ms, unit: " ms", goal: 10, fault: fault(run)))
    }
    return figures
  }

  private func fault(_ run: Measurement) -> String? {
    run.failures == 0 ? nil : "\(run.failures) runs did not exit with 0"
  }

  /// One list, followed page by page.
  private struct List {
    let name: String
    let order: Order
    let makeFilter: (Int) -> LogFilter
    var expected: Int?
  }

  private func lists(from begin: Timestamp) -> [List] {
    let first = Timestamp(seconds: begin.seconds + 1)
    let range = UsualFilters.filter {
      $0.since = begin
      $0.until = first
    }
    var lists = UsualFilters.all.map { List(name: $0.0, order: .newestFirst, makeFilter: $0.1) }
    lists.append(List(name: "time range", order: .newestFirst, makeFilter: { _ in range }))
    lists.append(
      List(name: "status, oldest first", order: .oldestFirst) { _ in
        UsualFilters.filter { $0.statuses = [.failed] }
      })
    lists.append(
      List(
        name: "handled elsewhere", order: .newestFirst,
        makeFilter: { _ in UsualFilters.filter { $0.handling = .handled } }, expected: 0))
    lists += RareLogs.filters.map { name, filter, expected in
      List(name: name, order: .newestFirst, makeFilter: { _ in filter }, expected: expected)
    }
    return lists
  }

  private func oldest(_ session: Session) async throws -> Timestamp {
    var request = ListLogsRequest()
    request.order = .oldestFirst
    request.pageSize = 1
    let page = try await session.operatorClient().listLogs(request)
    guard let begin = page.logs.first?.createdAt else {
      throw BenchError(.refused, "expected logs; there are none")
    }
    return begin
  }

  /// The p99 of a page; a rare list is followed to its end, a common one for a few pages.
  private func figure(_ list: List, _ session: Session) async throws -> OwnFigure {
    let client = try session.operatorClient()
    let histogram = Histogram()
    var (pages, lists, found) = (0, 0, 0)
    while pages < Self.pages {
      var request = ListLogsRequest()
      request.filter = list.makeFilter(lists)
      request.order = list.order
      request.pageSize = 50
      var steps = 0
      repeat {
        let before = ContinuousClock.now
        let page = try await client.listLogs(request)
        histogram.record(ContinuousClock.now - before)
        found += page.logs.count
        pages += 1
        steps += 1
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty && (list.expected != nil || steps < 4)
      lists += 1
    }
    var fault: String?
    if let expected = list.expected, found != expected * lists {
      fault = "\(found) logs found, not \(expected * lists)"
    }
    if list.expected == nil, found == 0, list.name != "text" { fault = "no page had a log" }
    return OwnFigure(
      name: "1 million logs, 10,000 reports/s: page by \(list.name), p99",
      value: histogram.latency.p99, unit: " ms", goal: Self.goal, fault: fault)
  }

  private func reportFigure(_ outcome: RawLoadOutcome) -> OwnFigure {
    let rate = Double(outcome.histogram.count) / max(outcome.seconds, 0.001)
    var fault = outcome.fault
    if fault == nil, rate < Self.reportsPerSecond * 0.95 {
      fault = "\(grouped(rate)) reports/s came, not \(grouped(Self.reportsPerSecond))"
    }
    return OwnFigure(
      name: "1 million logs: reports meanwhile at \(grouped(rate))/s, p99",
      value: outcome.histogram.latency.p99, unit: " ms", goal: nil, fault: fault)
  }
}

/// Reports at a steady pace on a thread of their own, until they are ended.
final class PacedReports: @unchecked Sendable {
  // Safe: the outcome is written before the group is left and read after it was waited for.

  /// The longest that a load may take, should nobody end it.
  private static let longest = 600.0
  private let flag = StopFlag()
  private let group = DispatchGroup()
  private var outcome: RawLoadOutcome?

  init(on target: LoadTarget, perSecond: Double) {
    let shape = LoadShape(connections: 16, inFlight: 64, warmup: 0, seconds: Self.longest)
    DispatchQueue.global().async(group: group) { [self] in
      outcome = Native.load(CBL_LOAD_REPORT, on: target, shape, perSecond: perSecond, stop: flag)
    }
  }

  /// Ends the load and waits for its last answers.
  func end() -> RawLoadOutcome {
    flag.set()
    group.wait()
    guard let outcome else { preconditionFailure("a load that has ended has an outcome") }
    return outcome
  }
}
