import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCWire

/// What is known of a call of many reports beside those that the next commit brings: which were
/// refused at once, and what became of those in earlier batches.
struct UnfinishedReports: Sendable {
  /// Whether the reports that the store was given stand in one batch.
  enum Way { case atOnce, inPieces }

  private let refused: RefusedReports
  private let way: Way
  /// Reports that the store was given and has not answered.
  var missing: Int
  private var done: [(number: Int, logID: LogID, outcome: CommandOutcome)] = []

  init(_ refused: RefusedReports, _ way: Way) {
    self.refused = refused
    self.way = way
    missing = refused.total - refused.count
  }

  /// How many reports the call has.
  var total: Int { refused.total }

  /// Whether it can be forgotten when the call has ended; in pieces it would be answered for each.
  var endsWithCall: Bool { way == .atOnce }

  /// Takes note of what became of a report.
  mutating func add(_ number: Int, _ logID: LogID, _ outcome: CommandOutcome) {
    done.append((number, logID, outcome))
  }

  /// A wish to stop a log ends with the log.
  func noteEnds(to record: AgentRecord) {
    for (_, logID, outcome) in done where outcome.endsLog {
      record.directives.withLock { $0.logEnded(logID.description) }
    }
  }

  /// Sets the outcomes that are known.
  func assign(to views: RepeatedView<ReportOutcomeView>) {
    for (number, _, outcome) in done { views[number].set(outcome) }
    refused.assign(to: views)
  }
}

extension CommandOutcome {
  /// Whether a report has ended its log, or met one that had ended.
  var endsLog: Bool {
    guard case .reported(let reported) = self else { return false }
    return reported.status.isFinal
  }
}

/// The reports of one call that cannot be taken, whatever is stored.
struct RefusedReports: Sendable {
  /// How many reports the call has.
  let total: Int
  private var outcomes: [Int: IntegrationAPI.ReportOutcome] = [:]

  init(count: Int) { total = count }

  /// How many are refused.
  var count: Int { outcomes.count }

  /// Whether a report is refused.
  subscript(index: Int) -> Bool { !outcomes.isEmpty && outcomes[index] != nil }

  /// The first report from a place on that is not refused; `total`: there is none.
  func next(from index: Int) -> Int {
    var index = index
    while index < total, self[index] { index += 1 }
    return index
  }

  /// Looks at one report; returns its log's id.
  mutating func check(_ report: LogReportView, _ index: Int) -> LogID {
    var checks = FieldChecks()
    let logID = checks.report(report, "reports[\(index)].")
    guard !checks.isEmpty else { return logID }
    let error = RPCError.invalid(checks.violations)
    var outcome = IntegrationAPI.ReportOutcome()
    outcome.code = UInt32(error.code.rawValue)
    outcome.reason = error.reason
    outcome.message = error.violations.map { "\($0.field): \($0.description)" }
      .joined(separator: "; ")
    outcomes[index] = outcome
    return logID
  }

  /// Sets the outcomes of those that are refused.
  func assign(to views: RepeatedView<ReportOutcomeView>) {
    for (index, outcome) in outcomes { views[index].assign(outcome) }
  }

  /// The answer where every report is refused.
  func response(_ wishes: [AgentDirectives.Wish]) -> ReportLogBatchResponse {
    var response = ReportLogBatchResponse()
    response.outcomes = (0..<total).map { outcomes[$0] ?? .init() }
    response.directives = wishes.map(Directive.init)
    return response
  }
}
