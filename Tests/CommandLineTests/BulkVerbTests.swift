import IntegrationAPI
import RPCWire
import TestSupport
import Testing

@testable import integrationctl

@Suite struct BulkVerbTests {
  static func id(_ number: Int) -> String { "01938c3e-0000-7000-8000-00000000000\(number)" }

  /// A server that has some failed logs and retries them in steps.
  static func desk(answer: Bool?, steps: [(UInt32, UInt32)] = [(2, 0), (1, 1)]) -> Desk {
    var desk = Desk()
    desk.answer = answer
    var list = ListLogsResponse()
    list.logs = (1...4).map { Samples.log(.failed, id: id($0)) }
    desk.server.answer(OperatorServiceMethods.listLogs, list)
    for (index, step) in steps.enumerated() {
      var reply = RetryLogsResponse()
      reply.retried = step.0
      reply.failures = (0..<step.1).map { number in
        var failure = BulkFailure()
        failure.id = id(Int(number) + 1)
        failure.reason = "ACTION_RETIRED"
        failure.message = "no agent declares it any more"
        return failure
      }
      reply.nextPageToken = index + 1 < steps.count ? "r1.next" : ""
      desk.server.answer(OperatorServiceMethods.retryLogs, reply)
    }
    return desk
  }

  @Test(
    "A bulk verb without a filter is wrong usage, as is one with ids and a filter",
    arguments: [
      ["logs", "retry"], ["requests", "cancel"], ["logs", "retry", "--yes"],
      ["logs", "retry", id(1), "--since", "1d"], ["requests", "cancel", id(1), "-i", "crm"],
      ["logs", "retry", "-i", "crm", "--input", "{}"],
      ["logs", "retry", "-i", "crm", "--status", "COMPLETED"],
      ["requests", "cancel", "-i", "crm", "--status", "FAILED"],
    ])
  func usage(line: [String]) async {
    let desk = Self.desk(answer: true)
    #expect(await desk.run(line).code == .usage)
    #expect(desk.server.calls.isEmpty)
  }

  @Test("A retry by filter shows the count and a sample, asks, and goes to the end in steps")
  func retry() async throws {
    let desk = Self.desk(answer: true, steps: [(2, 0), (1, 0)])
    let outcome = await desk.run(
      "logs", "retry", "-i", "crm", "--rate", "0", "--reason", "back again")
    #expect(outcome.code == .done)
    #expect(outcome.questions == ["Retry 4 logs?"])
    #expect(outcome.output == "3 retried, 0 failed.\n")
    #expect(outcome.errors.contains("export_quote"))
    let steps: [RetryLogsRequest] = try desk.server.requests(OperatorServiceMethods.retryLogs)
    #expect(steps.map(\.pageToken) == ["", "r1.next"])
    #expect(steps.allSatisfy { $0.reason == "back again" && $0.pageSize == 1000 })
    #expect(steps.allSatisfy { $0.filter?.statuses == [.failed, .timedOut] })
    #expect(steps.allSatisfy { $0.filter?.until != nil && $0.filter == steps[0].filter })
  }

  @Test("No is an answer, and nobody's silence is none")
  func asking() async throws {
    let refused = Self.desk(answer: false)
    #expect(await refused.run("logs", "retry", "-i", "crm").code == .refused)
    let silent = Self.desk(answer: nil)
    let outcome = await silent.run("logs", "retry", "-i", "crm")
    #expect(outcome.code == .usage)
    #expect(outcome.errors.contains("--yes"))
    for desk in [refused, silent] {
      let steps: [RetryLogsRequest] = try desk.server.requests(OperatorServiceMethods.retryLogs)
      #expect(steps.isEmpty)
    }
  }

