import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Many at once")
struct BulkTests {
  private func failedLogs(_ count: Int, _ agent: TestAgent) async throws -> [String] {
    var ids: [String] = []
    for _ in 0..<count { ids.append(try await agent.report { $0.status = .failed }.logID) }
    return ids
  }

  private func retries(
    _ harness: Harness, size: UInt32 = 2, change: (inout RetryLogsRequest) -> Void = { _ in }
  ) async throws -> [RetryLogsResponse] {
    var request = RetryLogsRequest()
    request.filter = LogFilter()
    request.filter?.integrations = ["customsoft"]
    request.pageSize = size
    change(&request)
    var replies: [RetryLogsResponse] = []
    repeat {
      replies.append(try await harness.operators.retryLogs(request))
      request.pageToken = replies.last?.nextPageToken ?? ""
    } while !request.pageToken.isEmpty
    return replies
  }

  @Test("Steps retry what failed, oldest first, and a second round skips all of it")
  func retry() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let ids = try await failedLogs(5, agent)
    _ = try await agent.report { _ in }
    let first = try await retries(harness) { $0.reason = "the ERP is back" }
    #expect(first.map(\.retried).reduce(0, +) == 5)
    #expect(first.allSatisfy { $0.retried <= 2 && $0.failures.isEmpty })
    let retried = try await harness.log(ids[0])
    let new = try await harness.log(try #require(retried.retriedBy.first))
    #expect(new.timeline.first?.message == "the ERP is back")
    let again = try await retries(harness)
    #expect(again.map(\.retried).reduce(0, +) == 0)
    #expect(again.map(\.skipped).reduce(0, +) == 5)
  }

