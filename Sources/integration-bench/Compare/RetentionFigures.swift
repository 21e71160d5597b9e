import CBenchLoad
import IntegrationAPI
import IntegrationClient
import RPCWire
import Synchronization

/// What pruning and a backup take from the rate of reports, on one server in one run.
struct RetentionFigures {
  let directory: String
  let seconds: Double

  /// The most that the rate may fall while logs are removed, in percent.
  private static let lossGoal = 20.0
  private static let removed: UInt64 = 100_000

  func run() async throws -> [OwnFigure] {
    let own = try Program.makeDirectory(below: directory)
    defer { Program.removeDirectory(own) }
    let server = try KeptServer(in: own)
    let connection = try await connect(to: server.operatorAddress, token: "")
    let token = try await Session.createIntegration(over: connection)
    connection.close()
    let session = try await Session(
      Session.Options(
        server: server.address, token: token, operatorAddress: server.operatorAddress,
        scratch: directory))
    // Logs to remove, and a tree about as deep as it stays.
    _ = try load(session, for: 60, calls: 2 * Self.removed)
    let first = try load(session, for: seconds)
    let pruning = try await pruning(session)
    let second = try load(session, for: seconds)
    let backup = try await backup(session, to: own + "/backup.db")
    let third = try load(session, for: seconds)
    return pruning.figures(beside: (first + second) / 2)
      + backup.figures(beside: (second + third) / 2)
  }

  private func load(_ session: Session, for seconds: Double, calls: UInt64 = 0) throws -> Double {
    let shape = LoadShape(connections: 64, inFlight: 16, warmup: 0, seconds: max(seconds, 1))
    let outcome = Native.load(CBL_LOAD_REPORT, on: session.target, shape, calls: calls)
    if let fault = outcome.fault { throw BenchError(.refused, fault) }
    return Double(outcome.histogram.count) / outcome.seconds
  }

  /// Loads while `work` goes on; the rate, without the last round, which may have had the work for
  /// a part of it only.
  private func rate<Value: Sendable>(
    _ session: Session, while work: @escaping @Sendable () async throws -> Value
  ) async throws -> (rate: Double, seconds: Double, value: Value) {
    let isDone = Atomic<Bool>(false)
    let start = ContinuousClock.now
    async let value = Self.marking(isDone, work)
    var rates: [Double] = []
    while !isDone.load(ordering: .acquiring), rates.count < 120 {
      rates.append(try load(session, for: 1))
    }
    let whole = rates.count > 1 ? rates.dropLast() : rates[...]
    let rate = whole.reduce(0, +) / Double(max(1, whole.count))
    let result = try await value
    return (rate, (result.1 - start) / .seconds(1), result.0)
  }

  private static func marking<Value: Sendable>(
    _ isDone: borrowing Atomic<Bool>, _ work: @Sendable () async throws -> Value
  ) async throws -> (Value, ContinuousClock.Instant) {
    defer { isDone.store(true, ordering: .releasing) }
    return (try await work(), ContinuousClock.now)
  }

  // MARK: - Retention

  private struct Pruning {
    var rate: Double
    var removed: UInt64
    var seconds: Double

    func figures(beside rate: Double) -> [OwnFigure] {
      [
        OwnFigure(
          name: "\(grouped(Double(removed))) logs removed: lost of the rate of reports",
          value: max(0, (1 - self.rate / rate) * 100), unit: " %",
          goal: RetentionFigures.lossGoal),
        OwnFigure(
          name: "logs removed a second meanwhile", value: Double(removed) / seconds, unit: "",
          goal: nil),
        OwnFigure(name: "reports a second beside it", value: rate, unit: "", goal: nil),
      ]
    }
  }

  /// Reports while logs are removed, until enough of them are.
  private func pruning(_ session: Session) async throws -> Pruning {
    let client = try session.operatorClient()
    try await keep(for: 1, client)
    let measured = try await rate(session) {
      var removed: UInt64 = 0
      var step = PruneLogsRequest()
      while removed < Self.removed {
        removed += try await client.pruneLogs(step).removedLogs
        step.resume = true
      }
      return removed
    }
    try await keep(for: 0, client)
    return Pruning(rate: measured.rate, removed: measured.value, seconds: measured.seconds)
  }

  private func keep(for milliseconds: UInt64, _ client: OperatorServiceClient) async throws {
    var rule = RetentionRule()
    rule.status = .completed
    rule.maximumAgeMs = milliseconds
    var request = SetRetentionRequest()
    request.rules = [rule]
    _ = try await client.setRetention(request)
  }

  // MARK: - Backup

  private struct Backup {
    var rate: Double
    var bytes: UInt64
    var seconds: Double

    func figures(beside rate: Double) -> [OwnFigure] {
      let name = "backup of \(decimal(Double(bytes) / 1_048_576)) MiB under load"
      return [
        OwnFigure(
          name: "\(name): lost of the rate of reports",
          value: max(0, (1 - self.rate / rate) * 100), unit: " %", goal: nil),
        OwnFigure(name: name, value: seconds, unit: " s", goal: nil),
      ]
    }
  }

  private func backup(_ session: Session, to path: String) async throws -> Backup {
    var request = BackUpRequest()
    request.path = path
    let (client, asked) = (try session.operatorClient(), request)
    let measured = try await rate(session) {
      var bytes: UInt64 = 0
      for try await step in client.backUp(asked) { bytes = max(bytes, step.totalBytes) }
      return bytes
    }
    return Backup(rate: measured.rate, bytes: measured.value, seconds: measured.seconds)
  }
}
