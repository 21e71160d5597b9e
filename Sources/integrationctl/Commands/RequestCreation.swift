import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `requests create`: asks for an action on one record or many, and with `--wait` stays until the
/// end.
struct RequestCreation {
  let invocation: Invocation

  static let entity = Flag.list(
    FlagName("entity", short: "e"), .entityID, help: "the record to work on")
  static let entitiesFrom = Flag.optional(
    "entities-from", .path.named("FILE"),
    help: "the records to work on, one id a line or CSV with id,name; - for standard input")
  static let entityType = Flag.value(
    "entity-type", .text("TYPE", maximumBytes: 128), default: "",
    help: "the record's type, where it is not the action's own")
  static let entityName = Flag.value(
    "entity-name", .text("TEXT", maximumBytes: 256), default: "",
    help: "what people call the record")
  static let input = Flag.value(
    "input", .document, default: .text(""),
    help: "what else the action needs, as its input schema says; or @FILE")
  static let idempotencyKey = Flag.value(
    "idempotency-key", .text("KEY", maximumBytes: 256), default: "",
    help: "asking twice with the same key makes one request; of many records: how keys begin")
  static let notBefore = Flag.optional(
    "not-before", .timeToCome(), help: "not before: 15m, 2d, 2026-11-24T18:00:00Z")
  static let expires = Flag.optional(
    "expires", .timeToCome(), help: "not after: where no agent takes it until then, it times out")
  static let wait = Flag.toggle(
    FlagName("wait", short: "w"), help: "wait for the end; exit 0 only when all is COMPLETED")

  static let verb = Verb(
    Command(
      "create", "ask an integration for an action",
      flags: [
        entity, entitiesFrom, entityType, entityName, input, idempotencyKey, notBefore, expires,
        wait, GlobalFlags.yes,
      ],
      positionals: [RequestCommands.integration, RequestCommands.action]
    ).withExamples([
      CommandExample(
        "integrationctl requests create customsoft export_quote --entity Q-1042 --wait",
        "export one quote and see how it ends"),
      CommandExample(
        "integrationctl requests create customsoft export_quote --entities-from quotes.csv "
          + "--idempotency-key monday --expires 8h",
        "many, none of them twice, however often this is repeated"),
      CommandExample(
        "integrationctl requests create customsoft bulk_import --input '{\"folder\":\"new\"}'",
        "an action with input and no record"),
    ])
  ) { try await RequestCreation(invocation: $0).run() }

  private var arguments: Arguments { invocation.arguments }

  func run() async throws {
    if let expires = arguments[Self.expires], let start = arguments[Self.notBefore],
      expires <= start
    {
      throw UsageError(
        "\(invocation.title): it expires before it may begin",
        hint: "Choose --expires later than --not-before.")
    }
    let named = arguments[Self.entity]
    guard let file = arguments[Self.entitiesFrom] else {
      guard named.count > 1 else { return try await createOne(named.first) }
      return try await createMany(named.map { EntityList.Record(id: $0) })
    }
    guard named.isEmpty else {
      throw UsageError(
        "\(invocation.title): expected --entity or --entities-from, not both",
        hint: "Leave one out.")
    }
    let records = try EntityList.read(file)
    guard !records.isEmpty else {
      throw Failure(.usage, "\(FileBytes.name(file)) names no record", next: "Nothing was asked.")
    }
    try invocation.confirm(
      "Ask \(arguments[RequestCommands.integration]) for \(arguments[RequestCommands.action]) on "
        + "\(records.count) record\(records.count == 1 ? "" : "s")?")
    try await createMany(records)
  }

  private func entity(_ record: EntityList.Record) -> Entity {
    var entity = Entity()
    entity.type = arguments[Self.entityType]
    entity.id = record.id
    entity.displayName = record.name.isEmpty ? arguments[Self.entityName] : record.name
    return entity
  }

  // MARK: One

