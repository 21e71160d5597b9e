import CBenchLoad
import CommandLineOptions
import Glibc
import IntegrationAPI
import IntegrationClient
import ProtobufRuntime
import RPCClient
import RPCWire
import Synchronization

/// The same load through the Swift client.
struct SwiftLoad {
  /// How a program calls.
  enum Form {
    /// Through the generated callers: what a program does that makes very many calls.
    case callers
    /// Through the generated stubs, with a task for each call in flight.
    case stubs
  }

  let session: Session
  let shape: LoadShape
  var form = Form.callers

  func run(_ kind: cbl_load_kind) async throws -> RawLoadOutcome {
    var connections: [RPCConnection] = []
    for _ in 0..<shape.connections { connections.append(try await session.connectAgent()) }
    let start = monotonicNanoseconds()
    let from = start + Int64(shape.warmup * 1e9)
    let window = from..<(from + Int64(shape.seconds * 1e9))
    var tallies: [LoadTally] = []
    await withTaskGroup { group in
      for (index, connection) in connections.enumerated() {
        let tally = LoadTally(inFlight: shape.inFlight, within: window)
        tallies.append(tally)
        let load = ConnectionLoad(
          kind: kind, form: form, connection: connection, agent: "bench-\(index)")
        group.addTask {
          await load.run(tally)
          connection.close()
        }
      }
    }
    return outcome(tallies)
  }

  private func outcome(_ tallies: [LoadTally]) -> RawLoadOutcome {
    let histogram = Histogram()
    var answered: UInt64 = 0
    var failed: UInt64 = 0
    var fault: String?
    for tally in tallies {
      let counts = tally.counts
      histogram.add(counts.histogram)
      answered += counts.answered
      failed += counts.failed
      fault = fault ?? counts.fault
    }
    return RawLoadOutcome(
      histogram: histogram, seconds: shape.seconds, answered: answered, failed: failed,
      unanswered: 0, fault: fault)
  }
}

/// What one connection does.
private struct ConnectionLoad: Sendable {
  let kind: cbl_load_kind
  let form: SwiftLoad.Form
  let connection: RPCConnection
  let agent: String

  func run(_ tally: LoadTally) async {
    let isReport = kind == CBL_LOAD_REPORT
    switch form {
    case .callers:
      await tally.run { tally in
        if isReport {
          ReportLoad(agent: agent).start(over: connection, tally)
        } else {
          HeartbeatLoad(agent: agent).start(over: connection, tally)
        }
      }
    case .stubs:
      let load = StubLoad(client: AgentServiceClient(channel: connection), agent: agent)
      await isReport ? load.report(tally) : load.heartbeat(tally)
    }
  }
}

/// Heartbeats of one agent: each reply starts the next one.
private struct HeartbeatLoad {
  let agent: String

  func start(over connection: RPCConnection, _ tally: LoadTally) {
    let heartbeats = AgentServiceCallers(connection).heartbeat { reply in
      let isFinished: Bool
      switch reply.result {
      case .success(let response):
        isFinished = tally.answered(
          reply.tag, at: reply.receivedNanoseconds, isRight: response.nextHeartbeatMs > 0)
      case .failure(let error): isFinished = tally.failed(error)
      }
      if !isFinished { reply.caller.call(tag: reply.tag, fill) }
    }
    for tag in 0..<tally.inFlight { heartbeats.call(tag: UInt64(tag), fill) }
  }

  private func fill(_ request: HeartbeatRequestView) {
    request.setAgentID(agent)
    request.setInstanceID("instance-1")
    request.intervalMs = 10_000
    request.setAgentVersion(ProductVersion.text)
  }
}

/// Whole attempts, each with an id and a record of its own, reported by one agent.
private struct ReportLoad {
  let agent: String

  func start(over connection: RPCConnection, _ tally: LoadTally) {
    let reports = AgentServiceCallers(connection).reportLog { reply in
      let isFinished: Bool
      switch reply.result {
      case .success(let response):
        isFinished = tally.answered(
          reply.tag, at: reply.receivedNanoseconds, isRight: !response.duplicate)
      case .failure(let error): isFinished = tally.failed(error)
      }
      if !isFinished { reply.caller.call(tag: reply.tag, fill) }
    }
    for tag in 0..<tally.inFlight { reports.call(tag: UInt64(tag), fill) }
  }

  private func fill(_ request: ReportLogRequestView) {
    request.setAgentID(agent)
    let report = request.makeReport()
    report.setLogID(LogIDMaker.shared.make())
    report.sequence = 1
    report.setActionType("bench_export")
    let entity = report.makeEntity()
    entity.setType("order")
    entity.setID("\(UInt32.random(in: 0..<1_000_000))")
    report.status = .completed
    report.setStatusMessage("Exported the order to CustomSoft as SO-204711; 12 lines")
  }
}

/// What came of the calls of one connection.
final class LoadTally: Sendable {
  struct Counts {
    let histogram = Histogram()
    var answered: UInt64 = 0
    var failed: UInt64 = 0
    var fault: String?
    var open: Int
    /// When the call with each tag was started.
    var started: [Int64]
    var finished: CheckedContinuation<Void, Never>?
  }

  let inFlight: Int
  private let window: Range<Int64>
  private let state: Mutex<Counts>

  init(inFlight: Int, within window: Range<Int64>) {
    self.inFlight = inFlight
    self.window = window
    state = Mutex(
      Counts(open: inFlight, started: Array(repeating: monotonicNanoseconds(), count: inFlight)))
  }

  var counts: Counts { state.withLock { $0 } }

  /// Runs `start`, which starts the calls, and returns when the last one has ended.
  func run(_ start: (LoadTally) -> Void) async {
    await withCheckedContinuation { continuation in
      state.withLock {
        $0.finished = continuation
        for tag in 0..<inFlight { $0.started[tag] = monotonicNanoseconds() }
      }
      start(self)
    }
  }

  /// Counts a reply; returns whether no other call is to follow.
  ///
  /// The next call counts from the time of the reply that starts it.
  func answered(_ tag: UInt64, at now: Int64, isRight: Bool) -> Bool {
    let isFinished = now >= window.upperBound || !isRight
    let finished = state.withLock { state -> CheckedContinuation<Void, Never>? in
      if isRight {
        state.answered += 1
        if window.contains(now) {
          state.histogram.record(nanoseconds: UInt64(max(0, now - state.started[Int(tag)])))
        }
        state.started[Int(tag)] = now
      } else {
        state.failed += 1
        state.fault = state.fault ?? "a reply does not say what it should"
      }
      return isFinished ? state.end() : nil
    }
    finished?.resume()
    return isFinished
  }

  /// Counts a failure; true: no other call is to follow.
  func failed(_ error: RPCError) -> Bool {
    let finished = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.failed += 1
      state.fault = state.fault ?? "\(error)"
      return state.end()
    }
    finished?.resume()
    return true
  }
}

extension LoadTally.Counts {
  /// One call fewer is open; returns who waits for the last one.
  mutating func end() -> CheckedContinuation<Void, Never>? {
    open -= 1
    return open == 0 ? finished : nil
  }
}

func monotonicNanoseconds() -> Int64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
