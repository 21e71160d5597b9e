import CBenchLoad
import RPCWire

/// Who makes the load.
enum LoadClient: String, CaseIterable {
  /// Prebuilt frames from C: the figure is the server's.
  case raw
  /// The generated callers of `RPCClient`: what a Swift program gets that makes very many calls.
  case swift
  /// The generated stubs, with a task for each call in flight: what most Swift programs do.
  case stubs
}

/// Heartbeat and ReportLog under load, beside their limits.
struct CallBenchmarks {
  let session: Session
  let shape: LoadShape
  let client: LoadClient

  /// Heartbeats, beside the raw echo with as many calls in flight.
  func heartbeat() async throws -> Measurement {
    var measurement = Measurement("heartbeat", client: client.rawValue, load: shape)
    let echoBefore = try LimitBenchmarks.echo(shape.shortened)
    let outcome = try await run(CBL_LOAD_HEARTBEAT)
    measurement.take(outcome)
    let echoAfter = try LimitBenchmarks.echo(shape.shortened)
    measurement.limit = Limit(echoBefore, echoAfter, for: measurement)
    return measurement
  }

  /// Durable reports, beside a bare append with fdatasync; every acknowledged one must be stored.
  func report() async throws -> Measurement {
    var measurement = Measurement("report", client: client.rawValue, load: shape)
    let before = try await session.storedLogs()
    let appendBefore = try append()
    let outcome = try await run(CBL_LOAD_REPORT)
    measurement.take(outcome)
    if let before, let after = try await session.storedLogs() {
      let stored = after - before
      // A report without an answer may be stored or not.
      if !(outcome.answered...(outcome.answered + outcome.unanswered)).contains(stored) {
        measurement.faults.append("\(outcome.answered) reports acknowledged, \(stored) stored")
      }
    }
    measurement.limit = Limit(appendBefore, try append(), for: measurement)
    return measurement
  }

  private func append() throws -> Measurement {
    try LimitBenchmarks.append(in: session.scratch, seconds: shape.shortened.seconds)
  }

  private func run(_ kind: cbl_load_kind) async throws -> RawLoadOutcome {
    switch client {
    case .raw: return Native.load(kind, on: session.target, shape)
    case .swift: return try await SwiftLoad(session: session, shape: shape).run(kind)
    case .stubs: return try await SwiftLoad(session: session, shape: shape, form: .stubs).run(kind)
    }
  }
}

extension Measurement {
  /// Takes what a load brought; a connection that ended early is a fault.
  mutating func take(_ outcome: RawLoadOutcome) {
    take(outcome.histogram, seconds: outcome.seconds)
    failures = outcome.failed + outcome.unanswered
    if let fault = outcome.fault { faults.append(fault) }
    if outcome.unanswered > 0 { faults.append("\(outcome.unanswered) calls were not answered") }
  }
}

extension LoadShape {
  /// The same load for a fifth of the time, for a limit that is measured before and after.
  var shortened: LoadShape {
    LoadShape(
      connections: connections, inFlight: inFlight, warmup: 0.2, seconds: max(0.5, seconds / 5))
  }
}

/// What the machine can do without the server.
enum LimitBenchmarks {
  /// The raw epoll echo: one thread, frames of 104 bytes, the same raw load.
  static func echo(_ shape: LoadShape) throws -> Measurement {
    var measurement = Measurement("echo", load: shape)
    try Native.withEcho { port in
      let target = LoadTarget(address: .tcp(host: "127.0.0.1", port: port), token: "")
      measurement.take(Native.load(CBL_LOAD_ECHO, on: target, shape))
    }
    return measurement
  }

  /// A bare append of 4 KiB with fdatasync, one after another.
  static func append(in directory: String, seconds: Double) throws -> Measurement {
    let shape = LoadShape(connections: 1, inFlight: 1, warmup: 0, seconds: seconds)
    var measurement = Measurement("fsync", load: shape)
    let path = directory + "/append-\(UInt64.random(in: 0...UInt64.max))"
    defer { removeFile(path) }
    measurement.take(try Native.append(to: path, seconds: seconds), seconds: seconds)
    return measurement
  }
}
