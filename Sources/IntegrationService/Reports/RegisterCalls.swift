import IntegrationAPI
import IntegrationModel
import IntegrationStore
import JSONText
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Declares what the agent can do.
  ///
  /// Idempotent: the same declaration changes nothing. Long schemas are checked beside the
  /// reactors; see `RegistrationDesk`.
  public func registerAction(
    _ request: RegisterActionRequestView, _ call: ServerCall<RegisterActionResponse>
  ) {
    guard let caller = caller(request.agentID, call) else { return }
    var checks = FieldChecks()
    checks.list(request.actions.count, "actions", maximum: FieldRules.maximumActions)
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    let actions = request.actions.map { $0.makeMessage() }
    let (integration, retires) = (caller.session.integration, request.retireUndeclared)
    let isShort =
      actions.reduce(0) { $0 + $1.inputSchema.utf8.count } <= InputCheck.maximumShortBytes
    if isShort { return register(actions, of: integration, retires: retires, call) }
    let isTaken = registrations.run(
      call.token, of: integration, bytes: call.handle.requestBytes,
      { self.register(actions, of: integration, retires: retires, call) },
      drop: { call.fail(.registrationDropped) })
    if !isTaken { call.fail(.tooManyRegistrations(configuration.limits)) }
  }

  /// Checks declarations and hands them to the store.
  private func register(
    _ actions: [ActionDefinition], of integration: IntegrationID, retires: Bool,
    _ call: ServerCall<RegisterActionResponse>
  ) {
    var checks = FieldChecks()
    checks.declarations(actions) { [catalogue] type in
      catalogue.action(integration, type)?.declaration.inputSchema
    }
    guard checks.isEmpty else { return call.fail(.invalid(checks.violations)) }
    let command = StoreCommand.registerActions(
      RegisterActions(
        integration: integration, actions: actions.map(ActionDeclaration.init),
        retiresUndeclared: retires))
    perform(command, order: .integration(integration), call) { outcome in
      guard case .registered(let stored, let unservable) = outcome else { return nil }
      var response = RegisterActionResponse()
      response.actions = stored.map { ActionDefinition($0) }
      response.unservableRequests = unservable
      return response
    }
  }

  /// Submits a command that is not hot, and answers the call at its commit; what an operator
  /// changes with it is entered into the audit.
  ///
  /// `makeResponse` runs on a queue of the store; nil stands for an outcome that is not of the
  /// command, which is a fault of the store.
  func perform<Response: ProtobufMessage>(
    _ command: StoreCommand, order: CommandOrder = .common, _ call: ServerCall<Response>,
    _ makeResponse: @escaping @Sendable (CommandOutcome) -> Response?
  ) {
    let poll = takePoll(for: command)
    let taken = store.submit(order) { batch in
      // Read anew: a log that the command makes has an id of now, and the call's own clock may be a
      // moment older. The log would begin before the time of its id then, by which lists find it.
      let now = ServerClock.now
      batch.append(
        call.audited(command), now: now,
        origin: .completion { outcome in
          if case .failed(let failure) = outcome { return call.fail(RPCError(failure)) }
          guard let response = makeResponse(outcome) else {
            preconditionFailure("the store answered a command with another's outcome")
          }
          call.answer(response)
        })
      if let poll { Self.append(poll, to: &batch, now: now) }
    }
    guard !taken else { return }
    call.fail(RPCError(.busy))
    if let poll { lease([poll]) }
  }
}

extension FieldChecks {
  /// What may be wrong with declared actions; a schema that is `known` of its type is not read
  /// again.
  mutating func declarations(
    _ actions: [ActionDefinition], known: (String) -> String? = { _ in nil }
  ) {
    var seen: Set<String> = []
    for (index, action) in actions.enumerated() {
      let prefix = "actions[\(index)]."
      let complaint = FieldRules.complaint(name: action.type)
      note("\(prefix)type", complaint)
      // Only names: to hash any text as Swift does may take time by the square of its length.
      if complaint == nil, !seen.insert(action.type).inserted {
        note("\(prefix)type", "expected each type once; \"\(action.type)\" is there twice")
      }
      bytes(action.name, "\(prefix)name", FieldRules.maximumShortTextBytes)
      bytes(action.description, "\(prefix)description", FieldRules.maximumMessageBytes)
      if !action.entityType.isEmpty {
        note("\(prefix)entity_type", FieldRules.complaint(name: action.entityType))
      }
      let isKnown =
        complaint == nil && known(action.type)?.hasSameBytes(as: action.inputSchema) == true
      if !isKnown { inputSchema(action.inputSchema, "\(prefix)input_schema") }
      if let retry = action.retry { policy(retry, "\(prefix)retry.") }
    }
  }

