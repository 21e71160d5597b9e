import CBenchLoad
import FoundationEssentials
import Glibc
import IntegrationAPI
import IntegrationClient
import RPCWire

/// What many stored logs do to the server: its start, pages under each filter, the rate of reports,
/// memory, and bytes on disk.
struct LogFigures {
  let directory: String
  let logs: UInt64
  let seconds: Double

  private static let pages = 100
  private static let startGoal: [UInt64: Double] = [1_000_000: 200]
  private static let pageGoal = 10.0

  func run() async throws -> [OwnFigure] {
    let own = try Program.makeDirectory(below: directory)
    defer { Program.removeDirectory(own) }
    var figures: [OwnFigure] = []
    var server = try KeptServer(in: own)
    let token = try await createIntegration(server)
    let stored = try await fill(server, token)
    server = try restarted(server, stored, in: own, &figures)
    do {
      let session = try await session(server, token)
      figures += try await pages(session)
      figures += try await rarePages(session)
    }
    figures.append(try await reports(server, token))
    return figures
  }

  private var name: String { "\(grouped(Double(logs))) logs" }

  private func createIntegration(_ server: KeptServer) async throws -> String {
    let connection = try await connect(to: server.operatorAddress, token: "")
    defer { connection.close() }
    var request = CreateIntegrationRequest()
    request.name = Session.integration
    request.author = "integration-bench"
    request.supportContact = "none"
    let client = OperatorServiceClient(channel: connection)
    return try await client.createIntegration(request).secret
  }

  private func session(_ server: KeptServer, _ token: String) async throws -> Session {
    try await Session(
      Session.Options(
        server: server.address, token: token, operatorAddress: server.operatorAddress,
        scratch: directory))
  }

  /// Returns how many there are then: as many as wanted, or some more.
  private func fill(_ server: KeptServer, _ token: String) async throws -> UInt64 {
    let session = try await session(server, token)
    let shape = LoadShape(
      connections: 16, inFlight: 16, warmup: 0, seconds: logs < 100_000 ? 0.05 : 1)
    for number in 0..<3600 {
      let outcome = Native.load(CBL_LOAD_REPORT, on: session.target, shape)
      if let fault = outcome.fault { throw BenchError(.refused, fault) }
      if number == 0 { try await RareLogs.report(in: session) }
      if let stored = try await session.storedLogs(), stored >= logs { return stored }
    }
    throw BenchError(.refused, "expected \(logs) logs within an hour")
  }

  /// Stops the server, weighs its files, and starts it again, three times.
  private func restarted(
    _ server: KeptServer, _ stored: UInt64, in own: String, _ figures: inout [OwnFigure]
  ) throws -> KeptServer {
    server.process.stop()
    let bytes = try bytes(of: own + "/data")
    figures.append(
      OwnFigure(
        name: "\(name): bytes on disk for each", value: bytes / Double(stored), unit: " B",
        goal: 250))
    var starts: [Double] = []
    var next = try KeptServer(in: own)
    for _ in 0..<2 {
      starts.append(next.startMilliseconds)
      next.process.stop()
      next = try KeptServer(in: own)
    }
    starts.append(next.startMilliseconds)
    figures.append(
      OwnFigure(
        name: "\(name): start to ready", value: starts.sorted()[1], unit: " ms",
        goal: Self.startGoal[logs]))
    return next
  }

  private func bytes(of directory: String) throws -> Double {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
    return try names.reduce(0) { sum, name in
      var status = stat()
      guard unsafe stat("\(directory)/\(name)", &status) == 0 else {
        throw BenchError.system("the size of \(name)")
      }
      return sum + Double(status.st_size)
    }
  }

  /// The p99 of a page of 50 under each filter, each page asked for as a person would: the newest.
  private func pages(_ session: Session) async throws -> [OwnFigure] {
    let client = try session.operatorClient()
    var figures: [OwnFigure] = []
    for (filterName, makeFilter) in filters {
      let histogram = Histogram()
      var empty = 0
      for number in 0..<Self.pages {
        var request = ListLogsRequest()
        request.filter = makeFilter(number)
        request.pageSize = 50
        let before = ContinuousClock.now
        let page = try await client.listLogs(request)
        histogram.record(ContinuousClock.now - before)
        if page.logs.isEmpty { empty += 1 }
      }
      let fault = empty == Self.pages && filterName != "text" ? "no page had a log" : nil
      figures.append(
        OwnFigure(
          name: "\(name): page by \(filterName), p99", value: histogram.latency.p99, unit: " ms",
          goal: Self.pageGoal, fault: fault))
    }
    return figures
  }

