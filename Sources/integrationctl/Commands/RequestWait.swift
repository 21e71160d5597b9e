import CommandLineOptions
import IntegrationAPI
import RPCWire

/// Waits until some requests of one action have ended: hears of each change, asks for nothing
/// meanwhile, and goes on over a restart of the server.
struct RequestWait {
  let invocation: Invocation
  private var client: OperatorServiceClient
  private let filter: LogFilter
  private let total: Int
  /// Those that have not ended.
  private var open: Set<String> = []
  private var ends: [String: UInt32] = [:]
  private var token = ""

  private static let firstPause = Duration.milliseconds(100)
  private static let longestPause = Duration.seconds(5)
  /// As many as a filter may name.
  private static let maximumEntities = 100

  /// What is kept of a request that is waited for.
  struct Awaited: Sendable {
    let id: String
    let entityID: String
    let createdAt: WallTime?

    init(_ log: ActionLog) {
      id = log.id
      entityID = log.entity?.id ?? ""
      createdAt = log.createdAt.map { WallTime($0) }
    }
  }

  /// The logs are of the action that the command line names.
  init(invocation: Invocation, client: OperatorServiceClient, _ logs: [Awaited]) {
    self.invocation = invocation
    self.client = client
    var filter = LogFilter()
    filter.integrations = [invocation.arguments[RequestCommands.integration]]
    filter.actionTypes = [invocation.arguments[RequestCommands.action]]
    let entities = Set(logs.prefix(Self.maximumEntities + 1).map(\.entityID))
    if logs.count <= Self.maximumEntities, !entities.contains("") {
      filter.entityIds = entities.sorted()
    }
    let times = logs.compactMap(\.createdAt)
    filter.since = times.min()?.timestamp
    // Lists go by the times of ids, which a server may have made a moment after its clock's time of
    // the log.
    filter.until = times.max().map { WallTime(milliseconds: $0.milliseconds + 60_000).timestamp }
    self.filter = filter
    for log in logs { open.insert(log.id) }
    total = open.count
  }

  /// How many ended in which status.
  func untilAllEnd() async throws -> [String: UInt32] {
    var copy = self
    defer { invocation.console.progress?("") }
    try await copy.waitForAll()
    return copy.ends
  }

  /// The end of the one with this id, with its history.
  func untilEnd(of id: String) async throws -> GetLogResponse {
    var copy = self
    defer { invocation.console.progress?("") }
    try await copy.waitForAll()
    var wait = Self.firstPause
    while true {
      do {
        // Over the connection that the wait has now: the first one may be long gone.
        return try await copy.get(id)
      } catch {
        guard error.code == .notReached else { throw error }
        try await copy.reconnect(after: &wait)
      }
    }
  }

  private mutating func waitForAll() async throws {
    var wait = Self.firstPause
    while !open.isEmpty {
      do {
        do {
          try await follow { wait = Self.firstPause }
        } catch let failure as Failure where failure.reason == "METHOD_UNKNOWN" {
          // A server that cannot be heard is asked, each time after a longer pause.
          try await ask()
        }
      } catch let failure as Failure {
        if failure.reason == "TAIL_TOO_OLD" {
          token = ""
        } else if failure.code != .notReached {
          throw failure
        }
      }
      guard !open.isEmpty else { break }
      try await reconnect(after: &wait)
    }
  }

  /// Connects again after a pause.
  private mutating func reconnect(after wait: inout Duration) async throws {
    try await Task.sleep(for: wait)
    wait = min(wait * 2, Self.longestPause)
    do {
      client = try await invocation.client()
    } catch {
      // A server that is not there yet, or has no room, shows with the next call.
      guard error.code != .notAllowed else { throw error }
    }
  }

  /// One connection's worth; returns when all have ended or the server ends the stream.
  private mutating func follow(connected: () -> Void) async throws {
    var request = TailLogsRequest()
    request.filter = filter
    request.resumeToken = token
    var changes = client.tailLogs(request).makeAsyncIterator()
    var isListed = !token.isEmpty
    do {
      while !open.isEmpty, let change = try await changes.next() {
        connected()
        if !change.resumeToken.isEmpty { token = change.resumeToken }
        if let log = change.log { take(log) }
        guard !isListed else { continue }
        // The tail follows from here on; what has ended before stands in the list.
        isListed = true
        try await list()
      }
    } catch let error as RPCError {
      throw Failure(error, server: invocation.arguments[GlobalFlags.server])
    }
  }

  private mutating func ask() async throws {
    guard total == 1, let id = open.first else { return try await list() }
    if let log = try await get(id).log { take(log) }
  }

  private func get(_ id: String) async throws(Failure) -> GetLogResponse {
    var request = GetLogRequest()
    request.id = id
    let sent = request
    return try await invocation.call(client) { client throws(RPCError) in
      try await client.getLog(sent)
    }
  }

  private mutating func list() async throws(Failure) {
    var request = ListLogsRequest()
    request.filter = filter
    request.order = .oldestFirst
    request.pageSize = 1000
    repeat {
      let sent = request
      let page = try await invocation.call(client) { client throws(RPCError) in
        try await client.listLogs(sent)
      }
      for log in page.logs { take(log) }
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty && !open.isEmpty
  }

  private mutating func take(_ log: ActionLog) {
    guard open.contains(log.id) else { return }
    if log.status.isFinal {
      open.remove(log.id)
      ends[log.status.jsonName, default: 0] += 1
    }
    show(log)
  }

  private func show(_ log: ActionLog) {
    guard let progress = invocation.console.progress else { return }
    guard total == 1 else { return progress("\(total - open.count) of \(total) ended") }
    let words = [log.status.jsonName, Cell.progress(log).text, log.statusMessage]
    let text = DisplayWidth.printable(words.filter { !$0.isEmpty }.joined(separator: "  "))
    progress(DisplayWidth.cut(text, to: (invocation.console.width ?? 80) - 1))
  }
}
