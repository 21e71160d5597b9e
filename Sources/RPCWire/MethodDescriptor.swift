/// What both sides know about one method of a service, taken from the schema.
public struct MethodDescriptor: Hashable, Sendable {
  /// The number in a CALL frame, from the schema's `rpc.v1.method_id`; never 0.
  public let id: UInt16
  /// The full name of the service, such as `integrationmanager.v1.AgentService`.
  public let service: String
  /// The method's name, such as `Heartbeat`.
  public let name: String
  /// Whether the method answers with a stream of messages.
  public let isServerStreaming: Bool
  /// Deadline in milliseconds that clients use when the caller names none; 0 is none.
  public let defaultDeadlineMs: UInt32

  /// Makes a descriptor.
  public init(
    id: UInt16, service: String, name: String, isServerStreaming: Bool, defaultDeadlineMs: UInt32
  ) {
    self.id = id
    self.service = service
    self.name = name
    self.isServerStreaming = isServerStreaming
    self.defaultDeadlineMs = defaultDeadlineMs
  }

  /// `service/name`, for logs and errors.
  public var fullName: String { "\(service)/\(name)" }
}
