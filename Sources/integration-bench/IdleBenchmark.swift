import IntegrationAPI

/// What an agent costs that only waits.
struct IdleBenchmark {
  let session: Session
  let agents: Int

  /// Opens the polls, waits until the server counts all of them, and reads its memory.
  func run() async throws -> Measurement {
    guard let pid = session.serverPID else {
      throw BenchError(.usage, "idle reads the memory of a server of its own: leave --server out")
    }
    let clock = ContinuousClock()
    let before = ChildProcess.residentBytes(of: pid) ?? 0
    let start = clock.now
    var measurement = Measurement(
      "idle", load: LoadShape(connections: agents, inFlight: 1, warmup: 0, seconds: 0))
    try await Native.withIdlePolls(on: session.target, count: agents) { answered in
      try await waitForPolls(answered)
      let opened = clock.now - start
      measurement.seconds =
        Double(opened.components.seconds) + Double(opened.components.attoseconds) / 1e18
      measurement.calls = UInt64(agents)
      measurement.callsPerSecond = Double(agents) / measurement.seconds
      let resident = ChildProcess.residentBytes(of: pid) ?? 0
      measurement.memory = Memory(
        beforeBytes: before, residentBytes: resident,
        bytesPerAgent: max(0, resident - before) / max(1, agents))
      measurement.failures = UInt64(answered())
      if measurement.failures > 0 { measurement.faults.append("polls were answered too early") }
    }
    return measurement
  }

  private func waitForPolls(_ answered: () -> UInt32) async throws {
    for _ in 0..<200 {
      let polling = try await session.pollingAgents()
      if polling >= agents { return }
      let early = answered()
      guard early == 0 else {
        throw BenchError(
          .refused,
          "\(early) of \(agents) polls were answered at once; is a limit of the server "
            + "below that? See integrationd --help")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw BenchError(.refused, "expected \(agents) polling agents within 10 s")
  }
}