  /// A text of at most so many bytes.
  mutating func bytes(_ text: String, _ field: String, _ maximum: Int) {
    note(field, FieldRules.complaint(bytes: text.utf8.count, maximum: maximum))
  }

  private mutating func inputSchema(_ text: String, _ field: String) {
    guard !text.isEmpty else { return }
    guard text.utf8.count <= FieldRules.maximumDocumentBytes else {
      return bytes(text, field, FieldRules.maximumDocumentBytes)
    }
    do {
      try InputSchema.judge(text)
    } catch {
      note(field, error.description)
    }
  }

  /// What may be wrong with automatic retries, declared or set by an operator.
  mutating func policy(_ retry: RetryPolicy, _ prefix: String) {
    for issue in RetryRule(retry).issues { note(prefix + issue.field, issue.description) }
  }
}

extension RPCError {
  /// Nobody reads it: the call is over.
  fileprivate static let registrationDropped = RPCError(
    .cancelled, "the call ended before its schemas were checked",
    reason: WireReason.callCancelled)

  fileprivate static func tooManyRegistrations(_ limits: ServiceLimits) -> RPCError {
    RPCError(
      .resourceExhausted,
      "registrations with long schemas that wait for their check may have "
        + "\(limits.maximumWaitingSchemaBytes) bytes (--maximum-waiting-schema-bytes), those of "
        + "one integration half of that, and as many wait: repeat it when earlier ones are done",
      reason: WireReason.tooManyCalls
    ).retryAfter(milliseconds: 100)
  }
}

extension RetryRule {
  /// Automatic retries as they come in a message.
  init(_ policy: RetryPolicy) {
    self.init(
      maximumAttempts: policy.maximumAttempts, initialBackoffMs: policy.initialBackoffMs,
      maximumBackoffMs: policy.maximumBackoffMs, multiplier: policy.multiplier)
  }
}

extension RetryPolicy {
  /// Automatic retries as they are shown.
  init(_ rule: RetryRule) {
    self.init()
    maximumAttempts = rule.maximumAttempts
    initialBackoffMs = rule.initialBackoffMs
    maximumBackoffMs = rule.maximumBackoffMs
    multiplier = rule.multiplier
  }
}

extension ActionDeclaration {
  /// A checked declaration as the store takes it.
  init(_ action: ActionDefinition) {
    self.init(
      type: action.type, name: action.name.isEmpty ? action.type : action.name,
      description: action.description, entityType: action.entityType,
      canBeRequested: action.canBeRequested, notifyOnFailure: action.notifyOnFailure,
      inputSchema: action.inputSchema, supportsCancel: action.supportsCancel,
      policy: ActionPolicy(
        queueTimeoutMs: action.queueTimeoutMs, progressTimeoutMs: action.progressTimeoutMs,
        maximumInFlight: action.maximumInFlight, oneOpenPerEntity: action.oneOpenPerEntity,
        retry: action.retry.map(RetryRule.init) ?? RetryRule()))
  }
}

extension ActionDefinition {
  /// A declaration as stored.
  init(_ stored: StoredAction) { self.init(stored, stored.declaration) }

  /// What holds, which operators may have changed.
  init(effective stored: StoredAction) { self.init(stored, stored.effective) }

  private init(_ stored: StoredAction, _ declaration: ActionDeclaration) {
    self.init()
    type = declaration.type
    name = declaration.name
    description = declaration.description
    entityType = declaration.entityType
    canBeRequested = declaration.canBeRequested
    notifyOnFailure = declaration.notifyOnFailure
    inputSchema = declaration.inputSchema
    supportsCancel = declaration.supportsCancel
    queueTimeoutMs = declaration.policy.queueTimeoutMs
    progressTimeoutMs = declaration.policy.progressTimeoutMs
    maximumInFlight = declaration.policy.maximumInFlight
    oneOpenPerEntity = declaration.policy.oneOpenPerEntity
    if declaration.policy.retry != RetryRule() {
      retry = RetryPolicy(declaration.policy.retry)
    }
    revision = stored.revision
    retired = stored.isRetired
  }
}
