import IntegrationModel
import IntegrationStore
import SQLiteStore
import Synchronization
import TestSupport
import Testing

/// A store that the contract is tested against.
struct StoreKind: Sendable, CustomStringConvertible {
  let description: String
  let open: @Sendable (_ directory: String, _ limits: StoreLimits) throws -> any IntegrationStore

  static let sqlite = StoreKind(description: "SQLite") {
    try SQLiteStore(directory: $0, limits: $1)
  }
  static let all = [sqlite]
}

/// Keeps what commits bring.
final class CommitRecorder: CommitObserver {
  private struct State {
    var events: [StoreEvent] = []
    var batches: [Int] = []
    var tokens: [UInt64: CommandOutcome] = [:]
    var failure: StoreError?
  }
  private let state = Mutex(State())
  let wantsLogEvents: Bool

  init(wantsLogEvents: Bool = false) { self.wantsLogEvents = wantsLogEvents }

  func committed(
    _ batch: borrowing CommandBatch, _ outcomes: [CommandOutcome], _ events: [StoreEvent]
  ) {
    var answers: [UInt64: CommandOutcome] = [:]
    for position in 0..<batch.count {
      if case .token(let number, _) = batch.entries[position].origin {
        answers[number] = outcomes[position]
      }
    }
    let count = batch.count
    state.withLock { state in
      state.events += events
      state.batches.append(count)
      state.tokens.merge(answers) { _, new in new }
    }
  }

  func storeFailed(_ error: StoreError) { state.withLock { $0.failure = error } }

  var batches: [Int] { state.withLock { $0.batches } }
  var answers: [UInt64: CommandOutcome] { state.withLock { $0.tokens } }
  var failure: StoreError? { state.withLock { $0.failure } }

  /// The events since the last call.
  func takeEvents() -> [StoreEvent] {
    state.withLock { state in
      defer { state.events = [] }
      return state.events
    }
  }
}

/// A store on a scratch directory with one integration and its actions, and a clock by hand.
final class StoreHarness: Sendable {
  let store: any IntegrationStore
  let recorder: CommitRecorder
  let scratch: ScratchDirectory
  let integration: IntegrationID
  private let clock = Mutex(Instant(milliseconds: 1_790_000_000_000))
  private let counter = Mutex<UInt64>(0)

  var now: Instant { clock.withLock { $0 } }

  static let actions = [
    ActionDeclaration(type: "export_order", entityType: "order", canBeRequested: true),
    ActionDeclaration(
      type: "export_quote", entityType: "quote", canBeRequested: true,
      policy: ActionPolicy(
        queueTimeoutMs: 60_000, progressTimeoutMs: 30_000, maximumInFlight: 2,
        oneOpenPerEntity: true,
        retry: RetryRule(maximumAttempts: 3, initialBackoffMs: 1_000, multiplier: 2))),
    ActionDeclaration(type: "watch_folder"),
  ]

  init(
    _ kind: StoreKind, limits: StoreLimits = StoreLimits(), wantsLogEvents: Bool = false
  ) async throws {
    scratch = try ScratchDirectory()
    recorder = CommitRecorder(wantsLogEvents: wantsLogEvents)
    store = try kind.open(scratch.file("data"), limits)
    store.start(observer: recorder)
    let now = Instant(milliseconds: 1_790_000_000_000)
    let record = StoredIntegration(
      id: 0, name: "northwind", displayName: "Northwind", category: "ERP", author: "Ada",
      supportContact: "help@northwind.example", description: "", createdAt: now)
    let created = try await store.perform(.createIntegration(record, firstKey: nil), now: now)
    guard case .integration(let stored, _) = created else { throw Unexpected(created) }
    integration = stored.id
    try await register(Self.actions)
    _ = recorder.takeEvents()
  }

  /// Adds an integration with the same actions.
  func addIntegration(_ name: String) async throws -> IntegrationID {
    let record = StoredIntegration(
      id: 0, name: name, displayName: name, category: "", author: "Ada", supportContact: "",
      description: "", createdAt: now)
    let outcome = try await perform(.createIntegration(record, firstKey: nil))
    guard case .integration(let stored, _) = outcome else { throw Unexpected(outcome) }
    _ = try await perform(
      .registerActions(
        RegisterActions(
          integration: stored.id, actions: Self.actions, retiresUndeclared: false)))
    return stored.id
  }

  func advance(milliseconds: Int64) {
    clock.withLock { $0 = $0.adding(milliseconds: milliseconds) }
  }

