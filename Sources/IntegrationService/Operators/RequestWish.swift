import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCWire

/// What one call asks of one action, on whatever records: checked once, then made a command for
/// each record.
struct RequestWish {
  private let integration: StoredIntegration
  private let action: ActionDeclaration
  private let inputs: InputCheck
  private let notBefore: Instant?
  private let expiresAt: Instant?

  /// Reads a call for one record.
  init(
    _ fields: CreateRequestRequest, _ catalogue: Catalogue, now: Instant
  ) throws(RPCError) {
    try self.init(
      fields.integration, fields.actionType, (fields.notBefore, fields.expiresAt), catalogue,
      now: now)
  }

  /// Reads a call for many records.
  init(
    _ fields: CreateRequestsRequest, _ catalogue: Catalogue, now: Instant
  ) throws(RPCError) {
    try self.init(
      fields.integration, fields.actionType, (fields.notBefore, fields.expiresAt), catalogue,
      now: now)
  }

  private init(
    _ name: String, _ type: String, _ times: (notBefore: Timestamp?, expiresAt: Timestamp?),
    _ catalogue: Catalogue, now: Instant
  ) throws(RPCError) {
    guard let integration = catalogue.integration(named: name) else {
      throw .unknownIntegration(name)
    }
    guard let action = catalogue.action(integration.id, type) else {
      throw .unknownAction(
        type, of: integration.name,
        known: catalogue.actions(of: integration.id).filter { !$0.isRetired })
    }
    var checks = FieldChecks()
    checks.times(times.notBefore, times.expiresAt, now: now)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    self.integration = integration
    self.action = action.declaration
    inputs = InputCheck(action.declaration)
    notBefore = times.notBefore?.instant
    expiresAt = times.expiresAt?.instant
  }

  /// The command that asks for the action on one record.
  func command(_ item: RequestItem, _ principal: String) throws(RPCError) -> CreateRequest {
    var entity = item.entity?.reference ?? EntityReference()
    if entity.type.isEmpty, !entity.id.isEmpty { entity.type = action.entityType }
    var checks = FieldChecks()
    checks.request(item, entity, action)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    try inputs.check(item.input)
    return CreateRequest(
      integration: integration.id, actionType: action.type,
      logID: IntegrationService.newLogID(), entity: entity, input: item.input,
      idempotencyKey: item.idempotencyKey, notBefore: notBefore, expiresAt: expiresAt,
      principal: principal)
  }
}

/// Checks inputs against what an action declares.
struct InputCheck {
  /// Up to so many bytes of schema and input are checked on a reactor: half a millisecond to read
  /// and 3 ms to check at most.
  static let maximumShortBytes = 8 << 10

  private let action: ActionDeclaration
  private let schema: InputSchema?

  /// A schema is checked when it is registered; one that cannot be read any more checks nothing.
  init(_ action: ActionDeclaration) {
    self.action = action
    schema = action.inputSchema.isEmpty ? nil : try? InputSchema(action.inputSchema)
  }

  /// Whether the check of a request's input takes too long for a reactor.
  static func isLong(_ fields: CreateRequestRequest, _ catalogue: Catalogue) -> Bool {
    guard let integration = catalogue.integration(named: fields.integration),
      let action = catalogue.action(integration.id, fields.actionType)
    else { return false }
    return action.declaration.inputSchema.utf8.count + fields.input.utf8.count > maximumShortBytes
  }

  /// Throws what is wrong with an input, each place named.
  func check(_ input: String) throws(RPCError) {
    guard !action.inputSchema.isEmpty else {
      guard input.isEmpty else {
        throw RPCError(
          .invalidArgument, "\(action.type) declares no input schema: it takes no input",
          reason: Reason.inputInvalid,
          violations: [FieldViolation(field: "input", description: "expected no input")])
      }
      return
    }
    let found = schema?.violations(of: input) ?? []
    guard !found.isEmpty else { return }
    throw RPCError(
      .invalidArgument,
      "the input does not satisfy the schema of \(action.type): "
        + "`integrationctl actions show` prints it",
      reason: Reason.inputInvalid,
      violations: found.map { FieldViolation(field: $0.path, description: $0.description) })
  }
}

extension FieldChecks {
  /// What may be wrong with a request for an action on one record.
  mutating func request(
    _ item: RequestItem, _ entity: EntityReference, _ action: ActionDeclaration
  ) {
    bytes(item.input, "input", FieldRules.maximumDocumentBytes)
    bytes(item.idempotencyKey, "idempotency_key", FieldRules.maximumShortTextBytes)
    bytes(entity.id, "entity.id", FieldRules.maximumShortTextBytes)
    bytes(entity.displayName, "entity.display_name", FieldRules.maximumShortTextBytes)
    bytes(entity.url, "entity.url", FieldRules.maximumMessageBytes)
    if !entity.type.isEmpty { note("entity.type", FieldRules.complaint(name: entity.type)) }
    if action.entityType.isEmpty {
      if !entity.id.isEmpty || !entity.type.isEmpty {
        note("entity", "\(action.type) works on no record; expected none")
      }
    } else if entity.id.isEmpty {
      note(
        "entity.id",
        "\(action.type) needs a record: expected the id of one of type \(action.entityType)")
    } else if entity.type != action.entityType {
      note("entity.type", "expected \(action.entityType), which \(action.type) works on")
    }
  }

  /// What may be wrong with from when to when a request may be taken.
  mutating func times(_ notBefore: Timestamp?, _ expiresAt: Timestamp?, now: Instant) {
    if let notBefore { timestamp(notBefore, "not_before") }
    guard let expiresAt else { return }
    timestamp(expiresAt, "expires_at")
    if expiresAt.instant <= now {
      note("expires_at", "expected a time that lies ahead; \(expiresAt.instant.utcText) is past")
    } else if let notBefore, expiresAt.instant <= notBefore.instant {
      note("expires_at", "expected a time after not_before; nobody could take the request")
    }
  }

  /// A time that people can be shown: within what google.protobuf.Timestamp allows, after 1970.
  mutating func timestamp(_ time: Timestamp, _ field: String) {
    // 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
    let isTime = (0...253_402_300_799).contains(time.seconds)
    guard isTime, (0...999_999_999).contains(time.nanos) else {
      return note(
        field,
        "expected a time from 1970 to 9999, with 0 to 999999999 nanos; it has "
          + "\(time.seconds) seconds and \(time.nanos) nanos")
    }
  }
}
