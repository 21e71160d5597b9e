import CommandLineOptions
import IntegrationAPI
import RPCServer
import RPCWire
import Synchronization
import TestSupport
import Testing

@testable import integrationctl

@Suite(.limit(minutes: 1)) struct FollowTests {
  /// Answers TailLogs with some logs, and then keeps the stream open or refuses.
  struct TailServer {
    let server: RPCServer

    init(_ logs: [ActionLog], then refusal: RPCError? = nil, on path: String) throws {
      var router = ServiceRouter()
      router.register(OperatorServiceMethods.tailLogs) { call in
        let stream = ServerStream<TailLogsResponse>(call)
        // Called when the client's first credit has come, which covers these few.
        stream.onReady {
          for log in logs {
            var response = TailLogsResponse()
            response.log = log
            _ = stream.send(response)
          }
          if let refusal { stream.fail(refusal) }
        }
        _ = stream.send(TailLogsResponse())
      }
      server = RPCServer(
        configuration: RPCServerConfiguration(), router: router,
        authenticator: Operators(), observer: Silence())
      try server.start()
      _ = try server.listen(on: [.unix(path: path)])
    }
  }

  struct Operators: Authenticator {
    func authenticate(_ credential: Credential) -> Result<Principal, RPCError> {
      .success(Principal(name: "operator:local", kind: .operator, id: 0, credentialID: ""))
    }
  }

  struct Silence: ConnectionObserver {}

  static func console(_ texts: Texts) -> Console {
    Console(
      write: { texts.add(output: $0) }, warn: { texts.add(errors: $0) }, ask: nil, width: nil,
      hasColour: false, now: { Desk.now })
  }

  @Test("A tail goes on over a restart of the server and shows each change once")
  func restart() async throws {
    let scratch = try ScratchDirectory()
    let path = scratch.file("server.sock")
    let other = "01938c3e-0000-7000-8000-000000000001"
    let first = try TailServer(
      [Samples.log(.inProgress), Samples.log(.completed, id: other)], on: path)
    let texts = Texts()
    let program = OperatorProgram(environment: Environment([:]), console: Self.console(texts))
    let run = Task {
      await program.run(["logs", "tail", "-f", "-o", "jsonl", "--server", "unix:\(path)"])
    }
    try await eventually("two changes") {
      texts.output.split(separator: "\n").count == 2 ? true : nil
    }
    first.server.stopNow()
    await first.server.waitUntilStopped()
    let refusal = RPCError(.permissionDenied, "not any more", reason: "OPERATOR_ONLY")
    let second = try TailServer(
      [Samples.log(.completed, id: other), Samples.log(.failed)], then: refusal, on: path)
    defer { second.server.stopNow() }
    let outcome = texts.outcome(await run.value)
    #expect(outcome.code == .notAllowed)
    #expect(outcome.output.split(separator: "\n").count == 3)
    #expect(outcome.output.hasSuffix("\n"))
    #expect(outcome.errors.contains("trying again in"))
    #expect(outcome.errors.contains("not any more [OPERATOR_ONLY]"))
  }

  /// A server whose second tail is refused as too old; the third tail's refusal ends the run.
  private func agedServer(_ missed: ActionLog) -> ServiceRouter {
    var router = ServiceRouter()
    let tails = TailCount()
    router.register(OperatorServiceMethods.tailLogs) { call in
      let stream = ServerStream<TailLogsResponse>(call)
      switch tails.next() {
      case 1:
        stream.onReady {
          var response = TailLogsResponse()
          response.log = Samples.log(.inProgress)
          response.resumeToken = "t1.1.1"
          _ = stream.send(response)
          stream.fail(RPCError(.unavailable, "going away", reason: "SHUTTING_DOWN"))
        }
        _ = stream.send(TailLogsResponse())
      case 2: stream.fail(RPCError(.failedPrecondition, "too old", reason: "TAIL_TOO_OLD"))
      default: stream.fail(RPCError(.permissionDenied, "no more", reason: "OPERATOR_ONLY"))
      }
    }
    router.register(OperatorServiceMethods.listLogs) { call in
      var response = ListLogsResponse()
      response.logs = [Samples.log(.inProgress), missed]
      ServerCall<ListLogsResponse>(call).handle.reply(bytes: response.serializedBytes())
    }
    return router
  }

  final class TailCount: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
      count.withLock { count in
        count += 1
        return count
      }
    }
  }

  @Test("A tail whose place is too old says so, lists what was made since, and begins anew")
  func tooOld() async throws {
    let scratch = try ScratchDirectory()
    let path = scratch.file("server.sock")
    let missed = Samples.log(.completed, id: "01938c3e-0000-7000-8000-000000000009")
    let server = RPCServer(
      configuration: RPCServerConfiguration(), router: agedServer(missed),
      authenticator: Operators(), observer: Silence())
    try server.start()
    defer { server.stopNow() }
    _ = try server.listen(on: [.unix(path: path)])
    let texts = Texts()
    let program = OperatorProgram(environment: Environment([:]), console: Self.console(texts))
    let code = await program.run(["logs", "tail", "-f", "-o", "jsonl", "--server", "unix:\(path)"])
    let outcome = texts.outcome(code)
    #expect(outcome.code == .notAllowed)
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.last?.contains(missed.id) == true)
    #expect(outcome.errors.contains("longer than the server keeps changes"))
  }

  @Test("A tail that never reaches its server ends at once")
  func unreachable() async throws {
    let scratch = try ScratchDirectory()
    let texts = Texts()
    let program = OperatorProgram(environment: Environment([:]), console: Self.console(texts))
    let code = await program.run(
      ["logs", "tail", "-f", "--server", "unix:\(scratch.file("none.sock"))"])
    #expect(code == .notReached)
    #expect(texts.output.isEmpty)
  }

  @Test("Of one connection everything is shown, and each change once")
  func oneConnection() {
    var seen = SeenLogs()
    var log = Samples.log(.inProgress)
    var older = Samples.log(.completed, id: "01938c3e-0000-7000-8000-000000000001")
    older.updatedAt = Samples.time(secondsAgo: 500)
    var shown = [seen.isNew(log), seen.isNew(older), seen.isNew(log)]
    log.sequence += 1
    shown.append(seen.isNew(log))
    log.status = .completed
    shown += [seen.isNew(log), seen.isNew(log)]
    #expect(shown == [true, true, false, true, true, false])
  }

  @Test("Of the next connection only what changed or came since is shown")
  func nextConnection() {
    var seen = SeenLogs()
    var log = Samples.log(.inProgress)
    var older = Samples.log(.completed, id: "01938c3e-0000-7000-8000-000000000001")
    older.updatedAt = Samples.time(secondsAgo: 500)
    var newer = Samples.log(.queued, id: "01938c3e-0000-7000-8000-000000000002")
    newer.updatedAt = Samples.time(secondsAgo: 1)
    var shown = [seen.isNew(log)]
    seen.connectionBegan()
    shown += [seen.isNew(older), seen.isNew(log), seen.isNew(newer)]
    log.sequence += 1
    older.status = .failed
    shown += [seen.isNew(log), seen.isNew(older)]
    #expect(shown == [true, false, false, true, true, true])
  }
}
