import IntegrationAPI
import IntegrationClient
import ProtobufRuntime
import Synchronization

/// Why the work on an attempt should end before it is done.
public enum JobEnding: Sendable, Equatable {
  /// An operator asked for it.
  case cancelWanted(reason: String, requestedBy: String)
  /// The request belongs to somebody else now; nothing that is reported counts.
  case leaseLost
  /// The agent stops and its time to drain is over.
  case agentStopping
}

/// One attempt at an action, as its handler sees it.
///
/// The handler reads what to do, says how far it is, and returns how it ended. Its task is
/// cancelled when the attempt should end early (`ending` says why), so `Task.checkCancellation()`,
/// `Task.sleep` and `progress` throw `CancellationError` then; a handler that lets it pass is
/// reported as CANCELLED, one that finishes its work all the same is reported as it says. All
/// members may be used from any task.
public actor Job {
  /// What came with the attempt.
  public struct Order: Sendable {
    /// The log that the attempt is recorded in.
    public var logID: String
    /// The action's machine name.
    public var actionType: String
    /// The record to work on; empty for an action on no record.
    public var entity = Entity()
    /// JSON as the action's schema says; empty: none.
    public var input = ""
    /// From 1; more than 1: an earlier holder of the request lost it and may have done the work.
    ///
    /// 0: nobody requested this attempt.
    public var delivery: UInt32 = 0
    /// From 1; more than 1: a retry of an earlier attempt.
    public var attempt: UInt32 = 1
    /// The same over deliveries and retries: pass it on, and the work is done once.
    public var idempotencyKey = ""
    /// Who asked for it.
    public var requestedBy = ""
    var leaseToken = ""
    var trigger = Trigger.unspecified

    /// Whether the server holds a lease for it.
    var isLeased: Bool { !leaseToken.isEmpty }
  }

  /// Where in its attempt a report stands; the outbox keeps a place free for the last one.
  enum Place: Sendable {
    case first
    case middle
    case last
  }

  typealias Reporter =
    nonisolated(nonsending) @Sendable (LogReport, Place) async throws(AgentError) -> Void

  /// What came with the attempt.
  public nonisolated let order: Order
  private nonisolated let early = Mutex<JobEnding?>(nil)
  private let report: Reporter
  private let interval: Duration
  private let clock = ContinuousClock()
  private var sequence: UInt64 = 0
  private var recordsDone: UInt64 = 0
  private var recordsTotal: UInt64 = 0
  private var message = ""
  private var errors: [RecordError] = []
  private var labels: [String: String] = [:]
  private var hasNews = false
  private var hasEnded = false
  private var refusal: AgentError?
  private var lastReport: ContinuousClock.Instant?
  private var laterReport: Task<Void, Never>?

  init(_ order: Order, interval: Duration, report: @escaping Reporter) {
    self.order = order
    self.interval = interval
    self.report = report
  }

  /// The id of the log that the attempt is recorded in.
  public nonisolated var logID: String { order.logID }
  /// The record to work on; its type and id are empty for an action on no record.
  public nonisolated var entity: Entity { order.entity }
  /// JSON as the action's schema says; empty: none.
  public nonisolated var input: String { order.input }
  /// The same over deliveries and retries: pass it on, and the work is done once.
  public nonisolated var idempotencyKey: String { order.idempotencyKey }

  /// Why the work should end early; nil: it should not.
  public nonisolated var ending: JobEnding? { early.withLock { $0 } }

  /// Says how far the work is.
  ///
  /// Cheap to call for each record: reports are at least the configuration's progress interval
  /// apart and carry the newest counts.
  ///
  /// - Parameters:
  ///   - done: Records done so far.
  ///   - total: Records in all; 0: unknown.
  ///   - message: One sentence for people; nil leaves the last one.
  /// - Throws: `CancellationError` when the work should end early; `AgentError` when the outbox is
  ///   full or the server refused an earlier report.
  public func progress(
    done: some BinaryInteger, total: some BinaryInteger, _ message: String? = nil
  ) async throws {
    recordsDone = UInt64(clamping: done)
    recordsTotal = UInt64(clamping: total)
    if let message { self.message = ReportText.cut(message) }
    try await news()
  }

  /// Says what is going on, in one sentence for people.
  ///
  /// Throws as `progress` does.
  public func note(_ message: String) async throws {
    self.message = ReportText.cut(message)
    try await news()
  }

  /// Notes a record that went wrong inside the attempt, and goes on.
  ///
  /// Throws as `progress` does.
  ///
  /// - Parameters:
  ///   - reference: Which external record.
  ///   - message: One sentence that says what to fix; cut at 1 KiB.
  ///   - cause: What lies behind it, for whoever looks deeper; cut at 1 KiB.
  public func recordError(
    _ reference: String, _ message: String, cause: String = ""
  ) async throws {
    var error = RecordError()
    error.referenceID = ReportText.cut(reference, maximumBytes: 256)
    error.message = ReportText.cut(message, maximumBytes: ReportText.maximumErrorBytes)
    error.cause = ReportText.cut(cause, maximumBytes: ReportText.maximumErrorBytes)
    errors.append(error)
    try await news()
  }

  /// Adds a label to the log, or changes one; it goes with the next report.
  public func label(_ name: String, _ value: String) {
    labels[name] = value
    hasNews = true
  }

  // MARK: For the agent

  /// The first report: the work begins, and the lease is accepted.
  func begin() async throws(AgentError) {
    try await send(status: .inProgress, place: .first)
  }

  /// The last report.
  func end(_ outcome: JobOutcome) async throws(AgentError) {
    guard !hasEnded else { return }
    laterReport?.cancel()
    // What does not fit one report goes ahead of the last one.
    while errors.count > ReportText.maximumErrors {
      do throws(AgentError) {
        try await send(status: .unspecified, place: .middle)
      } catch {
        // The end itself has its place kept free; it must not be lost with what is too much.
        guard case .outboxFull = error else { throw error }
        errors.removeLast(errors.count - ReportText.maximumErrors)
      }
    }
    hasEnded = true
    message = ReportText.cut(outcome.message)
    var last = draft(status: outcome.kind.status)
    (last.result, last.statusMessage) = ReportText.fitting(outcome.result, message: message)
    last.retryable = outcome.isRetryable
    last.retryAfterMs = outcome.retryAfter.wholeMilliseconds
    try await report(last, .last)
  }

  /// Takes note that the work should end early; the caller cancels the task.
  nonisolated func endEarly(_ reason: JobEnding) {
    early.withLock { early in
      // A lost lease outweighs everything: what the handler says then counts no more.
      if early == nil || reason == .leaseLost { early = reason }
    }
  }

  /// Takes note that the server refused a report; the handler learns it with its next one.
  func refused(_ error: AgentError) {
    refusal = error
  }

  // MARK: Reports

  private func news() async throws {
    try Task.checkCancellation()
    if let refusal { throw refusal }
    guard !hasEnded else { return }
    hasNews = true
    let waited = lastReport.map { clock.now - $0 } ?? interval
    if waited >= interval || errors.count >= ReportText.maximumErrors {
      try await send(status: .unspecified, place: .middle)
    } else if laterReport == nil {
      laterReport = Task { [interval] in
        try? await Task.sleep(for: interval - waited)
        await self.sendLater()
      }
    }
  }

  private func sendLater() async {
    laterReport = nil
    guard hasNews, !hasEnded else { return }
    // A full outbox is told to the handler by its own next call.
    try? await send(status: .unspecified, place: .middle)
  }

  private func send(status: LogStatus, place: Place) async throws(AgentError) {
    let next = draft(status: status)
    lastReport = clock.now
    hasNews = false
    try await report(next, place)
  }

  /// The next report with all that is new; takes its sequence number at once, so that reports made
  /// by several tasks keep their order.
  private func draft(status: LogStatus) -> LogReport {
    sequence += 1
    var report = LogReport()
    report.logID = order.logID
    report.sequence = sequence
    report.leaseToken = order.leaseToken
    if !order.isLeased, sequence == 1 {
      report.actionType = order.actionType
      report.entity = order.entity
      report.trigger = order.trigger
    }
    report.status = status
    report.statusMessage = message
    report.recordsDone = recordsDone
    report.recordsTotal = recordsTotal
    report.errors = Array(errors.prefix(ReportText.maximumErrors))
    errors.removeFirst(report.errors.count)
    report.labels = labels
    labels = [:]
    report.occurredAt = .now
    return report
  }
}

extension JobOutcome.Kind {
  var status: LogStatus {
    switch self {
    case .completed: .completed
    case .failed: .failed
    case .cancelled: .cancelled
    }
  }
}

extension Timestamp {
  static var now: Timestamp {
    let (seconds, nanoseconds) = WallClock.now()
    var time = Timestamp()
    time.seconds = seconds
    time.nanos = nanoseconds
    return time
  }
}

extension Duration {
  /// For a field in milliseconds: never below 0, never above what it can hold.
  var wholeMilliseconds: UInt32 {
    let (seconds, attoseconds) = components
    let milliseconds = seconds.multipliedReportingOverflow(by: 1000)
    guard !milliseconds.overflow else { return seconds < 0 ? 0 : .max }
    return UInt32(clamping: milliseconds.partialValue + attoseconds / 1_000_000_000_000_000)
  }
}