  /// A new id at the harness's time.
  func newID() -> LogID {
    let number = counter.withLock { value in
      value += 1
      return value
    }
    return LogID(at: now, random: (number >> 8, number << 3))
  }

  private init(_ store: any IntegrationStore, like other: StoreHarness) {
    self.store = store
    recorder = other.recorder
    scratch = other.scratch
    integration = other.integration
    let (time, count) = (other.now, other.counter.withLock { $0 })
    clock.withLock { $0 = time }
    counter.withLock { $0 = count }
  }

  /// The same harness on the same data, opened again.
  func on(_ store: any IntegrationStore) -> StoreHarness { StoreHarness(store, like: self) }

  // MARK: - Expectations

  /// Expects a refusal with a reason.
  func expectFailure(
    _ kind: StoreFailure.Kind?, _ reason: String,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Any
  ) async {
    do {
      let value = try await body()
      Issue.record("expected \(reason), got \(value)", sourceLocation: sourceLocation)
    } catch let failure as StoreFailure {
      #expect(failure.reason == reason, sourceLocation: sourceLocation)
      if let kind { #expect(failure.kind == kind, sourceLocation: sourceLocation) }
    } catch {
      Issue.record("expected \(reason), got \(error)", sourceLocation: sourceLocation)
    }
  }

  /// Actions that became available since the last look at events.
  func takeAvailable() -> [String] {
    recorder.takeEvents().compactMap {
      if case .requestAvailable(_, let action) = $0 { action } else { nil }
    }
  }

  /// Wishes for cancellation since the last look at events.
  func takeCancelWishes() -> [CancelWish] {
    recorder.takeEvents().compactMap {
      if case .cancelWanted(let wish) = $0 { wish } else { nil }
    }
  }

  // MARK: - Commands

  @discardableResult
  func perform(_ command: StoreCommand) async throws(StoreFailure) -> CommandOutcome {
    try await store.perform(command, now: now)
  }

  @discardableResult
  func register(
    _ actions: [ActionDeclaration], retiresUndeclared: Bool = false
  ) async throws -> ([StoredAction], unservable: UInt32) {
    let outcome = try await perform(
      .registerActions(
        RegisterActions(
          integration: integration, actions: actions, retiresUndeclared: retiresUndeclared)))
    guard case .registered(let stored, let unservable) = outcome else { throw Unexpected(outcome) }
    return (stored, unservable)
  }

  /// Runs a hot command and waits for its outcome.
  func submit(
    _ fill: @Sendable @escaping (inout CommandBatch, CommandOrigin) -> Void
  ) async throws(StoreFailure) -> CommandOutcome {
    let outcome = await withCheckedContinuation { continuation in
      let taken = store.submit { batch in
        fill(&batch, .completion { continuation.resume(returning: $0) })
      }
      if !taken { continuation.resume(returning: .failed(.busy)) }
    }
    if case .failed(let failure) = outcome { throw failure }
    return outcome
  }

  @discardableResult
  func report(
    _ id: LogID, _ status: Status?, sequence: UInt64, _ report: Report = Report(),
    integration other: IntegrationID? = nil
  ) async throws -> ReportOutcome {
    let (integration, now) = (other ?? integration, now)
    let outcome = try await submit { batch, origin in
      let command = report.command(
        id, status, sequence: sequence, integration: integration, in: &batch)
      batch.append(report: command, now: now, origin: origin)
    }
    guard case .reported(let reported) = outcome else { throw Unexpected(outcome) }
    return reported
  }

  func lease(
    agent: String = "agent-1", _ actions: [String] = [], maximum: UInt32 = 10,
    leaseMs: UInt32 = 60_000
  ) async throws -> LeaseOutcome {
    let (integration, now) = (integration, now)
    let outcome = try await submit { batch, origin in
      let first = UInt32(batch.texts.count)
      for action in actions { batch.append(actionType: batch.text(action)) }
      let command = LeaseCommand(
        integration: integration, agentID: batch.text(agent), firstActionType: first,
        actionTypeCount: UInt32(actions.count), maximumRequests: maximum, leaseMs: leaseMs)
      batch.append(lease: command, now: now, origin: origin)
    }
    guard case .leased(let leased) = outcome else { throw Unexpected(outcome) }
    return leased
  }

  @discardableResult
  func renew(
    agent: String = "agent-1", _ leases: [(LogID, String)], _ condition: AgentCondition = .running
  ) async throws -> RenewOutcome {
    let (integration, now) = (integration, now)
    let outcome = try await submit { batch, origin in
      let first = UInt32(batch.heldLeases.count)
      for (id, token) in leases {
        batch.append(heldLease: HeldLeaseText(logID: id, token: batch.text(token)))
      }
      let command = RenewCommand(
        integration: integration, agentID: batch.text(agent), condition: condition,
        firstLease: first, leaseCount: UInt32(leases.count))
      batch.append(renewal: command, now: now, origin: origin)
    }
    guard case .renewed(let renewed) = outcome else { throw Unexpected(outcome) }
    return renewed
  }

  @discardableResult
  func request(
    _ action: String = "export_order", entity: String = "42", key: String = "",
    notBefore: Instant? = nil, id: LogID? = nil, input: String = ""
  ) async throws(StoreFailure) -> (log: StoredLog, duplicate: Bool) {
    let outcome = try await perform(
      .createRequest(
        CreateRequest(
          integration: integration, actionType: action, logID: id ?? newID(),
          entity: EntityReference(type: "order", id: entity, displayName: "Order \(entity)"),
          input: input, idempotencyKey: key, notBefore: notBefore, principal: "operator:local")))
    guard case .requested(let log, let duplicate) = outcome else {
      preconditionFailure("\(outcome)")
    }
    return (log, duplicate)
  }

  /// Leases exactly one request.
  func leaseOne(agent: String = "agent-1", _ actions: [String] = []) async throws -> LeasedRequest {
    let outcome = try await lease(agent: agent, actions, maximum: 1)
    guard let request = outcome.requests.first else { throw NothingLeased() }
    return request
  }

  @discardableResult
  func expire(maximum: Int = 1_000) async throws -> (count: Int, next: Instant?) {
    let outcome = try await perform(.expire(maximum: maximum))
    guard case .expired(let count, let next) = outcome else { throw Unexpected(outcome) }
    return (count, next)
  }

  // MARK: - Reads

  func detail(_ id: LogID) async throws -> LogDetail {
    guard let detail = try await store.log(id, errorsAfter: 0, errorLimit: 50) else {
      throw NoLog(id: id)
    }
    return detail
  }

  func status(_ id: LogID) async throws -> Status { try await detail(id).log.status }
}

/// What a report of a test says besides id, status and sequence.
struct Report: Sendable {
  var agent = "agent-1"
  var action = "export_order"
  var entity = EntityReference(type: "order", id: "42", displayName: "Order 42")
  var message = ""
  var token = ""
  var labels: [String: String] = [:]
  var result = ""
  var errors: [StoredRecordError] = []
  var done: UInt64 = 0
  var total: UInt64 = 0
  var isRetryable = false
  var retryAfterMs: UInt32 = 0
  var occurredAt: Instant?
  var isAhead = false