  private func createOne(_ id: String?) async throws {
    let input = try arguments[Self.input].read()
    let client = try await invocation.client()
    var request = CreateRequestRequest()
    request.integration = arguments[RequestCommands.integration]
    request.actionType = arguments[RequestCommands.action]
    request.entity = id.map { entity(EntityList.Record(id: $0)) }
    request.input = input
    request.idempotencyKey = arguments[Self.idempotencyKey]
    request.notBefore = arguments[Self.notBefore]?.timestamp
    request.expiresAt = arguments[Self.expires]?.timestamp
    let sent = request
    let reply = try await invocation.call(client) { client throws(RPCError) in
      try await client.createRequest(sent)
    }
    let log = reply.log ?? ActionLog()
    guard arguments[Self.wait] else {
      return try invocation.write(reply) { _ in
        (reply.duplicate ? "Asked before: \(log.id)" : "Queued \(log.id)")
          + ".\nSee: integrationctl logs show \(log.id)\n"
      }
    }
    // Also where nobody looks: whoever interrupts it needs the id.
    invocation.console.warn("Queued \(log.id); waiting for its end. Ctrl-C leaves it as it is.\n")
    let end: GetLogResponse
    do {
      end = try await RequestWait(invocation: invocation, client: client, [.init(log)])
        .untilEnd(of: log.id)
    } catch let failure as Failure {
      throw failure.adding(next: "See: integrationctl logs show \(log.id)")
    }
    try invocation.write(end) { LogView.text(end, $0) }
    let status = end.log?.status ?? .unspecified
    if status != .completed {
      throw Failure(.refused, "the request ended \(status.jsonName)", reason: status.jsonName)
    }
  }

  // MARK: Many

  /// The most records of one call.
  private static let stepSize = 1000

  private func createMany(_ records: [EntityList.Record]) async throws {
    let client = try await invocation.client()
    let given = arguments[Self.idempotencyKey]
    let prefix = given.isEmpty ? RecordKeys.makePrefix() : given
    let keys = RecordKeys(prefix: prefix)
    let input = try arguments[Self.input].read()
    var summary = CreationSummary()
    var logs: [RequestWait.Awaited] = []
    try await invocation.console.interrupts.deferred {
      var next = 0
      while next < records.count, !invocation.console.interrupts.haveCome() {
        let step = records[next..<min(next + Self.stepSize, records.count)]
        let items = step.map { record in
          var item = RequestItem()
          item.entity = entity(record)
          item.input = input
          item.idempotencyKey = keys.key(record.id)
          return item
        }
        let outcomes: [RequestOutcome]
        do {
          outcomes = try await send(items, client)
        } catch {
          invocation.console.progress?("")
          invocation.console.warn(summary.text + repetition(prefix, given))
          throw error
        }
        for (record, outcome) in zip(step, outcomes) {
          summary.add(outcome, record)
          if let log = outcome.log, arguments[Self.wait] { logs.append(.init(log)) }
        }
        if invocation.output == .jsonl {
          for outcome in outcomes {
            try invocation.console.write(JSONTreeEncoder.tree(of: outcome).compactText + "\n")
          }
        }
        next += step.count
        invocation.console.progress?("\(next) of \(records.count) asked for")
      }
      summary.rest = UInt32(records.count - next)
    }
    invocation.console.progress?("")
    guard summary.rest == 0 else {
      try write(summary)
      invocation.console.warn(repetition(prefix, given))
      throw Failure(.interrupted, "interrupted; what was asked for stays so")
    }
    if arguments[Self.wait] { try await wait(for: logs, client, &summary) }
    try write(summary)
    try summary.fail(isWaited: arguments[Self.wait])
  }

  /// One step, again when its answer is lost: the keys see to it that nothing is asked twice.
  private func send(
    _ items: [RequestItem], _ client: OperatorServiceClient
  ) async throws -> [RequestOutcome] {
    var request = CreateRequestsRequest()
    request.integration = arguments[RequestCommands.integration]
    request.actionType = arguments[RequestCommands.action]
    request.items = items
    request.notBefore = arguments[Self.notBefore]?.timestamp
    request.expiresAt = arguments[Self.expires]?.timestamp
    let sent = request
    var client = client
    var pause = Duration.milliseconds(200)
    var attempt = 1
    while true {
      do {
        return try await client.createRequests(sent).outcomes
      } catch {
        let failure = Failure(error, server: arguments[GlobalFlags.server])
        guard failure.code == .notReached, attempt < 6 else { throw failure }
      }
      attempt += 1
      try await invocation.console.interrupts.pause(pause)
      pause = pause * 2
      // A server that is not there yet shows with the call.
      if let again = try? await invocation.client() { client = again }
    }
  }

