internal import CProtobufC
internal import IntegrationProtos

/// The C table that describes a message type to protobuf-c.
@safe
public struct MessageDescriptor: @unchecked Sendable {
  // Sendable: points to a constant of the C code.
  let pointer: UnsafePointer<ProtobufCMessageDescriptor>

  init(pointer: UnsafePointer<ProtobufCMessageDescriptor>) {
    unsafe self.pointer = unsafe pointer
  }

  /// Takes the table from a record that the type's generated C initialiser has filled.
  public init<Record>(
    _: Record.Type, initializer: (UnsafeMutablePointer<Record>?) -> Void
  ) {
    let record = UnsafeMutablePointer<Record>.allocate(capacity: 1)
    defer { unsafe record.deallocate() }
    unsafe initializer(record)
    let base = unsafe UnsafeMutableRawPointer(record).assumingMemoryBound(to: ProtobufCMessage.self)
    unsafe pointer = base.pointee.descriptor
  }
}

/// A message's C record in an arena: what every view wraps.
///
/// Valid as long as the arena's contents.
@safe
public struct MessageReference {
  @usableFromInline let pointer: UnsafeMutableRawPointer
  @usableFromInline let arena: UnsafeMutablePointer<ArenaState>

  @unsafe @inlinable
  init(pointer: UnsafeMutableRawPointer, arena: UnsafeMutablePointer<ArenaState>) {
    unsafe self.pointer = unsafe pointer
    unsafe self.arena = unsafe arena
  }

  /// Makes an empty record of the described type.
  public init(_ descriptor: MessageDescriptor, in arena: Arena) {
    unsafe self.init(descriptor, in: arena.state)
  }

  /// Makes an empty record in the arena that this one is in.
  public func make(_ descriptor: MessageDescriptor) -> MessageReference {
    unsafe MessageReference(descriptor, in: arena)
  }

  init(_ descriptor: MessageDescriptor, in arena: UnsafeMutablePointer<ArenaState>) {
    // The initialiser fills every byte.
    let record = unsafe arena.pointee.reserve(bytes: descriptor.pointer.pointee.sizeof_message)
    unsafe protobuf_c_message_init(descriptor.pointer, record)
    unsafe self.init(pointer: record, arena: arena)
  }

  /// Zero-filled memory in the arena, for a list that a record points to.
  @unsafe
  public func allocate<Element>(_: Element.Type, count: Int) -> UnsafeMutablePointer<Element> {
    let (bytes, overflow) = MemoryLayout<Element>.stride.multipliedReportingOverflow(by: count)
    precondition(!overflow && count >= 0, "a repeated field cannot have \(count) elements")
    let raw = unsafe arena.pointee.allocate(bytes: bytes)
    return unsafe raw.bindMemory(to: Element.self, capacity: count)
  }

  /// The record as its C type; the caller names the type that the descriptor describes.
  @unsafe @inlinable
  public func record<Record>() -> UnsafeMutablePointer<Record> {
    unsafe pointer.assumingMemoryBound(to: Record.self)
  }

  /// The record that a field of this message points to, in the same arena; nil for nil.
  @unsafe @inlinable
  public func submessage<Record>(_ record: UnsafeMutablePointer<Record>?) -> MessageReference? {
    guard let record = unsafe record else { return nil }
    return unsafe MessageReference(pointer: UnsafeMutableRawPointer(record), arena: arena)
  }
}

// MARK: - Values that fields point to

extension MessageReference {
  /// Copies text into the arena as C text.
  ///
  /// A NUL, which the protocol forbids, becomes U+FFFD.
  @unsafe
  public func cString(_ text: ProtobufText) -> UnsafeMutablePointer<CChar> {
    unsafe cString(UnsafeBufferPointer(start: text.start, count: text.count))
  }

  /// Copies text into the arena as C text.
  ///
  /// A NUL, which the protocol forbids, becomes U+FFFD.
  @unsafe
  public func cString(_ text: String) -> UnsafeMutablePointer<CChar> {
    var text = text
    return text.withUTF8 { bytes in unsafe cString(bytes) }
  }