  @Test("What was refused is listed, and the exit code says so")
  func failures() async throws {
    let outcome = await Self.desk(answer: nil).run(
      "logs", "retry", "-i", "crm", "--rate", "0", "--yes", "-o", "json")
    #expect(outcome.code == .refused)
    #expect(outcome.output.contains("\"failed\": 1"))
    #expect(outcome.output.contains("\"reason\": \"ACTION_RETIRED\""))
    #expect(
      outcome.errors.contains("\(Self.id(1)): no agent declares it any more [ACTION_RETIRED]"))
    #expect(outcome.errors.contains("1 log was refused"))
  }

  @Test("A run that breaks says what was done and how to go on; that line is understood")
  func broken() async throws {
    let desk = Self.desk(answer: nil, steps: [])
    var reply = RetryLogsResponse()
    reply.retried = 7
    reply.nextPageToken = "r1.next"
    desk.server.answer(OperatorServiceMethods.retryLogs, reply)
    desk.server.refuse(
      OperatorServiceMethods.retryLogs,
      RPCError(.unavailable, "connection lost", reason: "CONNECTION_LOST"))
    let outcome = await desk.run(
      "logs", "retry", "-i", "crm", "-e", "it is", "--since", "2026-11-20", "--rate", "0", "--yes")
    #expect(outcome.code == .notReached)
    #expect(outcome.errors.contains("7 retried"))
    let line = try #require(
      outcome.errors.split(separator: "\n").first { $0.hasPrefix("To go on: ") })
    let words = try #require(CommandTreeTests.words(String(line.dropFirst("To go on: ".count))))
    #expect(words.suffix(2) == ["--continue", "r1.next"])
    let again = Self.desk(answer: nil, steps: [(1, 0)])
    #expect(await again.run(Array(words.dropFirst()) + ["--yes"]).code == .done)
    let steps: [RetryLogsRequest] = try again.server.requests(OperatorServiceMethods.retryLogs)
    #expect(steps.map(\.pageToken) == ["r1.next"])
    #expect(steps.first?.filter?.entityIds == ["it is"])
  }

  @Test("Ctrl-C ends a run after its step, with the line that goes on")
  func interrupted() async throws {
    let desk = Self.desk(answer: nil, steps: [(2, 0), (2, 0), (2, 0)])
    let texts = Texts()
    let server = desk.server
    var console = FollowTests.console(texts)
    // Whoever asks is heard behind the first step.
    console.interrupts = Interrupts(begin: {}, end: {}, haveCome: { true })
    let program = OperatorProgram(environment: .init([:]), console: console) {
      (_, _) async throws(RPCError) in server
    }
    let code = await program.run(["logs", "retry", "-i", "crm", "--yes"])
    let outcome = texts.outcome(code)
    #expect(outcome.code == .interrupted)
    #expect(outcome.output == "2 retried, 0 failed.\n")
    #expect(outcome.errors.contains("--continue r1.next"))
    let steps: [RetryLogsRequest] = try server.requests(OperatorServiceMethods.retryLogs)
    #expect(steps.count == 1)
  }

  @Test("Requests are cancelled by filter, and those that run are told apart")
  func cancel() async throws {
    var desk = Desk()
    desk.answer = true
    var list = ListRequestsResponse()
    list.requests = [Samples.request, Samples.request]
    desk.server.answer(OperatorServiceMethods.listRequests, list)
    var reply = CancelRequestsResponse()
    reply.cancelled = 1
    reply.askedAgents = 1
    desk.server.answer(OperatorServiceMethods.cancelRequests, reply)
    let outcome = await desk.run("requests", "cancel", "-a", "export_quote", "--reason", "old")
    #expect(outcome.code == .done)
    #expect(outcome.questions == ["Cancel 2 requests?"])
    #expect(outcome.output == "1 cancelled, 1 asked to stop, 0 failed.\n")
    let sent: [CancelRequestsRequest] = try desk.server.requests(
      OperatorServiceMethods.cancelRequests)
    #expect(sent.map(\.reason) == ["old"])
  }

  @Test("Nothing that matches is said, and is no failure")
  func none() async throws {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.listLogs, ListLogsResponse())
    let outcome = await desk.run("logs", "retry", "-i", "crm", "--yes")
    #expect(outcome.code == .done)
    #expect(outcome.output == "No log matches.\n")
  }

  // MARK: - Notes and edited inputs

  @Test("Notes, marks and edited inputs reach the server as they were typed")
  func notes() async throws {
    let scratch = try ScratchDirectory()
    try scratch.write("{\"a\": 1}\n", to: "input.json")
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.addNote, AddNoteResponse())
    desk.server.answer(OperatorServiceMethods.markHandled, MarkHandledResponse())
    desk.server.answer(OperatorServiceMethods.retryLog, RetryLogResponse())
    #expect(await desk.run("logs", "note", Self.id(1), "they fix it").code == .done)
    #expect(await desk.run("logs", "handled", Self.id(1), "--note", "by hand").code == .done)
    #expect(await desk.run("logs", "handled", Self.id(1), Self.id(2), "--undo").code == .done)
    let file = scratch.file("input.json")
    #expect(await desk.run("logs", "retry", Self.id(1), "--input", "@\(file)").code == .done)
    #expect(await desk.run("logs", "retry", Self.id(1), "--input", "").code == .done)
    #expect(await desk.run("logs", "retry", Self.id(1), "--reason", "why").code == .done)
    #expect(await desk.run("logs", "retry", Self.id(1), "--input", "@/no/file").code == .usage)
    let notes: [AddNoteRequest] = try desk.server.requests(OperatorServiceMethods.addNote)
    #expect(notes.map(\.note) == ["they fix it"])
    let marks: [MarkHandledRequest] = try desk.server.requests(OperatorServiceMethods.markHandled)
    #expect(marks.map(\.handled) == [true, false, false])
    #expect(marks.map(\.note) == ["by hand", "", ""])
    let retries: [RetryLogRequest] = try desk.server.requests(OperatorServiceMethods.retryLog)
    #expect(retries.map(\.input) == ["{\"a\": 1}\n", "", ""])
    #expect(retries.map(\.replaceInput) == [true, true, false])
    #expect(retries.map(\.reason) == ["", "", "why"])
  }
}
