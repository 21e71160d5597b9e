import CBenchLoad

/// The works that are compared, with the goals of the project.
struct ComparedWorks {
  /// Where the built peers are.
  let programs: String
  /// A scratch directory that outlives the runs.
  let shared: String
  let warmup: Double
  let seconds: Double

  var all: [ComparedWork] { heartbeats + reports + growth }

  /// Those that run unless others are named.
  static let usual = [
    "heartbeat-16x16", "heartbeat-256x1", "heartbeat-1x1", "report-64x16", "report-16x1",
    "report-1x1",
  ]

  /// Those that run only when named.
  static let onRequest = ["heartbeat-16x1", "heartbeat-4096x1"]

  /// From one connection to many, in this order.
  static let overConnections = [
    "heartbeat-1x1", "heartbeat-16x1", "heartbeat-256x1", "heartbeat-4096x1",
  ]

  private func shape(_ connections: Int, _ inFlight: Int) -> LoadShape {
    LoadShape(connections: connections, inFlight: inFlight, warmup: warmup, seconds: seconds)
  }

  private var callers: [any Contestant] {
    [
      OwnCalls(name: Name.raw, kind: CBL_LOAD_HEARTBEAT, client: .raw),
      OwnCalls(name: Name.swift, kind: CBL_LOAD_HEARTBEAT, client: .swift),
      Echo(),
      GRPCPeer(driver: .ownClient, programs: programs),
      GRPCPeer(driver: .h2load, programs: programs),
    ]
  }

  private var heartbeats: [ComparedWork] {
    [
      ComparedWork(
        name: "heartbeat-16x16", title: "Heartbeat, 16 connections x 16 in flight", unit: "calls",
        shape: shape(16, 16), contestants: callers,
        goals: [
          Goal(Name.raw, .rate, .atLeast, 0.5, of: Name.echo),
          Goal(Name.raw, .rate, .atLeast, 40, of: Name.grpc),
          Goal(Name.swift, .rate, .atLeast, 20, of: Name.grpc),
          Goal(Name.raw, .serverMicroseconds, .atMost, 2),
        ]),
      ComparedWork(
        name: "heartbeat-256x1", title: "Heartbeat, 256 connections x 1", unit: "calls",
        shape: shape(256, 1), contestants: callers,
        goals: [
          Goal(Name.raw, .rate, .atLeast, 5, of: Name.grpc),
          Goal(Name.raw, .rate, .atLeast, 0.7, of: Name.echo),
        ]),
      ComparedWork(
        name: "heartbeat-1x1", title: "Heartbeat, one call on one connection", unit: "calls",
        shape: shape(1, 1), contestants: callers,
        goals: [
          Goal(Name.raw, .rate, .atLeast, 0.8, of: Name.echo),
          Goal(Name.raw, .p50, .atMost, 0.5, of: Name.grpc),
        ]),
    ]
  }

  private func reporters(_ others: [any Contestant]) -> [any Contestant] {
    [OwnCalls(name: Name.raw, kind: CBL_LOAD_REPORT, client: .raw)] + others + [
      TextPeer(kind: .redis), TextPeer(kind: .nats), TextPeer(kind: .beanstalkd),
      PostgresPeer(rows: 1, shared: shared),
    ]
  }

  private var reports: [ComparedWork] {
    [
      ComparedWork(
        name: "report-64x16", title: "Durable ReportLog, 64 connections x 16 in flight",
        unit: "reports", shape: shape(64, 16),
        contestants: reporters([
          OwnCalls(name: Name.swift, kind: CBL_LOAD_REPORT, client: .swift), batches,
        ]) + [PostgresPeer(rows: 100, shared: shared)],
        goals: [
          Goal(Name.raw, .rate, .atLeast, 150_000), Goal(Name.raw, .p99, .atMost, 25),
          Goal(Name.raw, .rate, .atLeast, 10, of: Name.postgres),
          Goal(Name.raw, .rate, .atLeast, 30, of: Name.beanstalkd),
          Goal(Name.raw, .rate, .atLeast, 1, of: Name.redis),
          Goal(Name.batch, .rate, .atLeast, 1.5, of: Name.raw),
        ]),
      ComparedWork(
        name: "report-16x1", title: "Durable ReportLog, 16 connections x 1", unit: "reports",
        shape: shape(16, 1), contestants: reporters([]),
        goals: [
          Goal(Name.raw, .rate, .atLeast, 25_000),
          Goal(Name.raw, .rate, .atLeast, 1, of: Name.redis),
        ]),
      ComparedWork(
        name: "report-1x1", title: "Durable ReportLog, one at a time", unit: "reports",
        shape: shape(1, 1), contestants: reporters([Append()]),
        goals: [Goal(Name.raw, .p50, .atMost, 1.3, of: Name.append)]),
    ]
  }

  /// Batches of 1,000 on 8 connections, whatever the row's shape: 8,000 reports in flight.
  private var batches: any Contestant {
    Reshaped(
      OwnCalls(name: Name.batch, kind: CBL_LOAD_REPORT, client: .raw, reportsPerCall: 1000),
      connections: 8, inFlight: 1)
  }

  /// How calls grow with connections; the other two are among the goals.
  private var growth: [ComparedWork] {
    [(16, 1), (4096, 1)].map { connections, inFlight in
      ComparedWork(
        name: "heartbeat-\(connections)x\(inFlight)",
        title: "Heartbeat, \(connections) connections x \(inFlight)", unit: "calls",
        shape: shape(connections, inFlight), contestants: callers, goals: [])
    }
  }
}

/// A contestant with a load of its own shape.
struct Reshaped: Contestant {
  private let contestant: any Contestant
  private let connections: Int
  private let inFlight: Int

  init(_ contestant: any Contestant, connections: Int, inFlight: Int) {
    self.contestant = contestant
    self.connections = connections
    self.inFlight = inFlight
  }

  var name: String { contestant.name }
  var promise: String { contestant.promise }
  var obstacle: String? { contestant.obstacle }

  func run(_ shape: LoadShape, in directory: String) async throws -> Sample {
    var shape = shape
    shape.connections = connections
    shape.inFlight = inFlight
    return try await contestant.run(shape, in: directory)
  }
}
