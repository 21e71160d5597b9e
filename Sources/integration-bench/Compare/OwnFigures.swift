import Glibc
import IntegrationAPI

/// What is measured of ours alone, beside an absolute goal.
struct OwnFigure: Encodable {
  let name: String
  let value: Double
  /// What stands behind the value: ` ms`, ` MiB`.
  let unit: String
  /// The most that the project's goals allow; nil: shown for the record.
  let goal: Double?
  var fault: String?

  var text: String { (value < 1000 ? decimal(value) : grouped(value)) + unit }
  var goalText: String { goal.map { "≤ \(decimal($0))\(unit)" } ?? "" }
  var met: Bool? { goal.map { value <= $0 } }
}

/// The figures of ours alone: from request to agent, what waiting agents cost, what stored logs.
struct OwnFigures {
  let directory: String
  let seconds: Double
  let progress: (String) -> Void

  static let names = ["dispatch", "dispatch-1000", "idle", "logs-1m"]
  /// Those that run only when named: it takes minutes.
  static let onRequest = ["operators", "logs-10k", "logs-10m", "retention"]

  func run(_ wanted: Set<String>) async -> [OwnFigure] {
    var figures: [OwnFigure] = []
    for name in Self.names + Self.onRequest where wanted.contains(name) {
      progress("\(name)\n")
      do {
        figures += try await run(name)
      } catch {
        figures.append(OwnFigure(name: name, value: 0, unit: "", goal: nil, fault: "\(error)"))
      }
    }
    return figures
  }

  private func run(_ name: String) async throws -> [OwnFigure] {
    switch name {
    case "dispatch": try await dispatch()
    case "dispatch-1000":
      try await DispatchFigures(directory: directory, seconds: seconds).run()
    case "idle": try await idle()
    case "operators": try await OperatorFigures(directory: directory, progress: progress).run()
    case "retention":
      try await RetentionFigures(directory: directory, seconds: seconds).run()
    case "logs-10k": try await logs(10_000)
    case "logs-1m": try await logs(1_000_000)
    default: try await logs(10_000_000)
    }
  }

  private func session() async throws -> Session {
    try await Session(
      Session.Options(server: nil, token: "", operatorAddress: nil, scratch: directory))
  }

  private func dispatch() async throws -> [OwnFigure] {
    let shape = LoadShape(connections: 1, inFlight: 1, warmup: 0.5, seconds: seconds)
    let measured = try await DispatchBenchmark(session: session(), shape: shape).run()
    let fault = measured.faults.first
    return [
      OwnFigure(
        name: "request to waiting agent, p50", value: measured.latencyMs.p50, unit: " ms",
        goal: 0.5, fault: fault),
      OwnFigure(
        name: "request to waiting agent, p99", value: measured.latencyMs.p99, unit: " ms", goal: 2,
        fault: fault),
    ]
  }

  private func logs(_ count: UInt64) async throws -> [OwnFigure] {
    try await LogFigures(directory: directory, logs: count, seconds: seconds).run()
  }

  /// Memory while all wait, and processor time while each phones home every 30 seconds.
  ///
  /// One more agent, who registered the actions, fills the server's default limit of 10,000.
  private func idle() async throws -> [OwnFigure] {
    let session = try await session()
    guard let pid = session.serverPID else { return [] }
    let agents = try WaitingAgents(on: session.target, count: 9_999)
    try waitUntilQuiet(pid)
    let bytes = Double(ChildProcess.residentBytes(of: pid) ?? 0)
    let (share, missed) = heartbeats(of: agents, server: pid)
    // Only now, because a list of all agents takes memory itself.
    let polling = try await session.pollingAgents()
    var fault = missed == 0 ? nil : "\(missed) heartbeats were not answered"
    if polling != agents.count { fault = "\(polling) agents wait, not \(agents.count)" }
    if agents.answered > 0 { fault = "\(agents.answered) polls were answered too early" }
    return [
      OwnFigure(
        name: "10,000 agents: memory of the server", value: bytes / 1_048_576, unit: " MiB",
        goal: 100, fault: fault),
      OwnFigure(
        name: "10,000 agents, a heartbeat each 30 s: of one core", value: share * 100, unit: " %",
        goal: 5, fault: fault),
    ]
  }

  /// Until the server has taken all polls and takes no processor time any more.
  private func waitUntilQuiet(_ pid: pid_t) throws {
    var before = -1.0
    for _ in 0..<100 {
      usleep(100_000)
      let now = Program.processorMicroseconds(of: pid) ?? 0
      if now == before { return }
      before = now
    }
    throw BenchError(.refused, "expected a server that rests within 10 s")
  }

  /// Heartbeats at the rate of all agents for a while: the server's share of one core, and how many
  /// were not answered.
  private func heartbeats(of agents: WaitingAgents, server: pid_t) -> (Double, Int) {
    let interval = Duration.seconds(30) / agents.count
    let start = ContinuousClock.now
    let before = Program.processorMicroseconds(of: server) ?? 0
    var missed = 0
    var next = start
    while next - start < .seconds(max(3, seconds)) {
      if !agents.heartbeat() { missed += 1 }
      next += interval
      let pause = (next - ContinuousClock.now) / .microseconds(1)
      if pause > 0 { usleep(UInt32(pause)) }
    }
    let taken = (ContinuousClock.now - start) / .microseconds(1)
    let used = (Program.processorMicroseconds(of: server) ?? before) - before
    return (used / taken, missed)
  }
}
