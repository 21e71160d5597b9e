import Glibc
import IntegrationAPI
import RPCClient

/// What a person waits for at the terminal: integrationctl from start to exit, beside the same call
/// made over a connection that is there already.
struct StartupBenchmark {
  /// Enough for a p99; more would only take longer.
  private static let maximumRepeats = 1000
  private static let warmups = 5

  let session: Session
  let shape: LoadShape
  /// The program, beside this one.
  private let executable: String

  init(session: Session, shape: LoadShape) throws {
    self.session = session
    self.shape = shape
    executable = OwnServer.executableDirectory + "/integrationctl"
    guard unsafe access(executable, X_OK) == 0 else {
      throw BenchError(.usage, "expected \(executable); build it with swift build -c release")
    }
  }

  func run() async throws -> [Measurement] {
    let client = try session.operatorClient()
    return [
      try await measure(["--version"]) { return },
      try await measure(["status"]) { _ = try await client.getStatus(GetStatusRequest()) },
    ]
  }

  /// Runs one command line again and again, and the call that it makes; a run that does not exit
  /// with 0 is a failure.
  func measure(_ words: [String], call: () async throws -> Void) async throws -> Measurement {
    var shape = shape
    (shape.connections, shape.inFlight) = (1, 1)
    var measurement = Measurement("startup \(words.joined(separator: " "))", load: shape)
    measurement.client = "integrationctl"
    guard let server = session.operatorAddress else {
      throw BenchError(.usage, "this needs an operator: name --operator unix:PATH of the server")
    }
    let line = ["--server", "\(server)"] + words
    let whole = Histogram()
    let alone = Histogram()
    let clock = ContinuousClock()
    for _ in 0..<Self.warmups { _ = try runOnce(line) }
    let start = clock.now
    while whole.count < Self.maximumRepeats, clock.now - start < .seconds(shape.seconds) {
      let begin = clock.now
      let code = try runOnce(line)
      whole.record(clock.now - begin)
      if code != 0 { measurement.failures += 1 }
      let callBegin = clock.now
      try await call()
      alone.record(clock.now - callBegin)
    }
    let spent = (clock.now - start).components
    measurement.take(whole, seconds: Double(spent.seconds) + Double(spent.attoseconds) / 1e18)
    measurement.beyond = BeyondCall(whole: whole.latency, call: alone.latency)
    return measurement
  }

  private func runOnce(_ line: [String]) throws -> Int32 {
    let process = try ChildProcess(executable, line, errorFile: "/dev/null")
    return process.waitForEnd()
  }
}

/// What a whole process takes beyond its call.
struct BeyondCall: Encodable {
  /// The call alone, over an open connection.
  var callP50Ms: Double
  /// Start, connection, output and exit: the difference of the medians.
  var p50Ms: Double
  /// The whole p99 without the call's median.
  var p99Ms: Double

  init(whole: Latency, call: Latency) {
    callP50Ms = call.p50
    p50Ms = max(0, whole.p50 - call.p50)
    p99Ms = max(0, whole.p99 - call.p50)
  }
}