  func command(
    _ id: LogID, _ status: Status?, sequence: UInt64, integration: IntegrationID,
    in batch: inout CommandBatch
  ) -> ReportCommand {
    var command = ReportCommand(
      integration: integration, logID: id, agentID: batch.text(agent),
      actionType: batch.text(action), sequence: sequence, status: status)
    command.entityType = batch.text(entity.type)
    command.entityID = batch.text(entity.id)
    command.entityName = batch.text(entity.displayName)
    command.entityURL = batch.text(entity.url)
    command.message = batch.text(message)
    command.leaseToken = batch.text(token)
    command.labels = batch.labels(labels)
    command.result = batch.text(result)
    command.firstRecordError = UInt32(batch.recordErrors.count)
    command.recordErrorCount = UInt32(errors.count)
    for error in errors {
      batch.append(
        recordError: RecordErrorText(
          referenceID: batch.text(error.referenceID), message: batch.text(error.message),
          cause: batch.text(error.cause), isRetryable: error.isRetryable))
    }
    command.recordsDone = done
    command.recordsTotal = total
    command.isRetryable = isRetryable
    command.retryAfterMs = retryAfterMs
    command.isAhead = isAhead
    command.occurredAt = occurredAt
    return command
  }
}

/// A command brought an outcome of another kind.
struct Unexpected: Error {
  let outcome: CommandOutcome
  init(_ outcome: CommandOutcome) { self.outcome = outcome }
}

/// Nothing was to be leased.
struct NothingLeased: Error {}

/// A log is missing.
struct NoLog: Error {
  let id: LogID
}
