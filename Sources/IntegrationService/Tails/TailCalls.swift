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
      tail = Tail(try selection(fields.filter) ?? LogSelection(), call)
    } catch {
      return call.fail(error)
    }
    // It is watched before anything is read, so that nothing falls between.
    guard tails.add(tail) else {
      return call.fail(.tooManyTails(maximum: configuration.limits.maximumTails))
    }
    tail.activate()
    Task {
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
    let pages = try await newest(recent, of: tail.selection)
    var place = start
    if let first = pages.first { place.commit = max(place.commit, first.commit + 1) }
    var messages: [[UInt8]] = []
    var shown: [LogPosition: Int64] = [:]
    for page in pages.reversed() {
      for log in page.logs.reversed() {
        messages.append(TailLogsResponse(log, nil, catalogue).serializedBytes())
        if page.commit >= place.commit { shown[log.position] = page.commit }
      }
    }
    guard await tail.send(read: messages, through: start.commit - 1) else { return }
    tail.follow(from: place, shown: shown, place)
  }

  /// The newest logs of a selection, newest first, in pages.
  private func newest(
    _ count: Int, of selection: LogSelection
  ) async throws(RPCError) -> [LogPage] {
    var pages: [LogPage] = []
    var query = LogQuery(selection, limit: count)
    // A page may be short because many rows were visited; a few of them are enough for a beginning.
    for _ in 0..<10 where query.limit > 0 {
      let page: LogPage
      do throws(StoreError) {
        page = try await store.logs(query)
      } catch {
        throw refusal(error)
      }
      pages.append(page)
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
      let found: ChangePage?
      do throws(StoreError) {
        found = try await store.changes(query)
      } catch {
        throw refusal(error)
      }
      guard let page = found else { throw .tailTooOld }
      let messages = page.logs.filter { tail.selection.contains($0.log) }.map { log, place in
        TailLogsResponse(log, place, catalogue).serializedBytes()
      }
      guard await tail.send(read: messages, through: page.commit) else { return }
      if page.isEnd { return tail.follow(from: page.next, page.next) }
      query.after = page.next
    }
  }
}
