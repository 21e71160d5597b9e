import Glibc
import IntegrationAPI
import RPCWire
import Testing

@testable import integrationctl

@Suite struct ChangingVerbTests {
  static let destroying: [[String]] = [
    ["keys", "revoke", "4fG7hJ2k"], ["requests", "cancel", Samples.logID],
    ["agents", "drain", "customsoft", "crm-1"],
  ]

  static func desk(answer: Bool?) -> Desk {
    var desk = Desk()
    desk.answer = answer
    desk.server.answer(OperatorServiceMethods.revokeKey, RevokeKeyResponse())
    desk.server.answer(OperatorServiceMethods.cancelRequest, CancelRequestResponse())
    desk.server.answer(OperatorServiceMethods.drainAgent, DrainAgentResponse())
    return desk
  }

  @Test("What destroys asks first; no means that nothing is sent", arguments: destroying)
  func asking(line: [String]) async {
    let desk = Self.desk(answer: false)
    let outcome = await desk.run(line)
    #expect(outcome.questions.count == 1)
    #expect(outcome.code == .refused)
    #expect(desk.server.calls.isEmpty)
    let agreed = Self.desk(answer: true)
    #expect(await agreed.run(line).code == .done)
    #expect(agreed.server.calls.count == 1)
  }

  @Test("Where nobody can answer, --yes is needed and enough", arguments: destroying)
  func withoutTerminal(line: [String]) async {
    let desk = Self.desk(answer: nil)
    let refused = await desk.run(line)
    #expect(refused.code == .usage)
    #expect(refused.errors.contains("--yes"))
    #expect(desk.server.calls.isEmpty)
    #expect(await desk.run(line + ["--yes"]).code == .done)
    #expect(desk.server.calls.count == 1)
  }

  @Test("Several are done in order up to the first that fails, and what was done is shown")
  func several() async {
    let desk = Self.desk(answer: true)
    var reply = CancelRequestResponse()
    reply.log = Samples.log(.cancelled, id: "01938c3e-0000-7000-8000-000000000001")
    let many = Desk()
    many.server.answer(OperatorServiceMethods.cancelRequest, reply)
    many.server.refuse(
      OperatorServiceMethods.cancelRequest,
      RPCError(.notFound, "no such log", reason: "LOG_UNKNOWN"))
    let ids = (1...3).map { "01938c3e-0000-7000-8000-00000000000\($0)" }
    let outcome = await many.run(["requests", "cancel", "--yes"] + ids)
    #expect(outcome.code == .notFound)
    #expect(outcome.output == "Cancelled \(ids[0]).\n")
    #expect(many.server.calls.count == 2)
    let question = await desk.run(["requests", "cancel"] + ids).questions
    #expect(question == ["Cancel 3 requests?"])
  }

  static let acting: [[String]] = [
    ["requests", "cancel", "01938c3e", "--yes"], ["logs", "retry", "01938C3E-7a41"],
    ["logs", "handled", "01938c3e-7a41-7bb2"],
    ["logs", "note", "01938c3e-7a41-7bb2", "they fix it"],
  ]

  @Test("What acts on a log takes the beginning of its id, and sends the whole", arguments: acting)
  func beginning(line: [String]) async throws {
    let desk = Desk()
    var found = GetLogResponse()
    found.log = Samples.log()
    desk.server.answer(OperatorServiceMethods.getLog, found)
    desk.server.answer(OperatorServiceMethods.cancelRequest, CancelRequestResponse())
    desk.server.answer(OperatorServiceMethods.retryLog, RetryLogResponse())
    desk.server.answer(OperatorServiceMethods.markHandled, MarkHandledResponse())
    desk.server.answer(OperatorServiceMethods.addNote, AddNoteResponse())
    #expect(await desk.run(line).code == .done)
    #expect(desk.server.calls.count == 2)
    // All of them have the id as their first field.
    let id = Array(Samples.logID.utf8)
    #expect(desk.server.calls.last?.payload.starts(with: [0x0a, UInt8(id.count)] + id) == true)
  }

  @Test("A beginning that several ids have is refused before anything is done", arguments: acting)
  func ambiguous(line: [String]) async {
    let desk = Desk()
    desk.server.refuse(
      OperatorServiceMethods.getLog,
      RPCError(.invalidArgument, "2 logs: \(Samples.logID), …", reason: "LOG_AMBIGUOUS"))
    let outcome = await desk.run(line)
    #expect(outcome.code == .refused)
    #expect(outcome.errors.contains(Samples.logID))
    #expect(desk.server.calls.map(\.method) == ["GetLog"])
  }

