import CBenchLoad
import Glibc

/// A hot path whose cost is counted: the same calls twice, few and many, so that what the server
/// does at its start and end falls out of the difference.
struct CostedWork {
  /// What makes the calls.
  enum Kind {
    case calls(cbl_load_kind)
    /// CreateRequest, its delivery to a waiting poll, and the report that finishes it.
    case dispatch
  }

  /// How it is named on the command line: `heartbeat-1x16`.
  let name: String
  let title: String
  let kind: Kind
  let connections: Int
  let inFlight: Int
  let few: UInt64
  let many: UInt64

  static let all = [
    CostedWork(
      name: "heartbeat-1x16", title: "Heartbeat, 16 in flight on one connection",
      kind: .calls(CBL_LOAD_HEARTBEAT), connections: 1, inFlight: 16, few: 3_200, many: 43_200),
    CostedWork(
      name: "heartbeat-1x1", title: "Heartbeat, one at a time", kind: .calls(CBL_LOAD_HEARTBEAT),
      connections: 1, inFlight: 1, few: 2_000, many: 22_000),
    // Some thousand logs first, so that the tables have their depth.
    CostedWork(
      name: "report-4x64", title: "Durable ReportLog, 4 connections x 64 in flight",
      kind: .calls(CBL_LOAD_REPORT), connections: 4, inFlight: 64, few: 5_120, many: 25_600),
    CostedWork(
      name: "dispatch", title: "Request, delivery to a waiting poll and report, one at a time",
      kind: .dispatch, connections: 1, inFlight: 1, few: 200, many: 1_400),
  ]

  /// Long enough for a server that is fifty times as slow as usual.
  private static let limit = 120.0

  /// Makes exactly `calls` calls and checks that all of them did what they should.
  func run(_ calls: UInt64, on session: Session) async throws {
    let shape = LoadShape(
      connections: connections, inFlight: inFlight, warmup: 0, seconds: Self.limit)
    switch kind {
    case .calls(let load):
      let outcome = Native.load(load, on: session.target, shape, calls: calls)
      try require(outcome.fault == nil && outcome.answered == calls, outcome.fault)
      guard load == CBL_LOAD_REPORT else { return }
      let stored = try await session.storedLogs()
      try require(stored == calls, "\(calls) reports acknowledged, \(stored ?? 0) stored")
    case .dispatch:
      guard let operatorAddress = session.operatorAddress else { return }
      let outcome = Native.dispatch(
        on: session.target, operatorAddress: operatorAddress, shape,
        Native.Pace(perSecond: 0, calls: calls))
      let fault = outcome.faults.first
      try require(fault == nil && outcome.finished == calls, fault)
    }
  }

  private func require(_ isRight: Bool, _ fault: String?) throws {
    if !isRight { throw BenchError(.refused, "\(name): \(fault ?? "not all calls were answered")") }
  }
}
