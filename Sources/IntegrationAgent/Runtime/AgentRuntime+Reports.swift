import IntegrationAPI
import IntegrationClient
import RPCClient
import RPCWire

extension AgentRuntime {
  /// The most reports and bytes in one call: well below the transport's frame.
  private static let maximumBatch = (reports: 500, bytes: 1 << 20)

  /// Sends what the outbox holds, in the order of each log, until the server has it.
  func sendReports() async throws -> LoopEnd {
    var backoff = configuration.backoff
    while !Task.isCancelled {
      guard isRegistered else {
        await senderWake.wait()
        try Task.checkCancellation()
        continue
      }
      let batch = try await outbox.next(
        maximumReports: Self.maximumBatch.reports, maximumBytes: Self.maximumBatch.bytes)
      noteBacklog(oldest: batch.first?.number)
      guard !batch.isEmpty else {
        endWake.notify()
        await senderWake.wait()
        try Task.checkCancellation()
        continue
      }
      do {
        let isComplete = try await send(batch)
        guard !isComplete else {
          backoff.succeeded()
          continue
        }
        try? await Task.sleep(for: backoff.failed())
      } catch let error as RPCError {
        try Task.checkCancellation()
        let wait = backoff.failed(retryAfter: .milliseconds(error.retryAfterMs))
        try await failed("ReportLogBatch", error, wait: wait)
      }
    }
    return .workDone
  }

  private func noteBacklog(oldest: Int64?) {
    guard !isBacklogSent, (oldest ?? .max) > predecessor.lastReport else { return }
    isBacklogSent = true
    pollWake.notify()
  }

  /// Sends a batch with at most one report of each log, so that none overtakes another.
  ///
  /// - Returns: Whether the server decided about each of them.
  private func send(_ batch: [Outbox.Entry]) async throws -> Bool {
    var request = ReportLogBatchRequest()
    request.agentID = configuration.agentID
    request.reports = batch.map(\.report)
    let outcomes: [ReportOutcome]
    do throws(RPCError) {
      let response = try await client.agents.reportLogBatch(request)
      outcomes = response.outcomes
      follow(response.directives)
    } catch {
      // One report that the server cannot even read must not hold up the others.
      guard error.code == .invalidArgument || error.code == .unimplemented else { throw error }
      return try await sendOneByOne(batch)
    }
    guard outcomes.count == batch.count else {
      throw RPCError(
        .internalError, "\(outcomes.count) outcomes came for \(batch.count) reports",
        reason: WireReason.internalError)
    }
    var isComplete = true
    var settled: [Outbox.Entry] = []
    for (entry, outcome) in zip(batch, outcomes) {
      let code = StatusCode(rawValue: UInt16(clamping: outcome.code))
      let error = code == .ok ? nil : RPCError(code, outcome.message, reason: outcome.reason)
      if try await settle(entry, error) { settled.append(entry) } else { isComplete = false }
    }
    try await forget(settled)
    return isComplete
  }

  private func sendOneByOne(_ batch: [Outbox.Entry]) async throws -> Bool {
    var isComplete = true
    for entry in batch {
      var request = ReportLogRequest()
      request.agentID = configuration.agentID
      request.report = entry.report
      var refusal: RPCError?
      do throws(RPCError) {
        follow(try await client.agents.reportLog(request).directives)
      } catch {
        if error.refusesAgent || error.code == .unavailable { throw error }
        refusal = error
      }
      if try await settle(entry, refusal) { try await forget([entry]) } else { isComplete = false }
    }
    return isComplete
  }

  private func forget(_ entries: [Outbox.Entry]) async throws(AgentError) {
    guard !entries.isEmpty else { return }
    try await outbox.settle(entries.map(\.number))
    for entry in entries where entry.place == .last {
      let token = entry.report.leaseToken
      if unsettledLeases[entry.report.logID] == token { unsettledLeases[entry.report.logID] = nil }
    }
  }

  /// Draws the consequences of the server's answer to one report.
  ///
  /// - Returns: Whether the report may leave the outbox.
  private func settle(
    _ entry: Outbox.Entry, _ error: RPCError?
  ) async throws(AgentError) -> Bool {
    let report = entry.report
    let running = jobs[report.logID].flatMap {
      $0.job.order.leaseToken == report.leaseToken ? $0 : nil
    }
    switch ReportVerdict(code: error?.code ?? .ok, reason: error?.reason ?? "") {
    case .stored:
      return true
    case .deliveryOver:
      if let error {
        event(.reportRefused(logID: report.logID, sequence: report.sequence, error))
      }
      running?.end(.leaseLost)
      if unsettledLeases[report.logID] == report.leaseToken { unsettledLeases[report.logID] = nil }
      try await outbox.forgetLog(report.logID, leaseToken: report.leaseToken)
      return true
    case .refused:
      guard let error else { return true }
      event(.reportRefused(logID: report.logID, sequence: report.sequence, error))
      await running?.job.refused(.reportRefused(error))
      if entry.place == .last { try await replace(entry, refusedWith: error) }
      return true
    case .later:
      if let error { event(.callFailed(call: "ReportLog \(report.logID)", error)) }
      return false
    }
  }

  /// A last report that is refused, for its result or its errors, is sent once more with nothing
  /// but the status, so that the log does not stay open.
  private func replace(_ entry: Outbox.Entry, refusedWith error: RPCError) async throws(AgentError)
  {
    let refused = entry.report
    guard !refused.result.isEmpty || !refused.errors.isEmpty || !refused.labels.isEmpty else {
      return
    }
    var report = LogReport()
    report.logID = refused.logID
    report.sequence = refused.sequence + 1
    report.leaseToken = refused.leaseToken
    report.status = refused.status
    report.statusMessage = ReportText.cut(
      "\(refused.statusMessage) (The server refused the details: \(error.message))")
    report.occurredAt = refused.occurredAt
    try await outbox.append(report, place: .last)
  }
}
