import IntegrationAPI

/// How schedules are shown.
enum ScheduleView {
  /// `30 2 * * 1-5 in Europe/Berlin`, `every 15m`.
  static func rhythm(_ schedule: Schedule) -> String {
    guard !schedule.cron.isEmpty else {
      return "every \(TimeText.span(milliseconds: Int64(clamping: schedule.intervalMs)))"
    }
    return "\(schedule.cron) in \(schedule.timeZone.isEmpty ? "UTC" : schedule.timeZone)"
  }

  static let listing = Listing<Schedule>(
    table: Table(columns: [
      Column("SCHEDULE") { row, _ in Cell(row.name) },
      Column("INTEGRATION", .useful) { row, _ in Cell(row.integration) },
      Column("ACTION", .important, cuttableTo: 10) { row, _ in Cell(row.actionType) },
      Column("RUNS BY", cuttableTo: 10) { row, _ in Cell(rhythm(row)) },
      Column("NEXT") { row, now in
        row.paused ? Cell("paused", .warning) : .ago(row.nextAt, now, missing: "never")
      },
      Column("LAST", .important) { row, now in .ago(row.lastAt, now, missing: "never") },
      Column("STATUS") { row, _ in status(row) },
      Column(number: "RUNS", .useful) { $0.runs },
      Column(number: "SKIPPED", .useful) { $0.skipped },
      Column("LAST ERROR", .useful, cuttableTo: 16) { row, _ in
        Cell(row.lastError, row.failures > 0 ? .bad : .plain)
      },
      Column("RECORD", .extra, cuttableTo: 6) { row, _ in Cell(row.entity?.id ?? "") },
    ]),
    csvPaths: [
      "name", "integration", "actionType", "entity.type", "entity.id", "cron", "timeZone",
      "intervalMs", "overlap", "catchUp", "catchUpWindowMs", "jitterMs", "expiresMs", "paused",
      "pauseReason", "nextAt", "firesAt", "lastAt", "lastLogId", "lastStatus", "runs", "skipped",
      "failures", "lastError", "createdAt", "createdBy", "input",
    ],
    empty: "No schedules. Make one with: integrationctl schedules create INTEGRATION ACTION "
      + "--cron '30 2 * * *' --time-zone ZONE")

  /// The times of a preview.
  static let times = Listing<PlannedTime>(
    table: Table(columns: [
      Column("LOCAL TIME") { row, _ in Cell(row.local) },
      Column("UTC") { row, _ in
        Cell(row.at.map { TimeText.plain(WallTime($0)) } ?? "", .faint)
      },
      Column("WHEN", .useful) { row, now in .ago(row.at, now) },
    ]),
    csvPaths: ["local", "at"], empty: "It does not fire within 50 years.")

  /// Whether the server cannot run it: its last error says why.
  private static func isStopped(_ schedule: Schedule) -> Bool {
    !schedule.paused && schedule.nextAt == nil && !schedule.lastError.isEmpty
  }

  private static func status(_ schedule: Schedule) -> Cell {
    if schedule.failures > 0 { return Cell("REFUSED", .bad) }
    if isStopped(schedule) { return Cell("STOPPED", .bad) }
    return schedule.lastStatus == .unspecified ? Cell("-", .faint) : .status(schedule.lastStatus)
  }

  /// The text of `schedules show`.
  static func text(_ reply: GetScheduleResponse, _ presentation: Presentation) -> String {
    var document = Document(presentation)
    if let schedule = reply.schedule { addHeader(schedule, to: &document, presentation) }
    document.table("Next times", times.table, reply.next, empty: "none")
    document.table(
      "What it made last", LogCommands.listing.table, reply.recent, empty: "nothing yet")
    return document.text
  }

  private static func addHeader(
    _ schedule: Schedule, to document: inout Document, _ presentation: Presentation
  ) {
    let now = presentation.now
    document.line(Cell(schedule.name, .heading), Cell(rhythm(schedule)))
    document.fields([
      ("Integration", Cell(schedule.integration)),
      ("Action", Cell(schedule.actionType)),
      ("Record", Cell(recordWords(schedule.entity))),
      ("Input", Cell(schedule.input)),
      ("Paused", schedule.paused ? Cell(pauseWords(schedule), .warning) : ""),
      ("Next", .moment(schedule.nextAt, now, missing: schedule.paused ? "" : "never")),
      ("Fires", schedule.jitterMs > 0 ? .moment(schedule.firesAt, now) : ""),
      ("Last", .moment(schedule.lastAt, now, missing: "never")),
      ("Last error", Cell(schedule.lastError, schedule.failures > 0 ? .bad : .plain)),
      ("Runs", Cell("\(schedule.runs) made, \(schedule.skipped) skipped")),
    ])
    document.fields([
      ("When one still runs", Cell(overlapWords(schedule.overlap))),
      ("After downtime", Cell(catchUpWords(schedule))),
      ("Jitter", Cell(schedule.jitterMs == 0 ? "" : "up to \(span(schedule.jitterMs))")),
      ("Expires", Cell(schedule.expiresMs == 0 ? "" : "after \(span(schedule.expiresMs))")),
      ("Created", .moment(schedule.createdAt, now)),
      ("Created by", Cell(schedule.createdBy)),
    ])
  }

  private static func span(_ milliseconds: UInt64) -> String {
    TimeText.span(milliseconds: Int64(clamping: milliseconds))
  }

  private static func recordWords(_ entity: Entity?) -> String {
    guard let entity, !entity.id.isEmpty else { return "" }
    let name = entity.displayName.isEmpty ? "" : " (\(entity.displayName))"
    return "\(entity.type) \(entity.id)\(name)"
  }

  private static func pauseWords(_ schedule: Schedule) -> String {
    schedule.pauseReason.isEmpty ? "yes" : schedule.pauseReason
  }

  private static func overlapWords(_ overlap: Overlap) -> String {
    switch overlap {
    case .unspecified, .skip: "the time is skipped"
    case .queue: "the run waits behind it"
    case .cancelRunning: "the one before is cancelled"
    case .unrecognized(let number): "\(number)"
    }
  }

  private static func catchUpWords(_ schedule: Schedule) -> String {
    let window = schedule.catchUpWindowMs == 0 ? "1d" : span(schedule.catchUpWindowMs)
    return switch schedule.catchUp {
    case .none: "missed times pass"
    case .unspecified, .last: "the last missed time runs, if not older than \(window)"
    case .all: "all missed times run, if not older than \(window)"
    case .unrecognized(let number): "\(number)"
    }
  }
}
