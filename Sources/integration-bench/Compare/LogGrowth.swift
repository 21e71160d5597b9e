import CBenchLoad
import FoundationEssentials
import Glibc
import IntegrationAPI

/// What a number of stored logs does to the rate of reports, to memory and to the disk.
struct LogGrowth {
  let directory: String
  let seconds: Double
  let progress: (String) -> Void

  /// What there is to see at one size.
  struct Row: Encodable {
    /// How many there were before the rate was measured.
    let stored: UInt64
    var reportsPerSecond = 0.0
    var p99Ms = 0.0
    /// The server's, while it took the reports.
    var residentBytes = 0.0
    /// Of all files after a clean end, over all logs.
    var bytesPerLog = 0.0
    var fault: String?
  }

  private static let fillingLimit = 900.0

  func run(_ size: UInt64) async -> Row {
    progress("\(grouped(Double(size))) logs\n")
    var row = Row(stored: size)
    do {
      try await measure(size, &row)
    } catch {
      row.fault = "\(error)"
    }
    return row
  }

  private func measure(_ size: UInt64, _ row: inout Row) async throws {
    let own = try Program.makeDirectory(below: directory)
    defer { Program.removeDirectory(own) }
    let server = try KeptServer(in: own)
    let session = try await Session(
      Session.Options(
        server: server.address, token: try await createIntegration(server),
        operatorAddress: server.operatorAddress, scratch: own))
    let filling = LoadShape(connections: 64, inFlight: 16, warmup: 0, seconds: Self.fillingLimit)
    let filled = Native.load(CBL_LOAD_REPORT, on: session.target, filling, calls: size)
    if let fault = filled.fault { throw BenchError(.refused, fault) }
    let shape = LoadShape(connections: 64, inFlight: 16, warmup: 0.5, seconds: seconds)
    let outcome = Native.load(CBL_LOAD_REPORT, on: session.target, shape)
    var sample = Sample(outcome, server: nil, before: nil)
    row.residentBytes = Double(ChildProcess.residentBytes(of: server.process.pid) ?? 0)
    let stored = try await session.storedLogs() ?? 0
    sample.check(stored: stored - min(size, stored), against: outcome)
    row.reportsPerSecond = sample.perSecond
    row.p99Ms = sample.latencyMs.p99
    row.fault = sample.faults.first
    server.process.stop()
    row.bytesPerLog = try Self.bytes(of: own + "/data") / Double(max(1, stored))
  }

  private func createIntegration(_ server: KeptServer) async throws -> String {
    let connection = try await connect(to: server.operatorAddress, token: "")
    defer { connection.close() }
    return try await Session.createIntegration(over: connection)
  }

  private static func bytes(of directory: String) throws -> Double {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
    return try names.reduce(0) { sum, name in
      var status = stat()
      guard unsafe stat("\(directory)/\(name)", &status) == 0 else {
        throw BenchError.system("the size of \(name)")
      }
      return sum + Double(status.st_size)
    }
  }
}