  /// The p99 of a page under each filter that leaves few logs, deep below the newest, while the
  /// list is followed to its end.
  private func rarePages(_ session: Session) async throws -> [OwnFigure] {
    let client = try session.operatorClient()
    var figures: [OwnFigure] = []
    for (filterName, filter, expected) in RareLogs.filters {
      let histogram = Histogram()
      var (lists, pages, found) = (0, 0, 0)
      while pages < Self.pages {
        var request = ListLogsRequest()
        request.filter = filter
        request.pageSize = 50
        repeat {
          let before = ContinuousClock.now
          let page = try await client.listLogs(request)
          histogram.record(ContinuousClock.now - before)
          found += page.logs.count
          pages += 1
          request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
        lists += 1
      }
      let wanted = expected * lists
      let steps = (pages + lists - 1) / lists
      figures.append(
        OwnFigure(
          name: "\(name): page by \(filterName), p99 (\(steps) to the end)",
          value: histogram.latency.p99, unit: " ms", goal: Self.pageGoal,
          fault: found == wanted ? nil : "\(found) logs found, not \(wanted)"))
    }
    return figures
  }

  private var filters: [(String, (Int) -> LogFilter)] {
    func filter(_ change: (inout LogFilter) -> Void) -> LogFilter {
      var filter = LogFilter()
      change(&filter)
      return filter
    }
    return [
      ("nothing", { _ in LogFilter() }),
      ("integration", { _ in filter { $0.integrations = [Session.integration] } }),
      ("status", { _ in filter { $0.statuses = [.failed] } }),
      ("action", { _ in filter { $0.actionTypes = ["bench_export"] } }),
      ("agent", { number in filter { $0.agentIds = ["bench-\(number % 64)"] } }),
      (
        "entity",
        { number in
          filter {
            $0.entityType = "order"
            let digits = "\(number * 9973 % 1_000_000)"
            $0.entityIds = [String(repeating: "0", count: 7 - digits.count) + digits]
          }
        }
      ),
      ("trigger", { _ in filter { $0.triggers = [.event] } }),
      ("text", { number in filter { $0.text = "SO-20471\(number % 10)" } }),
    ]
  }

  /// The rate on top of what is there, and the memory after it.
  private func reports(_ server: KeptServer, _ token: String) async throws -> OwnFigure {
    let session = try await session(server, token)
    let shape = LoadShape(connections: 64, inFlight: 16, warmup: 0.5, seconds: seconds)
    let outcome = Native.load(CBL_LOAD_REPORT, on: session.target, shape)
    let sample = Sample(outcome, server: nil, before: nil)
    let memory = Double(ChildProcess.residentBytes(of: server.process.pid) ?? 0) / 1_048_576
    return OwnFigure(
      name: "\(name): reports at 64 x 16 beside them (server \(decimal(memory)) MiB)",
      value: sample.perSecond, unit: "/s", goal: nil, fault: sample.faults.first)
  }
}

/// A few logs that differ from all others, stored among the first.
enum RareLogs {
  private static let count = 5
  private static let agent = "bench-rare"
  private static let action = "bench_rare"
  private static let label = ["bench": "rare"]
  private static let message = "Declined by the customs officer, form KX-90317"

  static func report(in session: Session) async throws {
    let connection = try await session.connectAgent()
    defer { connection.close() }
    let client = AgentServiceClient(channel: connection)
    var definition = ActionDefinition()
    definition.type = action
    definition.name = "Bench Rare"
    var registration = RegisterActionRequest()
    registration.agentID = Session.agentID
    registration.actions = [definition]
    _ = try await client.registerAction(registration)
    let changes: [(inout ReportLogRequest) -> Void] = [
      { $0.agentID = agent },
      { $0.report?.actionType = action },
      { $0.report?.labels = label },
      { $0.report?.statusMessage = message },
      {
        $0.report?.statusMessage = message
        $0.report?.status = .failed
      },
    ]
    for change in changes {
      for _ in 0..<count {
        var request = ReportLogRequest()
        request.agentID = "bench-1"
        var report = LogReport()
        report.logID = LogIDMaker.shared.make()
        report.sequence = 1
        report.actionType = session.target.action
        report.status = .completed
        report.statusMessage = "Exported the order to CustomSoft as SO-204711; 12 lines"
        request.report = report
        change(&request)
        _ = try await client.reportLog(request)
      }
    }
  }

  /// Filters, and how many logs each leaves.
  static var filters: [(String, LogFilter, Int)] {
    func filter(_ change: (inout LogFilter) -> Void) -> LogFilter {
      var filter = LogFilter()
      change(&filter)
      return filter
    }
    return [
      ("rare text", filter { $0.text = "customs OFFICER" }, 2 * count),
      ("rare number", filter { $0.text = "90317" }, 2 * count),
      ("a text that no log has", filter { $0.text = "CustomSoft as SO-318204" }, 0),
      ("rare agent", filter { $0.agentIds = [agent] }, count),
      ("rare action", filter { $0.actionTypes = [action] }, count),
      ("label", filter { $0.labels = label }, count),
      (
        "status, action and rare text",
        filter {
          $0.statuses = [.failed]
          $0.actionTypes = ["bench_export"]
          $0.text = "customs officer"
        }, count
      ),
    ]
  }
}
