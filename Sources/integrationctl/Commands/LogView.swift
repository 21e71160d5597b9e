import IntegrationAPI

/// The text of `logs show`.
enum LogView {
  static func text(_ reply: GetLogResponse, _ presentation: Presentation) -> String {
    var document = Document(presentation)
    let log = reply.log ?? ActionLog()
    addHeadline(log, to: &document)
    document.fields(origin(log, reply))
    document.fields(course(log, reply.request, presentation.now))
    document.fields(content(log, reply.request))
    document.table(
      "Timeline", timeline, reply.timeline, empty: "its first report told everything")
    if !reply.errors.isEmpty {
      document.table(errorHeading(log, reply), errors, reply.errors, empty: "")
    }
    addNext(log, reply, to: &document)
    return document.text
  }

  private static func addHeadline(_ log: ActionLog, to document: inout Document) {
    let name = log.entity?.displayName ?? ""
    document.line(
      .status(log.status), Cell(log.actionType, .heading), Cell(log.entity?.words ?? ""),
      Cell(name.isEmpty || name == log.entity?.id ? "" : "\"\(name)\""))
    if !log.statusMessage.isEmpty {
      document.attachFields([("", Cell(log.statusMessage, log.status.tone))])
    }
  }

  // MARK: Fields

  private static func origin(
    _ log: ActionLog, _ reply: GetLogResponse
  ) -> [(label: String, value: Cell)] {
    let integration = reply.integration
    let title = integration?.displayName ?? ""
    let support = [integration?.author, integration?.supportContact]
      .compactMap(\.self).filter { !$0.isEmpty }.joined(separator: ", ")
    return [
      ("Log", Cell(log.id)),
      (
        "Integration",
        Cell(
          title.isEmpty || title == log.integration
            ? log.integration : "\(log.integration) (\(title))")
      ),
      ("Whom to call", Cell(support)),
      ("Triggered by", Cell(log.triggerWords)),
      ("Agent", Cell(log.agentID)),
      ("Handled", log.handled ? Cell("put right elsewhere", .good) : ""),
      ("Attempt", log.attempt > 1 ? Cell("\(log.attempt)") : ""),
      ("Retry of", Cell(log.retryOf)),
      ("Retried by", Cell(reply.retriedBy.joined(separator: " "))),
      ("Link", Cell(log.entity?.url ?? "")),
    ]
  }

  private static func course(
    _ log: ActionLog, _ request: ActionRequest?, _ now: WallTime
  ) -> [(label: String, value: Cell)] {
    [
      ("Progress", Cell(progressWords(log))),
      ("Queued", Cell(queuedWords(log, now))),
      ("Running", Cell(runningWords(log, now))),
      (
        "Deliveries",
        (request?.delivery ?? 0) > 1 ? Cell("\(request?.delivery ?? 0)", .warning) : ""
      ),
      ("Held by", Cell(leaseWords(log, request, now))),
      (
        "Cancel",
        request?.cancelWanted == true && !log.status.isFinal
          ? Cell("asked for; the agent decides how it ends", .warning) : ""
      ),
      ("Not before", log.status == .queued ? .moment(request?.notBefore, now) : ""),
      ("Created", .moment(log.createdAt, now)),
      ("Updated", .moment(log.updatedAt, now)),
      ("Finished", .moment(log.finishedAt, now)),
    ]
  }

  private static func content(
    _ log: ActionLog, _ request: ActionRequest?
  ) -> [(label: String, value: Cell)] {
    let labels = log.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let key = request?.idempotencyKey ?? ""
    return [
      ("Labels", Cell(labels.joined(separator: ", "))),
      ("Input", Cell(request?.input ?? "")),
      ("Result", Cell(log.result)),
      ("Idempotency key", Cell(key == log.id ? "" : key)),
    ]
  }

