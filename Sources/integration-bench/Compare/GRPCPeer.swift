import FoundationEssentials
import Glibc
import IntegrationAPI

/// The same Heartbeat over gRPC C++ with a token in the metadata; `Scripts/peers` has its source.
struct GRPCPeer: Contestant {
  /// Who makes the load.
  enum Driver {
    case ownClient
    case h2load
  }

  let driver: Driver
  /// Where `Scripts/peers/build` has put the program.
  let programs: String

  /// One thread serves and two load: on two cores faster than the other ways round.
  private static let serverThreads = "1"
  private static let clientThreads = "2"
  private static let token = "imk_bench_token"

  var name: String { driver == .ownClient ? Name.grpc : Name.h2load }
  var promise: String { "token in the metadata checked, agent's state kept" }

  var obstacle: String? {
    guard Program.path(of: "grpc-heartbeat", in: [programs]) != nil else {
      return "grpc-heartbeat is not in \(programs); Scripts/bench builds it"
    }
    if driver == .h2load, Program.path(of: "h2load") == nil {
      return "h2load is not installed (Debian: nghttp2-client)"
    }
    return nil
  }

  func run(_ shape: LoadShape, in directory: String) async throws -> Sample {
    guard let program = Program.path(of: "grpc-heartbeat", in: [programs]) else {
      throw BenchError(.usage, obstacle ?? "")
    }
    let server = try PeerServer(
      announcing: program, ["serve", Self.token, Self.serverThreads], in: directory)
    let load = Load(
      server: server, program: program, shape: shape, token: Self.token, directory: directory)
    switch driver {
    case .ownClient: return try load.withOwnClient(threads: Self.clientThreads)
    case .h2load: return try load.withH2Load()
    }
  }

  /// One run against a started server.
  private struct Load {
    let server: PeerServer
    let program: String
    let shape: LoadShape
    let token: String
    let directory: String

    struct Result: Decodable {
      var seconds, p50, p95, p99, max: Double
      var calls, answered, failed: UInt64
    }

    func withOwnClient(threads: String) throws -> Sample {
      let before = Program.processorMicroseconds(of: server.process.pid) ?? 0
      let text = try Program.output(
        of: program,
        [
          "load", "\(server.port)", token, "\(shape.connections)", "\(shape.inFlight)",
          "\(shape.warmup)", "\(shape.seconds)", threads,
        ], in: directory)
      let result = try JSONDecoder().decode(Result.self, from: Data(text.utf8))
      var sample = Sample(
        perSecond: Double(result.calls) / result.seconds,
        latencyMs: Latency(p50: result.p50, p95: result.p95, p99: result.p99, max: result.max))
      finish(&sample, answered: result.answered, since: before)
      return sample
    }

    func withH2Load() throws -> Sample {
      let body = directory + "/heartbeat.grpc"
      try Data(framedHeartbeat()).write(to: URL(filePath: body))
      let log = directory + "/h2load.log"
      removeFile(log)
      let before = Program.processorMicroseconds(of: server.process.pid) ?? 0
      // h2load counts its warm-up in whole seconds.
      _ = try Program.output(
        of: Program.path(of: "h2load") ?? "h2load",
        [
          "-D", "\(Int(shape.seconds.rounded(.up)))", "--warm-up-time=1", "-t", "1",
          "-c", "\(shape.connections)", "-m", "\(shape.inFlight)", "-d", body,
          "-H", "content-type: application/grpc", "-H", "te: trailers",
          "-H", "authorization: Bearer \(token)", "--log-file=\(log)",
          "http://127.0.0.1:\(server.port)/integrationmanager.v1.AgentService/Heartbeat",
        ], in: directory)
      let histogram = Histogram()
      for line in Program.contents(of: log).split(separator: "\n") {
        // Columns: start, status, microseconds.
        guard let microseconds = line.split(separator: "\t").last.flatMap({ UInt64($0) }) else {
          continue
        }
        histogram.record(nanoseconds: microseconds * 1000)
      }
      let seconds = shape.seconds.rounded(.up)
      var sample = Sample(
        perSecond: Double(histogram.count) / seconds, latencyMs: histogram.latency)
      finish(&sample, answered: histogram.count, since: before)
      return sample
    }

    /// Ends the server and compares its own count, because a gRPC refusal has HTTP status 200.
    private func finish(_ sample: inout Sample, answered: UInt64, since before: Double) {
      let after = Program.processorMicroseconds(of: server.process.pid) ?? before
      server.process.stop()
      let words = readFile(directory + "/server.out").split(whereSeparator: \.isWhitespace)
      guard words.count >= 6, let served = UInt64(words[3]), let refused = UInt64(words[5]) else {
        sample.faults.append("the server did not say how many calls it served")
        return
      }
      sample.serverMicroseconds = (after - before) / Double(max(1, served))
      if refused > 0 { sample.faults.append("\(refused) calls were refused") }
      if served < answered {
        sample.faults.append("\(answered) answers, but \(served) calls served")
      }
    }

    private func framedHeartbeat() -> [UInt8] {
      var request = HeartbeatRequest()
      request.agentID = "bench-0"
      request.instanceID = "instance-1"
      request.intervalMs = 10_000
      request.agentVersion = "1.2.3"
      let bytes = request.serializedBytes()
      return [0, 0, 0, 0, UInt8(bytes.count)] + bytes
    }
  }
}
