import CBenchLoad
import IntegrationAPI
import RPCWire

/// Names that rows and goals share.
enum Name {
  static let raw = "ours, raw frames"
  static let swift = "ours, Swift client"
  static let batch = "ours, batches of 1,000"
  static let echo = "raw epoll echo in C"
  static let append = "append + fdatasync"
  static let grpc = "gRPC C++, own client"
  static let h2load = "gRPC C++, h2load"
  static let redis = "Redis stream"
  static let nats = "NATS JetStream, no fsync"
  static let beanstalkd = "beanstalkd"
  static let postgres = "PostgreSQL"
  static let postgresBatch = "PostgreSQL, 100 a transaction"
}

/// Heartbeat or ReportLog on integrationd with everything on.
struct OwnCalls: Contestant {
  let name: String
  let kind: cbl_load_kind
  let client: LoadClient
  /// Reports in each call; 1: ReportLog.
  var reportsPerCall: UInt32 = 1

  var promise: String {
    kind == CBL_LOAD_REPORT
      ? "on disk (fdatasync), searchable, idempotent" : "token checked, agent's state kept"
  }

  func run(_ shape: LoadShape, in directory: String) async throws -> Sample {
    let session = try await Session(
      Session.Options(server: nil, token: "", operatorAddress: nil, scratch: directory))
    let before = session.serverPID.flatMap(Program.processorMicroseconds)
    let outcome = try await load(session, shape)
    var sample = Sample(outcome, server: session.serverPID, before: before)
    if kind == CBL_LOAD_REPORT {
      let stored = try await session.storedLogs()
      sample.check(stored: stored ?? 0, against: outcome)
      sample.faults += try await StoredReports(client: session.operatorClient()).faults()
    }
    return sample
  }

  private func load(_ session: Session, _ shape: LoadShape) async throws -> RawLoadOutcome {
    if reportsPerCall > 1 { return Native.batches(of: reportsPerCall, on: session.target, shape) }
    switch client {
    case .raw: return Native.load(kind, on: session.target, shape)
    case .swift: return try await SwiftLoad(session: session, shape: shape).run(kind)
    case .stubs: return try await SwiftLoad(session: session, shape: shape, form: .stubs).run(kind)
    }
  }
}

/// Looks stored reports up by their entity, the newest and the oldest: what the index has taken
/// and what still waits for it.
struct StoredReports {
  let client: OperatorServiceClient
  static let looked = 50

  func faults() async throws -> [String] {
    var missing = 0
    for order in [Order.newestFirst, .oldestFirst] {
      var request = ListLogsRequest()
      request.order = order
      request.pageSize = UInt32(Self.looked)
      for log in try await client.listLogs(request).logs {
        if try await !isFound(log) { missing += 1 }
      }
    }
    return missing == 0 ? [] : ["\(missing) of \(2 * Self.looked) logs are not found by entity"]
  }

  private func isFound(_ log: ActionLog) async throws -> Bool {
    var filter = LogFilter()
    filter.integrations = [log.integration]
    filter.entityType = log.entity?.type ?? ""
    filter.entityIds = [log.entity?.id ?? ""]
    var request = ListLogsRequest()
    request.filter = filter
    request.pageSize = 1000
    return try await client.listLogs(request).logs.contains { $0.id == log.id }
  }
}

/// The raw echo: what the machine can do of calls.
struct Echo: Contestant {
  let name = Name.echo
  let promise = "nothing is done with a frame"

  func run(_ shape: LoadShape, in directory: String) async throws -> Sample {
    try Native.withEcho { port in
      let target = LoadTarget(address: .tcp(host: "127.0.0.1", port: port), token: "")
      return Sample(Native.load(CBL_LOAD_ECHO, on: target, shape), server: nil, before: nil)
    }
  }
}

/// One append after another: what the disk can do of durable writes.
struct Append: Contestant {
  let name = Name.append
  let promise = "4 KiB on disk (fdatasync); nothing can be found"

  func run(_ shape: LoadShape, in directory: String) async throws -> Sample {
    let path = directory + "/append"
    defer { removeFile(path) }
    let histogram = try Native.append(to: path, seconds: shape.seconds)
    return Sample(
      perSecond: Double(histogram.count) / shape.seconds, latencyMs: histogram.latency)
  }
}
