import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime

// The schema's values from the model's and back. The numbers of the model's enums are the schema's.

extension Timestamp {
  /// A point in time of the model.
  init(_ instant: Instant) { self.init(milliseconds: instant.milliseconds) }

  /// A point in time of the model; nil stays nil: never.
  init?(_ instant: Instant?) {
    guard let instant else { return nil }
    self.init(milliseconds: instant.milliseconds)
  }

  /// The same in the model's unit; of a time that no calendar of four digits knows, the nearest
  /// that it does, so that nothing that is computed with it leaves the range of numbers.
  var instant: Instant {
    let known = Self.first.milliseconds...Self.last.milliseconds
    return Instant(milliseconds: min(max(milliseconds, known.lowerBound), known.upperBound))
  }

  /// 0001-01-01T00:00:00Z and the last millisecond of 9999: what google.protobuf.Timestamp allows.
  private static let first = Timestamp(seconds: -62_135_596_800)
  private static let last = Timestamp(seconds: 253_402_300_799, nanos: 999_999_999)
}

extension LogStatus {
  init(_ status: Status) { self.init(rawValue: Int32(status.rawValue)) }

  /// The model's status; nil for UNSPECIFIED and for numbers that this server does not know.
  var model: Status? { UInt8(exactly: rawValue).flatMap(Status.init(rawValue:)) }
}

extension Trigger {
  init(_ trigger: LogTrigger) { self.init(rawValue: Int32(trigger.rawValue)) }

  /// The model's trigger; nil for UNSPECIFIED and for numbers that this server does not know.
  var model: LogTrigger? { UInt8(exactly: rawValue).flatMap(LogTrigger.init(rawValue:)) }
}

extension AgentState {
  /// The model's condition; RUNNING for UNSPECIFIED and for numbers that this server does not know.
  var model: AgentCondition {
    UInt8(exactly: rawValue).flatMap(AgentCondition.init(rawValue:)) ?? .running
  }
}

extension TimelineCause {
  init(_ cause: TransitionCause) { self.init(rawValue: Int32(cause.rawValue)) }
}

extension Health {
  init(_ health: AgentHealth) { self.init(rawValue: Int32(health.rawValue)) }
}

extension Role {
  init(_ role: OperatorRole) { self.init(rawValue: Int32(role.rawValue)) }

  /// The model's role; nil for UNSPECIFIED and for numbers that this server does not know.
  var model: OperatorRole? { UInt8(exactly: rawValue).flatMap(OperatorRole.init(rawValue:)) }
}

extension Entity {
  /// The record that an action works on; nil: none.
  init?(_ reference: EntityReference) {
    guard reference != EntityReference() else { return nil }
    self.init()
    type = reference.type
    id = reference.id
    displayName = reference.displayName
    url = reference.url
  }

  /// The store's form.
  var reference: EntityReference {
    EntityReference(type: type, id: id, displayName: displayName, url: url)
  }
}
