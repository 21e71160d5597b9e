/// What is measured of ours alone, beside an absolute goal.
struct OwnFigure: Encodable {
  let name: String
  let value: Double
  /// What stands behind the value: ` ms`, ` MiB`.
  let unit: String
  /// The most that the project's goals allow; nil: shown for the record.
  let goal: Double?
  var fault: String?

  var text: String { decimal(value) + unit }
  var goalText: String { goal.map { "≤ \(decimal($0))\(unit)" } ?? "" }
  var met: Bool? { goal.map { value <= $0 } }
}

/// The figures of ours alone: from request to agent, and what waiting agents cost.
struct OwnFigures {
  let directory: String
  let seconds: Double
  let progress: (String) -> Void

  static let names = ["dispatch", "idle"]

  func run(_ wanted: Set<String>) async -> [OwnFigure] {
    var figures: [OwnFigure] = []
    for name in Self.names where wanted.contains(name) {
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
    default: try await idle()
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

  private func idle() async throws -> [OwnFigure] {
    let measured = try await IdleBenchmark(session: session(), agents: 10_000).run()
    let bytes = Double(measured.memory?.residentBytes ?? 0)
    return [
      OwnFigure(
        name: "server with 10,000 waiting agents", value: bytes / 1_048_576, unit: " MiB",
        goal: 100, fault: measured.faults.first)
    ]
  }
}
