import ProtobufRuntime
import RPCTransport
import RPCWire

/// The methods that a server answers, found by the number in a CALL frame.
///
/// Filled before the server starts; a server then only reads it.
public struct ServiceRouter: Sendable {
  /// Answers one call: decodes `payload`, and replies through the call's handle now or later.
  ///
  /// It runs on the reactor and must not block.
  public typealias Handler = @Sendable (borrowing IncomingCall) -> Void

  /// Decodes a long payload into an arena, on another thread than the reactor's, and returns the
  /// handler that then runs on the reactor; its call has no payload.
  public typealias LongDecoder = @Sendable (ReceivedBytes, Arena) -> Handler

  /// An object, so that each call shares it without copying the descriptor's text.
  final class Entry: Sendable {
    let method: MethodDescriptor
    let handler: Handler
    let decodeLong: LongDecoder?
    let isStreaming: Bool
    /// Whether what a call begins is done although the call has ended.
    let goesOn: Bool
    /// Whether a call is not begun while too many of those go on that have ended.
    let waitsForEnded: Bool

    init(
      _ method: MethodDescriptor, _ handler: @escaping Handler, _ decodeLong: LongDecoder?,
      goesOn: Bool = false, waitsForEnded: Bool = false
    ) {
      self.method = method
      self.handler = handler
      self.decodeLong = decodeLong
      self.goesOn = goesOn
      self.waitsForEnded = waitsForEnded
      isStreaming = method.isServerStreaming
    }
  }

  private(set) var entries: ContiguousArray<Entry?> = []

  /// Makes a router without methods.
  public init() {}

  /// Adds a method.
  ///
  /// Traps when its number is 0 or taken: that is a fault of the schema, found when the program
  /// starts. Without `decodingLong` every payload is left to the handler, however long it is.
  public mutating func register(
    _ method: MethodDescriptor, decodingLong: LongDecoder? = nil, _ handler: @escaping Handler
  ) {
    precondition(method.id != 0, "\(method.fullName) has method id 0")
    while entries.count <= Int(method.id) { entries.append(nil) }
    if let other = entries[Int(method.id)] {
      preconditionFailure(
        "method id \(method.id) belongs to \(other.method.fullName) and \(method.fullName)")
    }
    entries[Int(method.id)] = Entry(method, handler, decodingLong)
  }

  /// Says of a method that what its calls begin is done, and answered once, also where the caller
  /// has cancelled, its time was over or its connection is gone.
  ///
  /// Of such calls a connection and a caller may have a bounded number; further ones are refused,
  /// or asked for by a handler that begins something only now and then (`refusalOfWork`). Traps
  /// where the method is not there.
  public mutating func markGoesOn(_ method: MethodDescriptor, handlerAsks: Bool = false) {
    guard Int(method.id) < entries.count, let entry = entries[Int(method.id)] else {
      preconditionFailure("\(method.fullName) is not registered")
    }
    entries[Int(method.id)] = Entry(
      entry.method, entry.handler, entry.decodeLong, goesOn: true, waitsForEnded: !handlerAsks)
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
      var decodeLong: LongDecoder?
      if let decode = entry.decodeLong {
        decodeLong = { payload, arena in Self.guarded(decode(payload, arena), by: gate) }
      }
      register(
        entry.method, decodingLong: decodeLong, Self.guarded(entry.handler, by: gate))
      if entry.goesOn { markGoesOn(entry.method, handlerAsks: !entry.waitsForEnded) }
    }
  }

  private static func guarded(_ handler: @escaping Handler, by gate: @escaping Gate) -> Handler {
    { call in
      if let refusal = gate(call.handle.principal) { return call.handle.fail(refusal) }
      handler(call)
    }
  }

  /// The methods in the order of their numbers.
  public var methods: [MethodDescriptor] { entries.compactMap { $0?.method } }
}
