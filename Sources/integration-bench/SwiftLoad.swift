import CBenchLoad
import CommandLineOptions
import IntegrationAPI
import IntegrationClient
import RPCClient
import RPCWire
import Synchronization

/// The same load through `RPCConnection` and the generated messages.
struct SwiftLoad {
  let session: Session
  let shape: LoadShape

  func run(_ kind: cbl_load_kind) async throws -> RawLoadOutcome {
    let clock = ContinuousClock()
    var connections: [SwiftConnectionLoad] = []
    for index in 0..<shape.connections {
      let connection = try await session.connectAgent()
      connections.append(
        SwiftConnectionLoad(connection, agent: "bench-\(index)", isReport: kind == CBL_LOAD_REPORT))
    }
    let start = clock.now
    let window = (start + .seconds(shape.warmup))..<(start + .seconds(shape.warmup + shape.seconds))
    let inFlight = shape.inFlight
    await withTaskGroup { group in
      for connection in connections {
        group.addTask { await connection.run(inFlight: inFlight, within: window) }
      }
    }
    let histogram = Histogram()
    var answered: UInt64 = 0
    var failed: UInt64 = 0
    var fault: String?
    for connection in connections {
      let outcome = connection.outcome
      histogram.add(outcome.histogram)
      answered += outcome.answered
      failed += outcome.failed
      fault = fault ?? outcome.fault
    }
    return RawLoadOutcome(
      histogram: histogram, seconds: shape.seconds, answered: answered, failed: failed,
      unanswered: 0, fault: fault)
  }
}

/// One connection with its calls in flight; each completion starts the next call.
private final class SwiftConnectionLoad: Sendable {
  struct Outcome {
    let histogram = Histogram()
    var answered: UInt64 = 0
    var failed: UInt64 = 0
    var fault: String?
    var open = 0
    var finished: CheckedContinuation<Void, Never>?
  }

  private let connection: RPCConnection
  private let agent: String
  private let isReport: Bool
  private let state = Mutex(Outcome())

  init(_ connection: RPCConnection, agent: String, isReport: Bool) {
    self.connection = connection
    self.agent = agent
    self.isReport = isReport
  }

  var outcome: (histogram: Histogram, answered: UInt64, failed: UInt64, fault: String?) {
    state.withLock { ($0.histogram, $0.answered, $0.failed, $0.fault) }
  }

  func run(inFlight: Int, within window: Range<ContinuousClock.Instant>) async {
    await withCheckedContinuation { continuation in
      state.withLock {
        $0.open = inFlight
        $0.finished = continuation
      }
      for _ in 0..<inFlight { startCall(within: window) }
    }
    connection.close()
  }

  private func startCall(within window: Range<ContinuousClock.Instant>) {
    let sent = ContinuousClock.now
    let method = isReport ? AgentServiceMethods.reportLog : AgentServiceMethods.heartbeat
    connection.startCall(method, payload: makePayload()) { [self] result in
      let now = ContinuousClock.now
      let fault = fault(in: result)
      let finished = state.withLock { state -> CheckedContinuation<Void, Never>? in
        if let fault {
          state.failed += 1
          state.fault = state.fault ?? fault
        } else {
          state.answered += 1
          if window.contains(now) { state.histogram.record(now - sent) }
        }
        guard fault != nil || now >= window.upperBound else { return nil }
        state.open -= 1
        return state.open == 0 ? state.finished : nil
      }
      if let finished { finished.resume() }
      if fault == nil, now < window.upperBound { startCall(within: window) }
    }
  }

  private func makePayload() -> [UInt8] {
    isReport ? makeReport().serializedBytes() : makeHeartbeat().serializedBytes()
  }

  private func makeHeartbeat() -> HeartbeatRequest {
    var request = HeartbeatRequest()
    request.agentID = agent
    request.instanceID = "instance-1"
    request.intervalMs = 10_000
    request.agentVersion = ProductVersion.text
    return request
  }

  private func makeReport() -> ReportLogRequest {
    var entity = Entity()
    entity.type = "order"
    entity.id = "\(UInt32.random(in: 0..<1_000_000))"
    var report = LogReport()
    report.logID = LogIDMaker.shared.make()
    report.sequence = 1
    report.actionType = "bench_export"
    report.entity = entity
    report.status = .completed
    report.statusMessage = "Exported the order to CustomSoft as SO-204711; 12 lines"
    var request = ReportLogRequest()
    request.agentID = agent
    request.report = report
    return request
  }

  private func fault(in result: Result<[UInt8], RPCError>) -> String? {
    do {
      let bytes = try result.get()
      if isReport {
        _ = try ReportLogResponse(serializedBytes: bytes)
      } else {
        _ = try HeartbeatResponse(serializedBytes: bytes)
      }
      return nil
    } catch {
      return "\(error)"
    }
  }
}