  @Test("What fails again while steps run is not swept in")
  func frozen() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await failedLogs(2, agent)
    var request = RetryLogsRequest()
    request.filter = LogFilter()
    request.filter?.actionTypes = ["export_quote"]
    request.pageSize = 1
    var rounds = 0
    repeat {
      let reply = try await harness.operators.retryLogs(request)
      request.pageToken = reply.nextPageToken
      for held in try await agent.poll(maximum: 10).requests {
        _ = try await agent.report(on: held, .failed)
      }
      rounds += 1
    } while !request.pageToken.isEmpty && rounds < 20
    #expect(rounds < 20)
    var list = ListLogsRequest()
    list.filter = LogFilter()
    list.filter?.triggers = [.retry]
    #expect(try await harness.operators.listLogs(list).logs.count == 2)
  }

  @Test("Each refusal is told with its reason")
  func refusals() async throws {
    let harness = try await Harness()
    var action = ActionDefinition.exportQuote
    action.canBeRequested = false
    let agent = try await harness.agent(declaring: [action])
    let ids = try await failedLogs(2, agent)
    let replies = try await retries(harness, size: 10)
    #expect(replies.flatMap(\.failures).map(\.id) == ids)
    #expect(replies.flatMap(\.failures).allSatisfy { $0.reason == "ACTION_NOT_REQUESTABLE" })
    #expect(replies.flatMap(\.failures).allSatisfy { !$0.message.isEmpty })
  }

  @Test("A step without a filter, with a foreign token or impossible statuses is refused")
  func badSteps() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await failedLogs(1, agent)
    let empty = try await failure { try await harness.operators.retryLogs(RetryLogsRequest()) }
    #expect(empty.reason == "FILTER_EMPTY")
    var cancel = CancelRequestsRequest()
    cancel.filter = LogFilter()
    let none = try await failure { try await harness.operators.cancelRequests(cancel) }
    #expect(none.reason == "FILTER_EMPTY")
    let log = "019e0000-0000-7000-8000-000000000001"
    for token in ["x", "l\(log)1", "r.l\(log)1", "cabc.l\(log)1", "rzzzzzzzzzzzzzzzz.l\(log)1"] {
      let refused = try await failure {
        try await retries(harness) { $0.pageToken = token }
      }
      #expect(refused.reason == "PAGE_TOKEN_INVALID", "\(token)")
    }
    let status = try await failure {
      try await retries(harness) { $0.filter?.statuses = [.completed] }
    }
    #expect(status.violations.map(\.field) == ["filter.statuses"])
    let unknown = try await failure {
      try await retries(harness) { $0.filter?.integrations = ["nobody"] }
    }
    #expect(unknown.reason == "INTEGRATION_UNKNOWN")
    var list = ListLogsRequest()
    list.filter = LogFilter()
    list.filter?.triggers = [.retry]
    #expect(try await harness.operators.listLogs(list).logs.isEmpty)
  }

  @Test("A token that names a time to come gives no new log an id of that time")
  func tokenOfTheFuture() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    _ = try await failedLogs(1, agent)
    let first = LogPosition(logID: .lowest, integration: 0)
    let token = BulkToken(until: Instant(milliseconds: 0xffff_ffff_ffff), after: first)
    #expect(try await retries(harness) { $0.pageToken = token.text(.retry) }[0].retried == 1)
    var list = ListLogsRequest()
    list.filter = LogFilter()
    list.filter?.triggers = [.retry]
    let made = try #require(try await harness.operators.listLogs(list).logs.first)
    let id = try #require(LogID(made.id))
    #expect(id < LogID(lowerBoundAt: ServerClock.now.adding(milliseconds: 60_000)))
  }

  @Test("Open requests are cancelled in steps; those that run are left to their agents")
  func cancel() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    for number in 1...5 { try await harness.request("Q-\(number)") }
    let held = try await agent.poll(maximum: 2).requests
    for request in held { _ = try await agent.report(on: request, .inProgress) }
    var request = CancelRequestsRequest()
    request.filter = LogFilter()
    request.filter?.actionTypes = ["export_quote"]
    request.pageSize = 2
    request.reason = "outdated"
    var (cancelled, asked): (UInt32, UInt32) = (0, 0)
    repeat {
      let reply = try await harness.operators.cancelRequests(request)
      cancelled += reply.cancelled
      asked += reply.askedAgents
      request.pageToken = reply.nextPageToken
    } while !request.pageToken.isEmpty
    #expect(cancelled == 3)
    #expect(asked == 2)
  }

  @Test("Many records are asked for at once; each wrong one is told by its number")
  func create() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [.exportQuote, .bulkImport])
    var request = CreateRequestsRequest()
    request.integration = "customsoft"
    request.actionType = "export_quote"
    request.items = ["Q-1", "", "Q-3", "Q-1"].map { id in
      var item = RequestItem()
      if !id.isEmpty {
        item.entity = Entity()
        item.entity?.id = id
      }
      item.idempotencyKey = "monday/\(id)"
      return item
    }
    request.items[2].input = "{}"
    let outcomes = try await harness.operators.createRequests(request).outcomes
    #expect(outcomes.map { $0.log != nil } == [true, false, false, true])
    #expect(outcomes.map(\.duplicate) == [false, false, false, true])
    #expect(outcomes.compactMap(\.failure).map(\.id) == ["2", "3"])
    #expect(outcomes.compactMap(\.failure).map(\.reason) == ["FIELD_INVALID", "INPUT_INVALID"])
    #expect(try await agent.poll(maximum: 10).requests.count == 1)
    request.items = []
    let none = try await failure { try await harness.operators.createRequests(request) }
    #expect(none.violations.map(\.field) == ["items"])
  }

  @Test("A time that has passed, or comes before the earliest start, is refused")
  func expiry() async throws {
    let harness = try await Harness()
    _ = try await harness.agent()
    let now = ServerClock.now
    var request = CreateRequestRequest()
    request.integration = "customsoft"
    request.actionType = "export_quote"
    request.entity = Entity()
    request.entity?.id = "Q-1"
    request.expiresAt = Timestamp(now.adding(milliseconds: -1))
    let past = try await failure { try await harness.operators.createRequest(request) }
    #expect(past.violations.map(\.field) == ["expires_at"])
    request.notBefore = Timestamp(now.adding(milliseconds: 60_000))
    request.expiresAt = Timestamp(now.adding(milliseconds: 59_000))
    let before = try await failure { try await harness.operators.createRequest(request) }
    #expect(before.violations.map(\.field) == ["expires_at"])
    request.expiresAt = Timestamp(now.adding(milliseconds: 61_000))
    let log = try #require(try await harness.operators.createRequest(request).log)
    #expect(try await harness.log(log.id).request?.expiresAt == request.expiresAt)
  }

  @Test("An edited input must satisfy the schema; nothing is retried otherwise")
  func editedInput() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [.bulkImport])
    let old = try await harness.request("", action: "bulk_import", input: "{\"file\":\"a\"}")
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .failed)
    var retry = RetryLogRequest()
    retry.id = old.id
    retry.input = "{\"file\":7}"
    let unsaid = try await failure { try await harness.operators.retryLog(retry) }
    #expect(unsaid.violations.map(\.field) == ["replace_input"])
    retry.replaceInput = true
    let wrong = try await failure { try await harness.operators.retryLog(retry) }
    #expect(wrong.reason == "INPUT_INVALID")
    #expect(wrong.violations.map(\.field) == ["input.file"])
    #expect(try await harness.log(old.id).retriedBy.isEmpty)
    retry.input = "{\"file\":\"b\"}"
    retry.reason = "the right file"
    let new = try #require(try await harness.operators.retryLog(retry).log)
    #expect(try await harness.log(new.id).request?.input == "{\"file\":\"b\"}")
    #expect(try await harness.log(new.id).timeline.first?.message == "the right file")
  }

  @Test("Notes and marks go through lists, and their faults are named")
  func notes() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let id = try await failedLogs(2, agent)[0]
    var note = AddNoteRequest()
    note.id = id
    let empty = try await failure { try await harness.operators.addNote(note) }
    #expect(empty.violations.map(\.field) == ["note"])
    note.note = String(repeating: "x", count: 4_097)
    let long = try await failure { try await harness.operators.addNote(note) }
    #expect(long.violations.map(\.field) == ["note"])
    note.note = "called them"
    _ = try await harness.operators.addNote(note)
    #expect(try await harness.log(id).timeline.last?.cause == .note)
    var mark = MarkHandledRequest()
    mark.id = id
    mark.handled = true
    mark.note = "keyed in by hand"
    #expect(try await harness.operators.markHandled(mark).log?.handled == true)
    var list = ListLogsRequest()
    list.filter = LogFilter()
    list.filter?.handling = .handled
    #expect(try await harness.operators.listLogs(list).logs.map(\.id) == [id])
    list.filter?.handling = .open
    #expect(try await harness.operators.listLogs(list).logs.count == 1)
    let replies = try await retries(harness, size: 10)
    #expect(replies.map(\.retried).reduce(0, +) == 1)
    #expect(replies.map(\.skipped).reduce(0, +) == 1)
  }
}
