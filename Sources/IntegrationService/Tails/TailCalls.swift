import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Logs as they change: behind the newest ones, or behind where an earlier tail ended.
  public func tailLogs(
    _ request: TailLogsRequestView, _ call: ServerStream<TailLogsResponse>
  ) {
    guard isOperator(call.handle) else { return }
    let fields = request.makeMessage()
    let tail: Tail
    let resume: ChangePlace?
    do throws(RPCError) {
      guard fields.recent <= ServiceLimits.maximumPageSize else {
        throw RPCError.invalid(
          "recent", "expected at most \(ServiceLimits.maximumPageSize); it is \(fields.recent)")
      }
      resume = try PageToken.place(fields.resumeToken)
      tail = Tail(
        try selection(fields.filter) ?? LogSelection(), call, counting: tails.bytes)
    } catch {
      return call.fail(error)
    }
    // It is watched before anything is read, so that nothing falls between.
    guard tails.add(tail) else {
      return call.fail(.tooManyTails(maximum: configuration.limits.maximumTails))
    }
    tail.activate()
    Task(priority: ReadDesk.priority) {
      do throws(RPCError) {
        let start = try await keepJournal()
        if let resume {
          try await self.resume(tail, from: resume, until: start)
        } else {
          try await begin(tail, recent: Int(fields.recent), start)
        }
      } catch {
        tails.remove(tail.token)
        tail.stop()
        call.fail(error)
      }
    }
  }

  /// Has the store keep its journal of changes; the place where it stands.
  private func keepJournal() async throws(RPCError) -> ChangePlace {
    do throws(StoreFailure) {
      let now = ServerClock.now
      let outcome = try await store.perform(.keepJournal, now: now)
      guard case .journal(let place) = outcome else {
        preconditionFailure("the store answered a command with another's outcome")
      }
      journalKeptAt.withLock { $0 = now }
      return place
    } catch {
      throw RPCError(error)
    }
  }

  /// Begins with the newest logs, oldest first.
  private func begin(
    _ tail: Tail, recent: Int, _ start: ChangePlace
  ) async throws(RPCError) {
    guard recent > 0 else { return tail.follow(from: nil, start) }
    var place = start
    var messages: [[UInt8]] = []
    var shown: [LogPosition: Int64] = [:]
    do {
      // Rows and messages at once: one of the few long answers, until the tail has them.
      let turn = await self.pages.take()
      defer { withExtendedLifetime(turn) {} }
      let pages = try await newest(recent, of: tail.selection)
      if let first = pages.first { place.commit = max(place.commit, first.commit + 1) }
      for page in pages.reversed() {
        for log in page.logs.reversed() {
          messages.append(TailLogsResponse(log, nil, catalogue).serializedBytes())
          if page.commit >= place.commit { shown[log.position] = page.commit }
        }
      }
    }
    guard await tails.send(read: messages, through: start.commit - 1, to: tail) else { return }
    tail.follow(from: place, shown: shown, place)
  }

  /// From so many bytes of logs on a tail begins with fewer than it was asked for: with one page
  /// more it stays below what a connection may have unsent.
  private static let maximumBeginning = 4 << 20

  /// The newest logs of a selection, newest first, in pages.
  private func newest(
    _ count: Int, of selection: LogSelection
  ) async throws(RPCError) -> [LogPage] {
    var pages: [LogPage] = []
    var query = LogQuery(selection, limit: count)
    var bytes = 0
    // A page may be short because many rows were visited; a few of them are enough for a beginning.
    for _ in 0..<10 where query.limit > 0 && bytes < Self.maximumBeginning {
      let page: LogPage
      do throws(StoreError) {
        page = try await store.logs(query)
      } catch {
        throw refusal(error)
      }
      pages.append(page)
      bytes += page.logs.reduce(0) { $0 + $1.textBytes }
      guard let next = page.next else { break }
      query.after = next
      query.limit -= page.logs.count
    }
    return pages
  }

  /// Sends what changed behind a place, each log as it stands now, then follows.
  private func resume(
    _ tail: Tail, from place: ChangePlace, until start: ChangePlace
  ) async throws(RPCError) {
    guard place.journal == start.journal, place <= start else { throw .tailTooOld }
    var query = ChangeQuery(after: place)
    while true {
      let (page, messages) = try await changes(query, of: tail.selection)
      guard await tails.send(read: messages, through: page.commit, to: tail) else { return }
      if page.isEnd { return tail.follow(from: page.next, page.next) }
      query.after = page.next
    }
  }

  /// A page of changes, and messages of those that a selection has.
  private func changes(
    _ query: ChangeQuery, of selection: LogSelection
  ) async throws(RPCError) -> (ChangePage, [[UInt8]]) {
    let turn = await pages.take()
    defer { withExtendedLifetime(turn) {} }
    let found: ChangePage?
    do throws(StoreError) {
      found = try await store.changes(query)
    } catch {
      throw refusal(error)
    }
    guard let page = found else { throw .tailTooOld }
    let messages = page.logs.filter { selection.contains($0.log) }.map { log, place in
      TailLogsResponse(log, place, catalogue).serializedBytes()
    }
    return (page, messages)
  }
}
