import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs tail`: a line for each change of a log.
enum LogTail {
  static let follow = Flag.toggle(
    FlagName("follow", short: "f"), help: "go on until Ctrl-C, also over a restart of the server")
  static let recent = Flag.value(
    FlagName("limit", short: "n"), .integer(0...1000), default: UInt32(10),
    help: "begin with this many of the newest")

  static let verb = Verb(
    Command(
      "tail", "the newest logs, and with --follow each change",
      flags: [follow, recent] + FilterFlags.filter
    )
    .withExamples([
      CommandExample("integrationctl logs tail --follow", "watch everything"),
      CommandExample(
        "integrationctl logs tail -f -i customsoft --status FAILED", "failures of one"),
      CommandExample("integrationctl logs tail -f -o jsonl | jq .statusMessage", "for a program"),
    ]).withDiscussion(
      "After a lost connection it goes on without a gap or a repeat: each log that changed "
        + "meanwhile is shown once, as it stands now."), .stream
  ) { invocation in
    let filter = try FilterFlags.filter(of: invocation.arguments)
    if !invocation.arguments[follow] { return try await printRecent(filter, invocation) }
    if invocation.output == .json {
      throw UsageError(
        "\(invocation.title): json is one array, and --follow has no end",
        hint: "Choose --output jsonl: one object a line.")
    }
    try await LogFollower(invocation: invocation, filter: filter).run()
  }

  private static func printRecent(_ filter: LogFilter, _ invocation: Invocation) async throws {
    let count = invocation.arguments[recent]
    var logs: [ActionLog] = []
    if count > 0 {
      var request = ListLogsRequest()
      request.filter = filter
      let client = try await invocation.client()
      // A page may be short, and its next one not: logs are long, or few of many match.
      repeat {
        request.pageSize = count - UInt32(logs.count)
        let sent = request
        let page = try await invocation.call(client) { client throws(RPCError) in
          try await client.listLogs(sent)
        }
        logs += page.logs.prefix(Int(sent.pageSize))
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty && logs.count < Int(count)
      logs.reverse()
    }
    guard invocation.output == .table else {
      return try invocation.write(Page(rows: logs), as: LogCommands.listing)
    }
    for log in logs { try invocation.console.write(line(log, invocation.console.presentation)) }
  }

  /// From this width on a line has room for the log's id beside the message.
  private static let widthWithID = 110

  /// One line for people, cut to the terminal's width; a narrow one leaves out the id rather than
  /// the message.
  static func line(_ log: ActionLog, _ presentation: Presentation) -> String {
    let time = log.updatedAt.map { TimeText.lineClock(WallTime($0)) } ?? ""
    let status = log.status.jsonName
    let padding = String(repeating: " ", count: max(0, 11 - status.utf8.count))
    let words = [
      "\(log.integration)/\(log.actionType)", log.entity?.words ?? "", Cell.progress(log).text,
      log.statusMessage,
    ].filter { !$0.isEmpty }.joined(separator: "  ")
    let hasID = (presentation.width ?? widthWithID) >= widthWithID
    let head = "\(time)  " + (hasID ? "\(log.id)  " : "")
    let clean = DisplayWidth.printable(words)
    let room = presentation.width.map { max(10, $0 - head.count - 13) }
    let shown = room.map { DisplayWidth.cut(clean, to: $0) } ?? clean
    return presentation.styled(head, .faint) + presentation.styled(status, log.status.tone)
      + padding + "  \(shown)\n"
  }
}

/// Follows the stream of changes and begins again when the connection is lost.
struct LogFollower {
  let invocation: Invocation
  let filter: LogFilter

  private static let firstPause = Duration.milliseconds(200)
  private static let longestPause = Duration.seconds(5)

  /// Runs until the server refuses, standard output closes, or the process is interrupted.
  func run() async throws {
    if invocation.output == .csv {
      try invocation.console.write(CSVText.line(LogCommands.listing.csvPaths))
    }
    var seen = SeenLogs()
    var wait = Self.firstPause
    var isFirst = true
    var token = ""
    while true {
      do {
        try await follow(&seen, &token, isFirst: isFirst) {
          (isFirst, wait) = (false, Self.firstPause)
        }
      } catch let failure as Failure {
        if failure.reason == "TAIL_TOO_OLD" {
          token = ""
          try await listMissed(&seen)
          continue
        }
        guard failure.code == .notReached, !isFirst else { throw failure }
        invocation.console.warn(
          "integrationctl: \(failure.message); trying again in \(Self.words(wait))\n")
      }
      try await Task.sleep(for: wait)
      wait = min(wait * 2, Self.longestPause)
    }
  }

  /// The server keeps no more what changed since the connection was lost: what was made since the
  /// last log shown is listed, and the tail begins anew.
  private func listMissed(_ seen: inout SeenLogs) async throws {
    invocation.console.warn(
      "integrationctl: the connection was lost for longer than the server keeps changes; what "
        + "follows are the logs made since, not each change of earlier ones\n")
    guard let last = seen.newest else { return }
    var request = ListLogsRequest()
    request.filter = filter
    request.filter?.since = max(last, filter.since.map { WallTime($0) } ?? last).timestamp
    request.order = .oldestFirst
    request.pageSize = 1000
    let client = try await invocation.client()
    repeat {
      let sent = request
      let page = try await invocation.call(client) { client throws(RPCError) in
        try await client.listLogs(sent)
      }
      for log in page.logs where seen.isNew(log) { try write(log) }
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
  }

  private static func words(_ pause: Duration) -> String {
    let parts = pause.components
    return TimeText.span(
      milliseconds: parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000)
  }

  /// One connection's worth of changes; returns when the server ends the stream.
  private func follow(
    _ seen: inout SeenLogs, _ token: inout String, isFirst: Bool, connected: () -> Void
  ) async throws {
    let client = try await invocation.client()
    connected()
    var request = TailLogsRequest()
    request.filter = filter
    request.resumeToken = token
    if token.isEmpty {
      // Without any log shown there is no mark to go on from, unless there was none to show.
      let limit = invocation.arguments[LogTail.recent]
      request.recent = isFirst || (limit == 0 && seen.isEmpty) ? limit : 1000
      seen.connectionBegan()
    }
    var changes = client.tailLogs(request).makeAsyncIterator()
    do {
      while let change = try await changes.next() {
        if let log = change.log, seen.isNew(log) { try write(log) }
        if !change.resumeToken.isEmpty {
          token = change.resumeToken
          seen.resumes()
        }
      }
    } catch let error as RPCError {
      throw Failure(error, server: invocation.arguments[GlobalFlags.server])
    }
  }

  private func write(_ log: ActionLog) throws {
    switch invocation.output {
    case .table: try invocation.console.write(LogTail.line(log, invocation.console.presentation))
    case .json, .jsonl:
      try invocation.console.write(JSONTreeEncoder.tree(of: log).compactText + "\n")
    case .csv:
      try invocation.console.write(
        CSVText.line(JSONTreeEncoder.tree(of: log), paths: LogCommands.listing.csvPaths))
    }
  }
}

/// Which changes were shown already, so that a new connection's recent logs bring only what is new.
struct SeenLogs {
  /// More than the 1,000 logs that a stream can begin with.
  private static let maximumCount = 4096
  private var marks: [String: Mark] = [:]
  private var order: [String] = []
  /// When the newest of them was changed.
  private(set) var newest: WallTime?
  private var threshold: WallTime?

  private struct Mark: Equatable {
    let updated: WallTime
    let status: LogStatus
    let sequence: UInt64
  }

  /// Whether nothing was shown yet.
  var isEmpty: Bool { newest == nil }

  /// A new connection begins: logs older than the newest shown are no news.
  mutating func connectionBegan() { threshold = newest }

  /// The server says from where it goes on: whatever it sends is news, but for what was shown.
  mutating func resumes() { threshold = nil }

  /// Whether this state of the log is one to show; remembers it.
  mutating func isNew(_ log: ActionLog) -> Bool {
    let updated = log.updatedAt.map { WallTime($0) } ?? WallTime(milliseconds: 0)
    let mark = Mark(updated: updated, status: log.status, sequence: log.sequence)
    let old = marks.updateValue(mark, forKey: log.id)
    if old == nil { keepOrder(log.id) }
    if let old, old == mark { return false }
    if old == nil, let threshold, updated < threshold { return false }
    newest = max(newest ?? updated, updated)
    return true
  }

  private mutating func keepOrder(_ id: String) {
    order.append(id)
    guard order.count > Self.maximumCount else { return }
    for id in order.prefix(Self.maximumCount / 2) { marks[id] = nil }
    order.removeFirst(Self.maximumCount / 2)
  }
}
