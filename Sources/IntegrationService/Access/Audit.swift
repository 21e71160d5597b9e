import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension ServerCall where Response: ProtobufMessage {
  /// How the audit names what this call changes.
  ///
  /// The method's name is its response's without the ending: the schema's rule, which the stub
  /// generator checks.
  var auditContext: AuditContext {
    let message = Response.messageName
    let name = message[
      (message.lastIndex(of: ".").map(message.index(after:)) ?? message.startIndex)...]
    return AuditContext(
      principal: principal.name, from: principal.identity?.address ?? "",
      action: String(name.hasSuffix("Response") ? name.dropLast("Response".count) : name))
  }

  /// The command as the audit shall know it: an operator's is entered, an agent's is not.
  func audited(_ command: StoreCommand) -> StoreCommand {
    switch principal.kind {
    case .operator: .audited(auditContext, command)
    case .agent: command
    }
  }
}

extension IntegrationService {
  /// Does an operator's command and waits for its commit; the audit gets what it changes.
  ///
  /// `companions` are done in the same transaction; the audit does not show them, and what becomes
  /// of them is not told.
  func commit<Response: ProtobufMessage>(
    _ command: StoreCommand, for call: ServerCall<Response>,
    now: Instant = ServerClock.now, with companions: [StoreCommand] = []
  ) async throws(RPCError) -> CommandOutcome {
    let outcome = await withCheckedContinuation { continuation in
      let taken = store.submit { batch in
        for companion in companions { batch.append(companion, now: now, origin: .none) }
        batch.append(
          call.audited(command), now: now,
          origin: .completion { continuation.resume(returning: $0) })
      }
      if !taken { continuation.resume(returning: .failed(.busy)) }
    }
    if case .failed(let failure) = outcome { throw RPCError(failure) }
    return outcome
  }

  /// Enters something that is no change of the store: a key that was shown, a backup.
  func recordAudit<Response: ProtobufMessage>(
    _ record: AuditRecord, for call: ServerCall<Response>, with companions: [StoreCommand] = []
  ) async throws(RPCError) {
    _ = try await commit(.recordAudit(record), for: call, with: companions)
  }
}
