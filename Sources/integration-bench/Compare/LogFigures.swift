import CBenchLoad
import FoundationEssentials
import Glibc
import IntegrationAPI
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
    let filled = try await FilledServer.fill(server, logs: logs, scratch: directory)
    let (token, stored) = (filled.token, filled.stored)
    server = try restarted(server, stored, in: own, &figures)
    do {
      let session = try await FilledServer.session(server, token, scratch: directory)
      figures += try await pages(session)
      figures += try await rarePages(session)
    }
    figures.append(try await reports(server, token))
    return figures
  }

  private var name: String { "\(grouped(Double(logs))) logs" }

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
    for (filterName, makeFilter) in UsualFilters.all {
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

  /// The rate on top of what is there, and the memory after it.
  private func reports(_ server: KeptServer, _ token: String) async throws -> OwnFigure {
    let session = try await FilledServer.session(server, token, scratch: directory)
    let shape = LoadShape(connections: 64, inFlight: 16, warmup: 0.5, seconds: seconds)
    let outcome = Native.load(CBL_LOAD_REPORT, on: session.target, shape)
    let sample = Sample(outcome, server: nil, before: nil)
    let memory = Double(ChildProcess.residentBytes(of: server.process.pid) ?? 0) / 1_048_576
    return OwnFigure(
      name: "\(name): reports at 64 x 16 beside them (server \(decimal(memory)) MiB)",
      value: sample.perSecond, unit: "/s", goal: nil, fault: sample.faults.first)
  }
}
