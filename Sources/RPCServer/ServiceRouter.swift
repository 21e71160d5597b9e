import RPCWire

/// The methods that a server answers, found by the number in a CALL frame.
///
/// Filled before the server starts; a server then only reads it.
public struct ServiceRouter: Sendable {
  /// Answers one call: decodes `payload`, and replies through the call's handle now or later.
  ///
  /// It runs on the reactor and must not block.
  public typealias Handler = @Sendable (borrowing IncomingCall) -> Void

  /// An object, so that each call shares it without copying the descriptor's text.
  final class Entry: Sendable {
    let method: MethodDescriptor
    let handler: Handler
    let isStreaming: Bool

    init(_ method: MethodDescriptor, _ handler: @escaping Handler) {
      self.method = method
      self.handler = handler
      isStreaming = method.isServerStreaming
    }
  }

  private(set) var entries: ContiguousArray<Entry?> = []

  /// Makes a router without methods.
  public init() {}

  /// Adds a method.
  ///
  /// Traps when its number is 0 or taken: that is a fault of the schema, found when the program
  /// starts.
  public mutating func register(_ method: MethodDescriptor, _ handler: @escaping Handler) {
    precondition(method.id != 0, "\(method.fullName) has method id 0")
    while entries.count <= Int(method.id) { entries.append(nil) }
    if let other = entries[Int(method.id)] {
      preconditionFailure(
        "method id \(method.id) belongs to \(other.method.fullName) and \(method.fullName)")
    }
    entries[Int(method.id)] = Entry(method, handler)
  }

  /// Decides before each call of a method: the error for its caller, or nil: the handler runs.
  public typealias Gate = @Sendable (Principal) -> RPCError?

  /// Adds all methods of another router, each behind a gate that is made for it now.
  ///
  /// So a whole service is guarded in one place, whatever its handlers do.
  public mutating func register(
    _ other: ServiceRouter, behind makeGate: (MethodDescriptor) -> Gate
  ) {
    for entry in other.entries.compactMap(\.self) {
      let gate = makeGate(entry.method)
      register(entry.method) { call in
        if let refusal = gate(call.handle.principal) { return call.handle.fail(refusal) }
        entry.handler(call)
      }
    }
  }

  /// The methods in the order of their numbers.
  public var methods: [MethodDescriptor] { entries.compactMap { $0?.method } }
}
