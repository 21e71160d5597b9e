import IntegrationAPI
import RPCWire

/// Requests at a steady pace, whatever the server does, while many agents wait.
struct DispatchLoad {
  let session: Session
  /// How many agents, each on a connection of its own with one poll, and for how long.
  let shape: LoadShape
  let requestsPerSecond: Double

  /// What the load brought, and all that was wrong with it.
  func run() async throws -> (outcome: DispatchOutcome, faults: [String]) {
    guard let operatorAddress = session.operatorAddress else {
      throw BenchError(.usage, "requests need an operator: name --operator unix:PATH")
    }
    let before = try await session.storedLogs() ?? 0
    let outcome = Native.dispatch(
      on: session.target, operatorAddress: operatorAddress, shape,
      Native.Pace(perSecond: requestsPerSecond))
    let stored = try await session.storedLogs().map { $0 - before }
    var faults = outcome.faults
    if let stored, stored != outcome.requested {
      faults.append("\(outcome.requested) requested, \(stored) logs stored")
    }
    let others = try await unfinished()
    if others > 0 { faults.append("\(others) or more requests did not end COMPLETED") }
    return (outcome, faults)
  }

  /// How many logs did not end COMPLETED, as far as one page says.
  private func unfinished() async throws -> Int {
    var request = ListLogsRequest()
    request.filter = LogFilter()
    request.filter?.integrations = [Session.integration]
    request.filter?.statuses = [.queued, .inProgress, .failed, .cancelled, .timedOut]
    return try await session.operatorClient().listLogs(request).logs.count
  }
}

/// From a request to the agent that holds it, with the agents and the pace that the goals name.
struct DispatchFigures {
  let directory: String
  let seconds: Double

  private static let agents = 1000
  private static let pace = 2000.0
  private static let goal = 5.0

  func run() async throws -> [OwnFigure] {
    let session = try await Session(
      Session.Options(server: nil, token: "", operatorAddress: nil, scratch: directory))
    let shape = LoadShape(
      connections: Self.agents, inFlight: 1, warmup: 1, seconds: max(3, seconds))
    let load = DispatchLoad(session: session, shape: shape, requestsPerSecond: Self.pace)
    let (outcome, faults) = try await load.run()
    let latency = outcome.load.histogram.latency
    let name = "\(grouped(Double(Self.agents))) agents, \(grouped(Self.pace)) requests/s"
    let late = decimal(outcome.late.latency.p99)
    return [
      OwnFigure(
        name: "\(name): request to agent, p50", value: latency.p50, unit: " ms", goal: nil,
        fault: faults.first),
      OwnFigure(
        name: "\(name): p99 (sent late by p99 \(late) ms)", value: latency.p99, unit: " ms",
        goal: Self.goal, fault: faults.first),
    ]
  }
}
