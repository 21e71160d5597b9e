import IntegrationAPI
import RPCServer
import RPCWire

extension IntegrationService {
  /// A sentence of a person in a log's timeline.
  public func addNote(
    _ request: AddNoteRequestView, _ call: ServerCall<AddNoteResponse>
  ) {
    call.fail(.notBuilt)
  }

  /// Says that a failure was put right elsewhere, or takes that back.
  public func markHandled(
    _ request: MarkHandledRequestView, _ call: ServerCall<MarkHandledResponse>
  ) {
    call.fail(.notBuilt)
  }
}