  private static func progressWords(_ log: ActionLog) -> String {
    var text = Cell.progress(log).text
    if !text.isEmpty { text += " records" }
    if log.recordErrors > 0 {
      text += (text.isEmpty ? "" : ", ") + "\(log.recordErrors) with errors"
    }
    return text
  }

  /// How long a request waited; nothing for work that nobody queued.
  private static func queuedWords(_ log: ActionLog, _ now: WallTime) -> String {
    guard log.trigger != .event, let created = log.createdAt else { return "" }
    let end = log.startedAt ?? log.finishedAt
    let span = span(from: WallTime(created), to: end.map { WallTime($0) } ?? now)
    return end == nil ? "\(span) so far" : span
  }

  private static func runningWords(_ log: ActionLog, _ now: WallTime) -> String {
    guard let started = log.startedAt else { return "" }
    let span = span(from: WallTime(started), to: log.finishedAt.map { WallTime($0) } ?? now)
    return log.finishedAt == nil ? "\(span) so far" : span
  }

  private static func leaseWords(
    _ log: ActionLog, _ request: ActionRequest?, _ now: WallTime
  ) -> String {
    guard let request, !request.holder.isEmpty, !log.status.isFinal else { return "" }
    var text = request.holder + (request.accepted ? "" : ", not yet accepted")
    if let end = request.leaseExpiresAt {
      text += ", lease ends \(TimeText.relative(WallTime(end), now: now))"
    }
    return text
  }

  private static func span(from start: WallTime, to end: WallTime) -> String {
    TimeText.span(milliseconds: max(0, end.milliseconds - start.milliseconds))
  }

  // MARK: Tables

  static let timeline = Table<TimelineEntry>(columns: [
    Column("AT (UTC)") { row, _ in
      Cell(
        row.at.map {
          "\(TimeText.date(WallTime($0))) \(TimeText.clockWithMilliseconds(WallTime($0)))"
        } ?? "")
    },
    Column("STATUS") { row, _ in statusCell(row) },
    Column("CAUSE") { row, _ in Cell(row.cause.words + (row.late ? ", late" : "")) },
    Column("BY", .useful, cuttableTo: 8) { row, _ in Cell(row.principal) },
    Column("AGENT", .useful, cuttableTo: 8) { row, _ in Cell(row.agentID) },
    Column("MESSAGE", .important, cuttableTo: 12) { row, _ in Cell(row.message) },
  ])

  static let errors = Table<RecordError>(columns: [
    Column("RECORD", cuttableTo: 12) { row, _ in Cell(row.referenceID) },
    Column("MESSAGE", cuttableTo: 16) { row, _ in Cell(row.message, .bad) },
    Column("CAUSE", .useful, cuttableTo: 12) { row, _ in Cell(row.cause) },
    Column("RETRYABLE", .extra) { row, _ in row.retryable ? "yes" : "no" },
  ])

  private static func statusCell(_ entry: TimelineEntry) -> Cell {
    if entry.late { return Cell("(\(entry.to.jsonName))", .faint) }
    return .status(entry.to)
  }

  private static func errorHeading(_ log: ActionLog, _ reply: GetLogResponse) -> String {
    let shown = UInt64(reply.errors.count)
    return shown < log.recordErrors
      ? "Record errors (\(shown) of \(log.recordErrors); more with --errors N)"
      : "Record errors (\(shown))"
  }

  private static func addNext(
    _ log: ActionLog, _ reply: GetLogResponse, to document: inout Document
  ) {
    let line: String
    switch log.status {
    case .failed, .timedOut, .cancelled:
      guard reply.retriedBy.isEmpty, !log.handled else { return }
      line = "Try again: integrationctl logs retry \(log.id)"
    case .queued,
      .inProgress where reply.request != nil:
      line = "Withdraw: integrationctl requests cancel \(log.id)"
    case .inProgress, .completed, .unspecified, .unrecognized: return
    }
    document.line(Cell(line, .faint))
  }
}
