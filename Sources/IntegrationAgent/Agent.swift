import IntegrationAPI
import Synchronization

/// An integration's agent: declare what it can do, then run it.
///
/// ```swift
/// let agent = Agent(configuration)
/// agent.action("export_order", name: "Export Order") {
///   $0.entityType = "order"
/// } handler: { job in
///   let number = try await erp.export(job.entity.id, key: job.idempotencyKey)
///   return .completed("Exported as \(number).", result: ["externalNumber": number])
/// }
/// try await agent.run()
/// ```
///
/// While it runs, it declares its actions, phones home, takes requests as long as it has room,
/// accepts and renews their leases, and reports what the handlers say. Every report is written to
/// the outbox on disk before it is sent, carries its log's id and a sequence number, and is sent in
/// order until the server has it: a server that is away, and a restart of either side, lose nothing
/// and double nothing. A handler may be called again for work that an earlier process did and could
/// not report; `job.idempotencyKey` is the same then.
public final class Agent: Sendable {
  /// Does the work of one attempt.
  ///
  /// An error that it throws ends the attempt as FAILED with the error's description, so that
  /// should be a sentence for people.
  public typealias Handler = @Sendable (Job) async throws -> JobOutcome

  struct Action: Sendable {
    var definition: ActionDefinition
    var handler: Handler
  }

  private struct State {
    var actions: [String: Action] = [:]
    var order: [String] = []
    var companions: [@Sendable (Agent) async throws -> Void] = []
    var runtime: AgentRuntime?
    var stopsWanted = 0
  }

  /// What the agent was made with.
  public let configuration: AgentConfiguration
  private let state = Mutex(State())

  /// Makes an agent; nothing happens before `run()`.
  public init(_ configuration: AgentConfiguration) {
    self.configuration = configuration
  }

  /// Declares an action; again with the same type replaces it.
  ///
  /// Takes effect with `run()`.
  ///
  /// - Parameters:
  ///   - type: The machine name, unique in the integration: "export_order".
  ///   - name: The title for people: "Export Order".
  ///   - configure: Changes the declaration; it begins as one that can be requested and cancelled.
  ///   - handler: Does the work, also several at once, up to the configuration's `maximumJobs`.
  public func action(
    _ type: String, name: String, configure: (inout ActionDefinition) -> Void = { _ in },
    handler: @escaping Handler
  ) {
    var definition = ActionDefinition()
    definition.canBeRequested = true
    definition.supportsCancel = true
    configure(&definition)
    definition.type = type
    definition.name = name
    let action = Action(definition: definition, handler: handler)
    state.withLock { state in
      if state.actions.updateValue(action, forKey: type) == nil { state.order.append(type) }
    }
  }

  /// Runs `body` beside the requests, for work that nobody queues: a folder to watch, a schedule.
  ///
  /// It begins with `run()`, also while the server is away, and is cancelled when the agent drains;
  /// attempts that it began go on. An error that it throws stops the agent.
  public func whileRunning(_ body: @escaping @Sendable (Agent) async throws -> Void) {
    state.withLock { $0.companions.append(body) }
  }

  /// Lives until the agent has stopped, by `stop()` or because an operator drained it; once.
  ///
  /// - Parameter stopsOnSignals: Whether SIGINT and SIGTERM stop the agent, the second one at once;
  ///   default: yes, since an agent is a program. They stay ignored after the return.
  /// - Throws: `AgentError.refused` when the server does not take the key or the declarations;
  ///   `AgentError.outboxUnusable`; what a body of `whileRunning` throws. A server that cannot be
  ///   reached is no error: the agent waits for it.
  public func run(stopsOnSignals: Bool = true) async throws {
    let signals = stopsOnSignals ? StopSignals { self.stop() } : nil
    defer { withExtendedLifetime(signals) {} }
    let actions = state.withLock { state in state.order.compactMap { state.actions[$0] } }
    let runtime = try await AgentRuntime(configuration, actions: actions)
    let companions = state.withLock { state in
      state.runtime = runtime
      return state.companions
    }
    defer { state.withLock { $0.runtime = nil } }
    for _ in 0..<state.withLock({ $0.stopsWanted }) { await runtime.stop() }
    try await runtime.run(companions: companions.map { body in { try await body(self) } })
  }

  /// Begins to stop: nothing new is taken, what is held goes on for up to the drain timeout, then
  /// `run()` returns.
  ///
  /// Called again: what is held is cancelled at once.
  public func stop() {
    let runtime = state.withLock { state in
      state.stopsWanted += 1
      return state.runtime
    }
    guard let runtime else { return }
    Task { await runtime.stop() }
  }

  /// Makes one attempt that nobody queued, with the declared handler or one of its own.
  ///
  /// The attempt has a log like any other. It works while the server is away, too.
  ///
  /// - Parameters:
  ///   - type: A declared action.
  ///   - entity: The record to work on.
  ///   - trigger: How it came to be; default: the agent reacted to something.
  ///   - handler: Does the work; nil: the declared handler.
  /// - Returns: How it ended, as reported.
  /// - Throws: `AgentError.outboxFull` before anything was done; `AgentError.notRunning` when the
  ///   agent is not running or drains; `AgentError.actionUnknown`.
  @discardableResult
  public func attempt(
    _ type: String, entity: Entity = Entity(), trigger: Trigger = .event, handler: Handler? = nil
  ) async throws(AgentError) -> JobOutcome {
    let (runtime, action) = state.withLock { ($0.runtime, $0.actions[type]) }
    guard let action else { throw .actionUnknown(type: type) }
    guard let runtime else { throw .notRunning }
    return try await runtime.attempt(
      type, entity: entity, trigger: trigger, handler: handler ?? action.handler)
  }

  /// Whether an operator paused the integration; work that nobody queued should wait, too.
  public var isPaused: Bool {
    get async { await state.withLock { $0.runtime }?.isPaused ?? false }
  }
}
