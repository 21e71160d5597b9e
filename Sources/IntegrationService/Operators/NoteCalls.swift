import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCServer
import RPCWire

extension IntegrationService {
  /// A sentence of a person in a log's timeline.
  public func addNote(
    _ request: AddNoteRequestView, _ call: ServerCall<AddNoteResponse>
  ) {
    let (id, text) = (request.id.string, request.note.string)
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in
        var checks = FieldChecks()
        checks.bytes(text, "note", FieldRules.maximumMessageBytes)
        if text.isEmpty { checks.note("note", "expected a sentence; it is empty") }
        guard checks.isEmpty else { throw RPCError.invalid(checks.violations) }
        return .addNote(logID: try Self.logID(id), note: text, principal: principal)
      },
      { [catalogue] outcome in
        guard case .log(let log) = outcome else { return nil }
        var response = AddNoteResponse()
        response.log = ActionLog(log, catalogue)
        return response
      })
  }

  /// Says that a failure was put right elsewhere, or takes that back.
  public func markHandled(
    _ request: MarkHandledRequestView, _ call: ServerCall<MarkHandledResponse>
  ) {
    let (id, text, isHandled) = (request.id.string, request.note.string, request.handled)
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in
        var checks = FieldChecks()
        checks.bytes(text, "note", FieldRules.maximumMessageBytes)
        guard checks.isEmpty else { throw RPCError.invalid(checks.violations) }
        return .markHandled(
          logID: try Self.logID(id), isHandled: isHandled, note: text, principal: principal)
      },
      { [catalogue] outcome in
        guard case .log(let log) = outcome else { return nil }
        var response = MarkHandledResponse()
        response.log = ActionLog(log, catalogue)
        return response
      })
  }
}