  private func repetition(_ prefix: String, _ given: String) -> String {
    "To go on, repeat the command\(given.isEmpty ? " with --idempotency-key \(prefix)" : ""): what "
      + "was asked for is not asked for again.\n"
  }

  private func wait(
    for logs: [RequestWait.Awaited], _ client: OperatorServiceClient,
    _ summary: inout CreationSummary
  ) async throws {
    summary.statuses = try await RequestWait(
      invocation: invocation, client: client, logs
    ).untilAllEnd()
  }

  private func write(_ summary: CreationSummary) throws {
    if invocation.output != .jsonl || arguments[Self.wait] {
      try invocation.write(summary) { _ in summary.text }
    }
    if !summary.failureText.isEmpty { invocation.console.warn(summary.failureText) }
  }
}

/// The idempotency keys of many records.
struct RecordKeys {
  let prefix: String

  /// A key of 256 bytes at most, the same for the same record each time.
  func key(_ id: String) -> String {
    let key = "\(prefix)/\(id)"
    guard key.utf8.count > 256 else { return key }
    // Two sums of 64 bits (FNV-1a, forwards and backwards) in place of the id.
    let sums = [Self.sum(id.utf8), Self.sum(id.utf8.reversed())]
    return String(prefix.prefix(200)) + "#" + sums.map { String($0, radix: 16) }.joined()
  }

  private static func sum(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  /// A prefix that no other run has.
  static func makePrefix() -> String {
    "bulk-" + String(UInt64.random(in: .min ... .max), radix: 36)
  }
}

/// What became of many requests, as programs get it.
struct CreationSummary: Encodable, Sendable {
  var queued: UInt32 = 0
  /// Were asked for before, under the same key.
  var duplicates: UInt32 = 0
  var failed: UInt32 = 0
  /// The first that were refused; the id is the record's.
  var failures: [BulkSummary.Failed] = []
  /// Records that were not asked for, because somebody interrupted.
  var rest: UInt32 = 0
  /// With `--wait`: how many ended in which status.
  var statuses: [String: UInt32] = [:]

  mutating func add(_ outcome: RequestOutcome, _ record: EntityList.Record) {
    if let failure = outcome.failure {
      failed += 1
      guard failures.count < BulkSummary.maximumFailures else { return }
      failures.append(
        BulkSummary.Failed(id: record.id, reason: failure.reason, message: failure.message))
    } else if outcome.duplicate {
      duplicates += 1
    } else {
      queued += 1
    }
  }

  var text: String {
    var words = ["\(queued) queued"]
    if duplicates > 0 { words.append("\(duplicates) asked for before") }
    words.append("\(failed) refused")
    if rest > 0 { words.append("\(rest) not asked for") }
    var text = words.joined(separator: ", ") + ".\n"
    if !statuses.isEmpty {
      let ends = statuses.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      text += "Ended: " + ends.joined(separator: ", ") + ".\n"
    }
    return text
  }

  var failureText: String {
    var summary = BulkSummary()
    summary.failed = failed
    summary.failures = failures
    return summary.failureText
  }

  /// Ends with exit code 1 unless all went well.
  func fail(isWaited: Bool) throws {
    if failed > 0 {
      throw Failure(.refused, "\(failed) of the requests \(failed == 1 ? "was" : "were") refused")
    }
    let others = statuses.filter { $0.key != LogStatus.completed.jsonName }
    guard isWaited, !others.isEmpty else { return }
    throw Failure(
      .refused, "\(others.values.reduce(0, +)) of the requests did not end COMPLETED",
      next: "See: integrationctl logs list --trigger REQUEST --status FAILED,TIMED_OUT,CANCELLED")
  }
}