  /// Copies text into the arena as C text; nil, which protobuf-c reads as empty, for empty text.
  @unsafe
  public func text(_ text: ProtobufText) -> UnsafeMutablePointer<CChar>? {
    text.isEmpty ? nil : unsafe cString(text)
  }

  /// Copies text into the arena as C text; nil, which protobuf-c reads as empty, for empty text.
  @unsafe
  public func text(_ text: String) -> UnsafeMutablePointer<CChar>? {
    text.isEmpty ? nil : unsafe cString(text)
  }

  private func cString(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeMutablePointer<CChar> {
    let target = unsafe arena.pointee.reserve(bytes: bytes.count + 1)
    let characters = unsafe target.assumingMemoryBound(to: CChar.self)
    unsafe characters[bytes.count] = 0
    guard bytes.count > 0, let source = bytes.baseAddress else { return unsafe characters }
    guard unsafe Self.copyText(from: source, to: target, count: bytes.count) else {
      let repaired = unsafe bytes.flatMap { $0 == 0 ? [0xef, 0xbf, 0xbd] : [$0] }
      return unsafe repaired.withUnsafeBufferPointer { unsafe cString($0) }
    }
    return unsafe characters
  }

  /// Copies text; false when a NUL is in it.
  ///
  /// Eight bytes at once, because most texts have a few of these: looking for a NUL and copying by
  /// the C library's functions takes two calls.
  @inline(__always)
  private static func copyText(
    from source: UnsafePointer<UInt8>, to target: UnsafeMutableRawPointer, count: Int
  ) -> Bool {
    if count > 64 {
      unsafe target.copyMemory(from: source, byteCount: count)
      return unsafe memchr(source, 0, count) == nil
    }
    let raw = unsafe UnsafeRawPointer(source)
    var position = 0
    var zeros: UInt64 = 0
    while position &+ 8 <= count {
      let word = unsafe raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      unsafe target.storeBytes(of: word, toByteOffset: position, as: UInt64.self)
      // The high bit of each byte that is 0, and perhaps of those behind it.
      zeros |= (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
      position &+= 8
    }
    var hasZero = zeros != 0
    while position < count {
      let byte = unsafe source[position]
      unsafe target.storeBytes(of: byte, toByteOffset: position, as: UInt8.self)
      if byte == 0 { hasZero = true }
      position &+= 1
    }
    return !hasZero
  }

  /// A timestamp field's value; nil when it is not set.
  @unsafe
  public func timestamp<Record>(_ record: UnsafeMutablePointer<Record>?) -> Timestamp? {
    guard let record = unsafe record else { return nil }
    let source = unsafe UnsafeMutableRawPointer(record).assumingMemoryBound(
      to: Google__Protobuf__Timestamp.self)
    return unsafe Timestamp(seconds: source.pointee.seconds, nanos: source.pointee.nanos)
  }

  /// A record for a timestamp field; nil for nil.
  @unsafe
  public func timestampRecord<Record>(_ value: Timestamp?) -> UnsafeMutablePointer<Record>? {
    guard let value else { return nil }
    let reference = make(Self.timestampDescriptor)
    let target: UnsafeMutablePointer<Google__Protobuf__Timestamp> = unsafe reference.record()
    unsafe target.pointee.seconds = value.seconds
    unsafe target.pointee.nanos = value.nanos
    return unsafe reference.record()
  }

  private static let timestampDescriptor = unsafe MessageDescriptor(
    Google__Protobuf__Timestamp.self
  ) {
    unsafe google__protobuf__timestamp__init($0)
  }
}

// MARK: - Unknown fields

extension MessageReference {
  private var base: UnsafeMutablePointer<ProtobufCMessage> { unsafe record() }

  /// The fields that the schema does not know; setting copies them into the arena.
  public var unknownFields: UnknownFields {
    get {
      var result = UnknownFields()
      let count = unsafe Int(base.pointee.n_unknown_fields)
      guard count > 0, let fields = unsafe base.pointee.unknown_fields else { return result }
      for index in 0..<count {
        let field = unsafe fields[index]
        let bytes = unsafe Array(UnsafeBufferPointer(start: field.data, count: field.len))
        result.fields.append(
          .init(number: unsafe field.tag, wireType: unsafe field.wire_type.rawValue, bytes: bytes))
      }
      return result
    }
    nonmutating set {
      unsafe base.pointee.n_unknown_fields = UInt32(newValue.fields.count)
      unsafe base.pointee.unknown_fields = nil
      guard !newValue.isEmpty else { return }
      let size = unsafe MemoryLayout<ProtobufCMessageUnknownField>.stride
      let raw = unsafe arena.pointee.allocate(bytes: size * newValue.fields.count)
      let target = unsafe raw.assumingMemoryBound(to: ProtobufCMessageUnknownField.self)
      for (index, field) in newValue.fields.enumerated() {
        let data = unsafe arena.pointee.allocate(bytes: field.bytes.count)
        unsafe field.bytes.withUnsafeBytes {
          unsafe data.copyMemory(
            from: $0.baseAddress ?? UnsafeRawPointer(data), byteCount: $0.count)
        }
        unsafe (target + index).initialize(
          to: ProtobufCMessageUnknownField(
            tag: field.number, wire_type: ProtobufCWireType(rawValue: field.wireType),
            len: field.bytes.count, data: data.assumingMemoryBound(to: UInt8.self)))
      }
      unsafe base.pointee.unknown_fields = unsafe target
    }
  }
}

// MARK: - Bytes

extension MessageReference {
  /// How many bytes the message takes on the wire.
  public var encodedByteCount: Int {
    unsafe DirectEncoding.size(pointer) ?? protobuf_c_message_get_packed_size(base)
  }

  /// Writes the message, which must have room for `encodedByteCount`; returns how many it wrote.
  public func encode(into target: UnsafeMutableRawBufferPointer) -> Int {
    if let count = unsafe encodeIfFits(into: target) { return count }
    guard let start = target.baseAddress else { return 0 }
    return unsafe protobuf_c_message_pack(base, start.assumingMemoryBound(to: UInt8.self))
  }

  /// Writes the message where there may be room for it, without counting its bytes before; returns
  /// how many it wrote.
  ///
  /// Nil when it has more bytes than `target`, some of which may have been written, or carries
  /// what needs to be counted, as unknown fields: `encodedByteCount` and `encode(into:)` then
  /// do it.
  public func encodeIfFits(into target: UnsafeMutableRawBufferPointer) -> Int? {
    guard let start = unsafe target.baseAddress?.assumingMemoryBound(to: UInt8.self),
      let end = unsafe DirectEncoding.write(pointer, to: start, end: start + target.count)
    else { return nil }
    return unsafe end - start
  }

  /// Decodes a message into the arena: in one pass where its fields allow that; else a scan refuses
  /// what protobuf-c would take without limit, then protobuf-c unpacks.
  public init(
    decoding bytes: UnsafeRawBufferPointer, as descriptor: MessageDescriptor, in arena: Arena,
    limits: DecodingLimits
  ) throws(DecodingError) {
    let state = unsafe arena.state
    if let record = unsafe DirectDecoding.record(
      of: bytes, as: descriptor.pointer, in: state, limits: limits)
    {
      unsafe self.init(pointer: record, arena: state)
      return
    }
    var scan = unsafe MessageScan(bytes: bytes, limits: limits)
    unsafe try scan.run(descriptor.pointer)
    let (end, overflow) = unsafe state.pointee.allocated.addingReportingOverflow(
      limits.maximumMemoryBytes)
    unsafe state.pointee.allocatedLimit = overflow ? Int.max : end
    unsafe state.pointee.refusedBytes = 0
    let unpacked = unsafe withUnsafeMutablePointer(to: &state.pointee.allocator) { allocator in
      unsafe protobuf_c_message_unpack(
        descriptor.pointer, allocator, bytes.count,
        bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
    guard let unpacked = unsafe unpacked else {
      throw unsafe scan.refusal(
        of: descriptor.pointer, budgetSpent: state.pointee.refusedBytes > 0)
    }
    unsafe self.init(pointer: UnsafeMutableRawPointer(unpacked), arena: state)
  }
}
