/// A message as a Swift value, generated from the schema.
///
/// Encoding and decoding go through the message's view and protobuf-c. Unknown fields and enum
/// numbers survive both. Values are independent of each other and of the bytes they came from.
public protocol ProtobufMessage: Sendable, Equatable, Encodable, JSONValue {
  /// The same message as it lies in an arena, for code that must not copy.
  associatedtype View: ProtobufView where View.Message == Self
  /// The full name in the schema: "integrationmanager.v1.HeartbeatRequest".
  static var messageName: String { get }
  /// Fields that came with the message and that this program's schema does not know.
  var unknownFields: UnknownFields { get set }
  /// Makes the message with every field at its default.
  init()
}

extension ProtobufMessage {
  /// Decodes a message.
  /// - Throws: `DecodingError` when the bytes are no such message or pass a limit.
  @inlinable
  public init(
    serializedBytes: UnsafeRawBufferPointer, limits: DecodingLimits = .standard
  ) throws(DecodingError) {
    let arena = Arena(initialBytes: 1024)
    defer { withExtendedLifetime(arena) {} }
    self = try unsafe View(decoding: serializedBytes, in: arena, limits: limits).makeMessage()
  }

  /// Decodes a message.
  /// - Throws: `DecodingError` when the bytes are no such message or pass a limit.
  @inlinable
  public init(
    serializedBytes: [UInt8], limits: DecodingLimits = .standard
  ) throws(DecodingError) {
    let result = unsafe serializedBytes.withUnsafeBytes { bytes in
      Result { () throws(DecodingError) in
        try unsafe Self(serializedBytes: bytes, limits: limits)
      }
    }
    self = try result.get()
  }

  /// The message's bytes on the wire.
  ///
  /// A NUL in a text, which the protocol forbids, becomes U+FFFD.
  @inlinable
  public func serializedBytes() -> [UInt8] {
    let arena = Arena(initialBytes: 1024)
    defer { withExtendedLifetime(arena) {} }
    let view = View(in: arena)
    view.assign(self)
    return view.serializedBytes()
  }
}

/// A message as it lies in an arena: reading copies nothing, setting copies into the arena.
///
/// A view of a request is valid until its handler returns; one that a handler makes is valid until
/// its arena is reset or released: a view does not keep its arena, so whoever makes an arena for a
/// while holds it with `withExtendedLifetime`. Views of one arena belong to one thread at a time.
public protocol ProtobufView: SendableMetatype {
  /// The same message as a value.
  associatedtype Message
  /// The C table that describes the message.
  static var descriptor: MessageDescriptor { get }
  /// The message's C record.
  var reference: MessageReference { get }
  /// Wraps a record of this type.
  init(reference: MessageReference)
  /// A copy that stays.
  func makeMessage() -> Message
  /// Sets every field from a value.
  func assign(_ message: Message)
}

extension ProtobufView {
  /// Makes an empty message in an arena.
  @inlinable
  public init(in arena: Arena) {
    self.init(reference: MessageReference(Self.descriptor, in: arena))
  }

  /// Decodes a message into an arena.
  ///
  /// The bytes may go away afterwards.
  /// - Throws: `DecodingError` when the bytes are no such message or pass a limit.
  @inlinable
  public init(
    decoding bytes: UnsafeRawBufferPointer, in arena: Arena, limits: DecodingLimits = .standard
  ) throws(DecodingError) {
    self.init(
      reference: try unsafe MessageReference(
        decoding: bytes, as: Self.descriptor, in: arena, limits: limits))
  }

  /// Wraps the record that a field points to; nil for nil.
  @unsafe
  @inlinable
  public init?<Record>(_ record: UnsafeMutablePointer<Record>?, of parent: MessageReference) {
    guard let reference = unsafe parent.submessage(record) else { return nil }
    self.init(reference: reference)
  }

  /// Makes an empty message in the arena of another.
  @inlinable
  public init(besides other: MessageReference) {
    self.init(reference: other.make(Self.descriptor))
  }

  /// How many bytes the message takes on the wire.
  @inlinable
  public var encodedByteCount: Int { reference.encodedByteCount }

  /// Writes the message into memory that must have room for `encodedByteCount`, which is not
  /// checked again because counting takes as long as writing; returns how many bytes it wrote.
  @unsafe
  @inlinable
  public func encode(into target: UnsafeMutableRawBufferPointer) -> Int {
    return unsafe reference.encode(into: target)
  }

  /// The message's bytes on the wire.
  @inlinable
  public func serializedBytes() -> [UInt8] {
    let count = encodedByteCount
    // Of an empty one the library would set the count of the array that all empty ones share, which
    // is a data race with another thread that does so.
    guard count > 0 else { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = unsafe reference.encode(into: UnsafeMutableRawBufferPointer(buffer))
    }
  }
}

/// An enum of the schema: open, so that a number from a newer peer survives.
public protocol ProtobufEnum: Sendable, Hashable, Encodable, JSONValue {
  /// All that the schema names, in the order of their numbers.
  static var allKnown: [Self] { get }
  /// The number on the wire.
  var rawValue: Int32 { get }
  /// The name in JSON and at the command line, without the enum's prefix: "IN_PROGRESS"; for an
  /// unknown number, its digits.
  var jsonName: String { get }
  /// Reads a number; one that the schema does not name is kept.
  init(rawValue: Int32)
}

extension ProtobufEnum {
  /// Finds the value that has this name in JSON; nil for an unknown one.
  public init?(jsonName: String) {
    guard let value = Self.allKnown.first(where: { $0.jsonName == jsonName }) else { return nil }
    self = value
  }
}
