import CommandLineOptions
import Glibc

/// Runs what the command line names.
struct Benchmarks {
  private let name: String
  private let shape: LoadShape
  private let agents: Int
  private let rate: Int
  private let client: LoadClient
  private let session: Session.Options

  init(_ options: BenchOptions, _ arguments: Arguments) {
    name = arguments.path.last ?? "all"
    shape = LoadShape(
      connections: arguments[options.connections], inFlight: arguments[options.inFlight],
      warmup: Double(arguments[options.warmup]), seconds: Double(arguments[options.seconds]))
    agents = arguments[options.agents]
    rate = arguments[options.rate]
    client = arguments[options.client]
    session = Session.Options(
      server: arguments[options.server], token: arguments[options.token],
      operatorAddress: arguments[options.operatorAddress], scratch: arguments[options.scratch])
  }

  func run() async throws -> [Measurement] {
    switch name {
    case "echo": [try LimitBenchmarks.echo(shape)]
    case "fsync": [try LimitBenchmarks.append(in: session.scratch, seconds: shape.seconds)]
    case "startup":
      try await StartupBenchmark(session: try await Session(session), shape: shape).run()
    case "all": try await all()
    default: [try await one(name, shape)]
    }
  }

  private func one(_ name: String, _ shape: LoadShape) async throws -> Measurement {
    let session = try await Session(session)
    let calls = CallBenchmarks(session: session, shape: shape, client: client)
    switch name {
    case "heartbeat": return try await calls.heartbeat()
    case "report": return try await calls.report()
    case "dispatch" where rate > 0: return try await pacedDispatch(session)
    case "dispatch": return try await DispatchBenchmark(session: session, shape: shape).run()
    default: return try await IdleBenchmark(session: session, agents: agents).run()
    }
  }

  private func pacedDispatch(_ session: Session) async throws -> Measurement {
    var shape = shaped(agents, 1)
    let load = DispatchLoad(session: session, shape: shape, requestsPerSecond: Double(rate))
    let (outcome, faults) = try await load.run()
    shape.seconds = outcome.load.seconds
    var measurement = Measurement("dispatch", load: shape)
    measurement.take(outcome.load.histogram, seconds: shape.seconds)
    measurement.failures = outcome.load.failed + outcome.load.unanswered
    measurement.faults = faults
    return measurement
  }

  /// Each on a fresh server, so that no benchmark measures what another left behind.
  private func all() async throws -> [Measurement] {
    var measurements: [Measurement] = [try LimitBenchmarks.echo(shaped(16, 16))]
    measurements.append(try LimitBenchmarks.append(in: session.scratch, seconds: shape.seconds))
    for (name, connections, inFlight) in [
      ("heartbeat", 16, 16), ("heartbeat", 16, 1), ("report", 64, 16), ("report", 16, 16),
      ("report", 1, 1), ("dispatch", 1, 1), ("idle", agents, 1),
    ] {
      measurements.append(try await one(name, shaped(connections, inFlight)))
    }
    return measurements
  }

  private func shaped(_ connections: Int, _ inFlight: Int) -> LoadShape {
    LoadShape(
      connections: connections, inFlight: inFlight, warmup: shape.warmup, seconds: shape.seconds)
  }
}

/// Removes a file of our own; one that is gone already is fine.
func removeFile(_ path: String) { unsafe unlink(path) }