  @Test("The question before a cancel names the whole id")
  func wholeIDInQuestion() async {
    let desk = Self.desk(answer: false)
    var found = GetLogResponse()
    found.log = Samples.log()
    desk.server.answer(OperatorServiceMethods.getLog, found)
    let outcome = await desk.run("requests", "cancel", "01938c3e-7a41-7bb2")
    #expect(outcome.questions == ["Cancel request \(Samples.logID)?"])
  }

  @Test("A new key is shown once, and JSON has it as secret")
  func secret() async {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.createKey, Self.keyReply)
    let people = await desk.run("keys", "create", "customsoft")
    #expect(people.output.contains("\nimk_4fG7hJ2kSECRET\n"))
    let json = await desk.run("keys", "create", "customsoft", "-o", "json")
    #expect(json.output.contains("\"secret\": \"imk_4fG7hJ2kSECRET\""))
  }

  @Test("A key file is new, readable by its owner alone, and keeps the key off the screen")
  func keyFile() async throws {
    let path = "/tmp/integrationctl-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).key"
    defer { unlink(path) }
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.createKey, Self.keyReply)
    let outcome = await desk.run("keys", "create", "customsoft", "--key-file", path)
    #expect(outcome.code == .done)
    #expect(!outcome.output.contains("imk_"))
    #expect(Self.contents(path) == "imk_4fG7hJ2kSECRET\n")
    var facts = stat()
    #expect(stat(path, &facts) == 0)
    #expect(facts.st_mode & 0o777 == 0o600)
    let again = await desk.run("keys", "create", "customsoft", "--key-file", path)
    #expect(again.code == .refused)
    #expect(again.errors.contains("File exists"))
    #expect(desk.server.calls.count == 1)
  }

  @Test("A refused call leaves no key file behind")
  func noKeyFile() async {
    let path = "/tmp/integrationctl-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).key"
    let desk = Desk()
    desk.server.refuse(
      OperatorServiceMethods.createKey,
      RPCError(.resourceExhausted, "two keys live", reason: "TOO_MANY_KEYS"))
    let outcome = await desk.run("keys", "create", "customsoft", "--key-file", path)
    #expect(outcome.code == .refused)
    #expect(access(path, F_OK) != 0)
  }

  @Test("An update sends only the fields that were given, also to empty one")
  func update() async throws {
    let desk = Desk()
    desk.server.answer(OperatorServiceMethods.updateIntegration, UpdateIntegrationResponse())
    _ = await desk.run("integrations", "update", "crm", "--author", "Us", "--category", "")
    let sent: [UpdateIntegrationRequest] = try desk.server.requests(
      OperatorServiceMethods.updateIntegration)
    #expect(sent.first?.updateFields == ["category", "author"])
    #expect(sent.first?.author == "Us")
  }

  @Test(
    "Waiting ends with the log's end, and only COMPLETED is success",
    arguments: [(LogStatus.completed, ExitCode.done), (.failed, .refused), (.cancelled, .refused)])
  func waiting(status: LogStatus, exit: ExitCode) async throws {
    let desk = Desk()
    var created = CreateRequestResponse()
    created.log = Samples.log(.queued)
    desk.server.answer(OperatorServiceMethods.createRequest, created)
    for step in [LogStatus.queued, .inProgress, status] {
      var reply = GetLogResponse()
      reply.log = Samples.log(step)
      desk.server.answer(OperatorServiceMethods.getLog, reply)
    }
    let outcome = await desk.run(
      "requests", "create", "customsoft", "export_quote", "--entity", "Q-1042", "--wait")
    #expect(outcome.code == exit)
    #expect(outcome.output.hasPrefix(status.jsonName))
    // The last one shows the whole log.
    #expect(desk.server.calls.count == 5)
  }

  @Test(
    "A tail's line fits the terminal; a narrow one leaves out the id and not the message",
    arguments: [
      (80, "08:29:30.000  FAILED       customsoft/export_quote  quote Q-1042  3/10  line 3"),
      (120, "08:29:30.000  \(Samples.logID)  FAILED       customsoft/export_quote  quote Q-1042  "),
    ])
  func tailLine(width: Int, beginning: String) {
    let presentation = Presentation(width: width, hasColour: false, now: Desk.now)
    let line = LogTail.line(Samples.log(), presentation)
    #expect(line.hasPrefix(beginning), "\(line)")
    #expect(DisplayWidth.columns(String(line.dropLast())) <= width)
  }

  static var keyReply: CreateKeyResponse {
    var reply = CreateKeyResponse()
    reply.key = Samples.key
    reply.secret = "imk_4fG7hJ2kSECRET"
    return reply
  }

  static func contents(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = fread(&bytes, 1, 256, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
