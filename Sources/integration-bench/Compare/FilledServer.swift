import CBenchLoad
import IntegrationAPI
import RPCWire

/// A server with many logs, a few of them rare.
enum FilledServer {
  /// Creates the integration and reports until there are as many logs as wanted, or some more.
  static func fill(
    _ server: KeptServer, logs: UInt64, scratch: String
  ) async throws -> (token: String, stored: UInt64) {
    let connection = try await connect(to: server.operatorAddress, token: "")
    defer { connection.close() }
    let token = try await Session.createIntegration(over: connection)
    let session = try await session(server, token, scratch: scratch)
    let shape = LoadShape(
      connections: 16, inFlight: 16, warmup: 0, seconds: logs < 100_000 ? 0.05 : 1)
    for number in 0..<3600 {
      let outcome = Native.load(CBL_LOAD_REPORT, on: session.target, shape)
      if let fault = outcome.fault { throw BenchError(.refused, fault) }
      if number == 0 { try await RareLogs.report(in: session) }
      if let stored = try await session.storedLogs(), stored >= logs { return (token, stored) }
    }
    throw BenchError(.refused, "expected \(logs) logs within an hour")
  }

  /// A session of the integration on a filled server.
  static func session(
    _ server: KeptServer, _ token: String, scratch: String
  ) async throws -> Session {
    try await Session(
      Session.Options(
        server: server.address, token: token, operatorAddress: server.operatorAddress,
        scratch: scratch))
  }
}
