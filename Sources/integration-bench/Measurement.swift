import FoundationEssentials

/// What one benchmark measured; its JSON form is the output.
struct Measurement: Encodable {
  /// The benchmark's name: `heartbeat`.
  var benchmark: String
  /// Who made the load: `raw` frames or the `swift` client.
  var client: String
  var connections: Int
  /// Calls in flight on each connection.
  var inFlight: Int
  /// The measured time, without warm-up.
  var seconds: Double
  /// Calls that succeeded in that time.
  var calls: UInt64
  var callsPerSecond: Double
  /// Calls that were refused or not answered, warm-up included.
  var failures: UInt64
  var latencyMs: Latency
  /// The limit that was measured in the same run, if there is one.
  var limit: Limit?
  /// The server's memory, for `idle`.
  var memory: Memory?
  /// What a process takes beyond its call, for `startup`.
  var beyond: BeyondCall?
  /// What was checked after the load; empty when all of it was right.
  var faults: [String] = []

  init(_ benchmark: String, client: String = "raw", load: LoadShape) {
    self.benchmark = benchmark
    self.client = client
    connections = load.connections
    inFlight = load.inFlight
    seconds = 0
    calls = 0
    callsPerSecond = 0
    failures = 0
    latencyMs = Latency(p50: 0, p95: 0, p99: 0, max: 0)
  }

  /// Takes the calls of a histogram over the measured time.
  mutating func take(_ histogram: Histogram, seconds measured: Double) {
    seconds = measured
    calls = histogram.count
    callsPerSecond = measured > 0 ? Double(calls) / measured : 0
    latencyMs = histogram.latency
  }
}

/// What the machine can do at most, measured beside the server.
struct Limit: Encodable {
  /// `echo` or `fsync`.
  var of: String
  /// Its calls or appends a second.
  var perSecond: Double
  /// Its median in milliseconds.
  var p50Ms: Double
  /// The measured rate over the limit's rate.
  var ratio: Double
  /// The measured median over the limit's median.
  var p50Ratio: Double

  /// Takes the mean of the limit before and after the load, so that a machine whose speed drifts
  /// does not favour either.
  init(_ before: Measurement, _ after: Measurement, for measured: Measurement) {
    of = before.benchmark
    perSecond = (before.callsPerSecond + after.callsPerSecond) / 2
    p50Ms = (before.latencyMs.p50 + after.latencyMs.p50) / 2
    ratio = perSecond > 0 ? measured.callsPerSecond / perSecond : 0
    p50Ratio = p50Ms > 0 ? measured.latencyMs.p50 / p50Ms : 0
  }
}

/// The resident memory of the server.
struct Memory: Encodable {
  /// Before the agents came, in bytes.
  var beforeBytes: Int
  /// While all of them waited.
  var residentBytes: Int
  /// What one of them costs.
  var bytesPerAgent: Int
}

/// How many calls at once.
struct LoadShape {
  var connections: Int
  var inFlight: Int
  var warmup: Double
  var seconds: Double
}

/// Output for people or programs.
enum OutputForm: String, CaseIterable {
  case table
  case json

  func text(_ measurements: [Measurement]) -> String {
    switch self {
    case .table: table(measurements)
    case .json: json(measurements)
    }
  }

  private func json(_ measurements: [Measurement]) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    // One benchmark is one object, `all` is an array.
    let data =
      measurements.count == 1
      ? try? encoder.encode(measurements[0]) : try? encoder.encode(measurements)
    return String(decoding: data ?? Data(), as: UTF8.self) + "\n"
  }

  private func table(_ measurements: [Measurement]) -> String {
    let head = [
      "BENCHMARK", "LOAD", "CALLS/S", "P50 MS", "P95 MS", "P99 MS", "MAX MS", "FAILED", "BESIDE",
    ]
    let rows = measurements.map { measurement in
      let latency = measurement.latencyMs
      return [
        "\(measurement.benchmark) (\(measurement.client))",
        "\(measurement.connections) x \(measurement.inFlight)",
        fixed(measurement.callsPerSecond, 0), shown(latency.p50), shown(latency.p95),
        shown(latency.p99), shown(latency.max), "\(measurement.failures)", beside(measurement),
      ]
    }
    let widths = head.indices.map { column in
      ([head] + rows).map { $0[column].count }.max() ?? 0
    }
    return ([head] + rows).map { row in
      let cells = zip(row, widths).enumerated().map { index, cell in
        let padding = String(repeating: " ", count: cell.1 - cell.0.count)
        let isText = index < 2 || index == row.count - 1
        return isText ? cell.0 + padding : padding + cell.0
      }
      return trimmed(cells.joined(separator: "  ")) + "\n"
    }.joined()
  }

  private func shown(_ milliseconds: Double) -> String {
    milliseconds == 0 ? "-" : fixed(milliseconds, 3)
  }

  private func beside(_ measurement: Measurement) -> String {
    if let fault = measurement.faults.first { return "WRONG: \(fault)" }
    if let memory = measurement.memory {
      let resident = fixed(Double(memory.residentBytes) / 1_048_576, 1)
      return "\(resident) MiB resident, \(memory.bytesPerAgent) bytes an agent"
    }
    if let beyond = measurement.beyond {
      return "beyond the call: p50 \(fixed(beyond.p50Ms, 2)) ms, p99 \(fixed(beyond.p99Ms, 2)) ms; "
        + "the call \(fixed(beyond.callP50Ms, 2)) ms"
    }
    guard let limit = measurement.limit else { return "" }
    return "\(fixed(limit.ratio, 2)) of \(limit.of) (\(fixed(limit.perSecond, 0))/s); "
      + "p50 \(fixed(limit.p50Ratio, 2)) of its \(fixed(limit.p50Ms, 3)) ms"
  }

  private func trimmed(_ line: String) -> String {
    var line = line
    while line.last == " " { line.removeLast() }
    return line
  }
}

/// A number with a fixed count of decimals, as Glibc's `%.*f` without its varargs.
func fixed(_ value: Double, _ decimals: Int) -> String {
  let scale = [1, 10, 100, 1000][decimals]
  let scaled = UInt64((max(0, value) * Double(scale)).rounded())
  guard decimals > 0 else { return "\(scaled)" }
  let fraction = String(scaled % UInt64(scale))
  return "\(scaled / UInt64(scale))." + String(repeating: "0", count: decimals - fraction.count)
    + fraction
}
