import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCWire
import Synchronization

/// Gathers the outcomes of a batch of reports, which come in any order, and answers once.
final class ReportCollector: Sendable {
  private struct State {
    var outcomes: [IntegrationAPI.ReportOutcome]
    /// Those that are missing, and one until the batch is filled.
    var missing: Int
  }

  private let state: Mutex<State>
  private let answer: @Sendable ([IntegrationAPI.ReportOutcome]) -> Void

  init(
    count: Int, answer: @escaping @Sendable ([IntegrationAPI.ReportOutcome]) -> Void
  ) {
    state = Mutex(
      State(outcomes: Array(repeating: .init(), count: count), missing: count + 1))
    self.answer = answer
  }

  /// Checks each report; those that are wrong get their outcome, the others' places are returned.
  func check(
    _ request: ReportLogBatchRequestView, now: Instant
  ) -> [(index: Int, logID: LogID)] {
    var good: [(index: Int, logID: LogID)] = []
    for (index, report) in request.reports.enumerated() {
      var checks = FieldChecks()
      let logID = checks.report(report, "reports[\(index)].", now: now)
      if checks.isEmpty {
        good.append((index, logID))
      } else {
        set(index, IntegrationAPI.ReportOutcome(RPCError.invalid(checks.violations)))
      }
    }
    return good
  }

  /// Sets one outcome; the last one answers the call.
  func set(_ index: Int, _ outcome: IntegrationAPI.ReportOutcome) {
    countDown { $0[index] = outcome }
  }

  /// Every report has its outcome or is with the store.
  func finishFilling() {
    countDown { _ in }
  }

  private func countDown(_ change: (inout [IntegrationAPI.ReportOutcome]) -> Void) {
    let outcomes = state.withLock { state -> [IntegrationAPI.ReportOutcome]? in
      change(&state.outcomes)
      state.missing -= 1
      return state.missing == 0 ? state.outcomes : nil
    }
    if let outcomes { answer(outcomes) }
  }
}
