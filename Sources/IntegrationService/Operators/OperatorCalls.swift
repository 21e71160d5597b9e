import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire
import Synchronization

// What every operator's call begins with, and how it reads the store.

extension IntegrationService: AgentServiceHandler, OperatorServiceHandler {}

extension IntegrationService {
  /// Whether the caller is an operator; fails the call otherwise.
  ///
  /// The gate has let nobody else through; see `register(in:)`.
  func isOperator(_ handle: CallHandle) -> Bool {
    guard handle.principal.kind == .operator else {
      handle.fail(.operatorOnly)
      return false
    }
    return true
  }

  /// Answers an operator's call in a task, where it may read the store; `finally` runs behind the
  /// answer.
  ///
  /// Calls with long answers go through `places`.
  func read<Response: ProtobufMessage>(
    _ call: ServerCall<Response>, through places: PagePlaces? = nil,
    _ makeResponse: @escaping @Sendable () async throws(RPCError) -> Response,
    finally: @escaping @Sendable () -> Void = {}
  ) {
    guard isOperator(call.handle) else { return }
    queue(call) {
      let place = await places?.take()
      do throws(RPCError) {
        call.answer(try await makeResponse())
      } catch {
        call.fail(error)
      }
      if let place { call.handle.afterAnswer { withExtendedLifetime(place) {} } }
      finally()
    }
  }

  /// Answers an operator's call with a command, after checks that may find a field wrong; what the
  /// command changes is entered into the audit.
  func change<Response: ProtobufMessage>(
    _ call: ServerCall<Response>, _ makeCommand: () throws(RPCError) -> StoreCommand,
    _ makeResponse: @escaping @Sendable (CommandOutcome) -> Response?
  ) {
    guard isOperator(call.handle) else { return }
    do throws(RPCError) {
      perform(try makeCommand(), call, makeResponse)
    } catch {
      call.fail(error)
    }
  }

  /// Answers an operator's call with a command that can only be made after a look into the store.
  func changeAfterReading<Response: ProtobufMessage>(
    _ call: ServerCall<Response>,
    _ prepare: @escaping @Sendable () async throws(RPCError) -> PreparedChange<Response>
  ) {
    guard isOperator(call.handle) else { return }
    queue(call) { [self] in
      do throws(RPCError) {
        switch try await prepare() {
        case .answer(let response): call.answer(response)
        case .command(let command, let makeResponse): perform(command, call, makeResponse)
        }
      } catch {
        call.fail(error)
      }
    }
  }

  /// Gives a call to the desk, or refuses it where too many of its principal's wait.
  private func queue<Response: ProtobufMessage>(
    _ call: ServerCall<Response>, _ work: @escaping @Sendable () async -> Void
  ) {
    let isTaken = reads.run(
      call.token, of: call.principal.name, bytes: call.handle.requestBytes, work)
    if !isTaken { call.fail(.tooManyReads(configuration.limits)) }
  }

  /// Turns a failed read into what the caller may know, and says the rest in the log.
  func refusal(_ error: StoreError) -> RPCError {
    if error.code != .closed { configuration.log("level=error event=read_failed \(error)") }
    return RPCError(error)
  }

  /// The integration of a name, or the error that it is unknown.
  func known(_ name: String) throws(RPCError) -> StoredIntegration {
    guard let integration = catalogue.integration(named: name) else {
      throw .unknownIntegration(name)
    }
    return integration
  }

  /// The integrations of a call that names one, or none for all.
  func chosen(_ name: String) throws(RPCError) -> [StoredIntegration] {
    name.isEmpty ? catalogue.integrations() : [try known(name)]
  }

  /// How some integrations are now.
  func boards(_ integrations: [StoredIntegration]) async throws(RPCError) -> [HealthBoard] {
    try await boards(integrations) { [agents] in agents.agents(of: $0.id) }
  }

  /// How some integrations are now, as far as some of their agents show.
  func boards(
    _ integrations: [StoredIntegration], _ records: (StoredIntegration) -> [AgentRecord]
  ) async throws(RPCError) -> [HealthBoard] {
    guard !integrations.isEmpty else { return [] }
    let now = ServerClock.now
    let counts: [IntegrationCounts]
    do {
      counts = try await store.counts(integrations.map(\.id), now: now)
    } catch {
      throw refusal(error)
    }
    let byID = Dictionary(counts.map { ($0.integration, $0) }, uniquingKeysWith: { $1 })
    let activity = try await activity(of: integrations, now: now)
    return integrations.map { stored in
      var activity = activity[stored.id] ?? IntegrationActivity()
      activity.scheduled = schedules.expected(of: stored.id)
      return HealthBoard(
        stored, byID[stored.id] ?? IntegrationCounts(integration: stored.id),
        agents: records(stored), actions: catalogue.actions(of: stored.id),
        activity: activity, now: now)
    }
  }

  /// What the actions of integrations did in the last days; a few integrations at a time, so that
  /// other reads come in between.
  private func activity(
    of integrations: [StoredIntegration], now: Instant
  ) async throws(RPCError) -> [IntegrationID: IntegrationActivity] {
    var found: [ActionHours] = []
    let first = IntegrationActivity.firstHour(at: now)
    for start in stride(from: 0, to: integrations.count, by: 8) {
      let some = integrations[start..<min(start + 8, integrations.count)].map(\.id)
      do throws(StoreError) {
        found += try await store.hours(some, from: first)
      } catch {
        throw refusal(error)
      }
    }
    return Dictionary(grouping: found, by: \.integration).mapValues {
      IntegrationActivity($0, now: now)
    }
  }

  /// A page's size: the default for 0; more than the limit is refused.
  static func pageSize(_ wanted: UInt32, _ field: String) throws(RPCError) -> Int {
    guard wanted <= ServiceLimits.maximumPageSize else {
      throw .invalid(
        field, "expected at most \(ServiceLimits.maximumPageSize); it is \(wanted)")
    }
    return Int(wanted == 0 ? ServiceLimits.defaultPageSize : wanted)
  }

  /// A log's id as an operator typed it.
  static func logID(_ text: String, _ field: String = "id") throws(RPCError) -> LogID {
    guard let id = LogID(text) else {
      throw .invalid(field, "expected a log's id: a UUID as 36 characters")
    }
    return id
  }

  /// A new id for a log that the server makes, after all that it made before; its time is not
  /// before `earliest`.
  ///
  /// Requests of one millisecond are listed and delivered in their order.
  static func newLogID(from earliest: Instant = .epoch) -> LogID {
    lastLogID.withLock { last in
      var generator = SystemRandomNumberGenerator()
      let random: (UInt64, UInt64) = (generator.next(), generator.next())
      last = LogID(at: max(ServerClock.now, earliest), random: random, after: last)
      return last
    }
  }

  /// The id that this process made last.
  private static let lastLogID = Mutex(LogID.lowest)
}

/// What a look into the store has led to.
enum PreparedChange<Response: Sendable>: Sendable {
  /// There is nothing to change.
  case answer(Response)
  /// A command, and how its outcome is answered.
  case command(StoreCommand, @Sendable (CommandOutcome) -> Response?)
}
