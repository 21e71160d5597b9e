import CommandLineOptions
import IntegrationAPI
import IntegrationClient
import RPCWire

/// The calls of one connection through the generated stubs: a task for each call in flight.
struct StubLoad: Sendable {
  let client: AgentServiceClient
  let agent: String

  func heartbeat(_ tally: LoadTally) async {
    await repeated(tally) { () async throws(RPCError) in
      var request = HeartbeatRequest()
      request.agentID = agent
      request.instanceID = "instance-1"
      request.intervalMs = 10_000
      request.agentVersion = ProductVersion.text
      return try await client.heartbeat(request).nextHeartbeatMs > 0
    }
  }

  func report(_ tally: LoadTally) async {
    await repeated(tally) { () async throws(RPCError) in
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
      return try await !client.reportLog(request).duplicate
    }
  }

  /// Calls again and again in each task until the time is over.
  private func repeated(
    _ tally: LoadTally, _ call: @escaping @Sendable () async throws(RPCError) -> Bool
  ) async {
    await withTaskGroup { group in
      for tag in 0..<UInt64(tally.inFlight) {
        group.addTask {
          var isFinished = false
          while !isFinished {
            do throws(RPCError) {
              let isRight = try await call()
              isFinished = tally.answered(tag, at: monotonicNanoseconds(), isRight: isRight)
            } catch {
              isFinished = tally.failed(error)
            }
          }
        }
      }
    }
  }
}
