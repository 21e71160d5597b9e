internal import CProtobufC

/// Writes messages as protobuf-c does, byte for byte, over the same descriptor tables.
///
/// Each write looks whether it fits, so that a caller may try a place of any size before it asks
/// for the message's size. What came with fields that the schema does not know, and whatever has
/// more than 2 GiB, it leaves to protobuf-c: its answer is then nil.
@safe
enum DirectEncoding {
  typealias Field = UnsafePointer<ProtobufCFieldDescriptor>
  typealias Output = UnsafeMutablePointer<UInt8>

  /// The most bytes of a text, a list or a message.
  static let maximumBytes = Int(Int32.max)

  /// Writes a message from `start` on and returns where its bytes end.
  ///
  /// Nil when it does not fit before `end` or is not for this encoding; bytes before `end` may have
  /// been written in vain.
  static func write(_ record: UnsafeRawPointer, to start: Output, end: Output) -> Output? {
    let message = unsafe record.assumingMemoryBound(to: ProtobufCMessage.self)
    guard unsafe message.pointee.n_unknown_fields == 0,
      let descriptor = unsafe message.pointee.descriptor
    else { return nil }
    var out = unsafe start
    var left = unsafe descriptor.pointee.n_fields
    guard left > 0, var field = unsafe descriptor.pointee.fields else { return unsafe out }
    while left > 0 {
      if unsafe field.pointee.label == PROTOBUF_C_LABEL_REPEATED {
        let count = unsafe listCount(field, in: record)
        if count > 0 {
          guard let next = unsafe writeList(field, count, of: record, at: out, end)
          else { return nil }
          unsafe out = unsafe next
        }
      } else if unsafe isPresent(field, in: record) {
        let member = unsafe record + Int(field.pointee.offset)
        guard let next = unsafe writeValue(field, member, at: out, end) else { return nil }
        unsafe out = unsafe next
      }
      unsafe field += 1
      left &-= 1
    }
    return unsafe out
  }

  // MARK: - Presence

  @inline(__always)
  static func listCount(_ field: Field, in record: UnsafeRawPointer) -> Int {
    unsafe record.load(fromByteOffset: Int(field.pointee.quantifier_offset), as: Int.self)
  }

  /// Whether a field that is no list is written.
  @inline(__always)
  static func isPresent(_ field: Field, in record: UnsafeRawPointer) -> Bool {
    let member = unsafe record + Int(field.pointee.offset)
    guard unsafe field.pointee.label == PROTOBUF_C_LABEL_NONE,
      unsafe field.pointee.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue == 0
    else { return unsafe isSet(field, member, in: record) }
    switch unsafe field.pointee.type {
    case PROTOBUF_C_TYPE_STRING:
      let text = unsafe member.load(as: UnsafePointer<UInt8>?.self)
      guard let text = unsafe text else { return false }
      return unsafe text.pointee != 0
    case PROTOBUF_C_TYPE_FLOAT: return unsafe member.load(as: Float.self) != 0
    case PROTOBUF_C_TYPE_DOUBLE: return unsafe member.load(as: Double.self) != 0
    // Of bytes, the first word is their count.
    case PROTOBUF_C_TYPE_MESSAGE, PROTOBUF_C_TYPE_BYTES, PROTOBUF_C_TYPE_UINT64,
      PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_FIXED64,
      PROTOBUF_C_TYPE_SFIXED64:
      return unsafe member.load(as: UInt64.self) != 0
    default: return unsafe member.load(as: UInt32.self) != 0
    }
  }

  /// Whether a field of a oneof, or one with explicit presence, is set.
  private static func isSet(
    _ field: Field, _ member: UnsafeRawPointer, in record: UnsafeRawPointer
  ) -> Bool {
    if unsafe field.pointee.label == PROTOBUF_C_LABEL_REQUIRED { return true }
    let quantifier = unsafe record + Int(field.pointee.quantifier_offset)
    let isOneof = unsafe field.pointee.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue != 0
    if isOneof, unsafe quantifier.load(as: UInt32.self) != field.pointee.id { return false }
    switch unsafe field.pointee.type {
    case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_MESSAGE:
      let pointer = unsafe member.load(as: UnsafeRawPointer?.self)
      return unsafe pointer != nil && pointer != field.pointee.default_value
    default:
      return unsafe isOneof || quantifier.load(as: protobuf_c_boolean.self) != 0
    }
  }

  // MARK: - Values

  /// Writes a field's number and its value, whether or not it is the default.
  @inline(__always)
  private static func writeValue(
    _ field: Field, _ member: UnsafeRawPointer, at out: Output, _ end: Output
  ) -> Output? {
    let type = unsafe field.pointee.type
    let wireType = MessageScan.wireType(of: type)
    let tag = unsafe UInt64(field.pointee.id) << 3 | UInt64(wireType)
    guard let place = unsafe put(tag, at: out, end) else { return nil }
    switch wireType {
    case 0: return unsafe put(varint(type, member), at: place, end)
    case 5: return unsafe put(member, count: 4, at: place, end)
    case 1: return unsafe put(member, count: 8, at: place, end)
    default: break
    }
    switch type {
    case PROTOBUF_C_TYPE_MESSAGE: return unsafe writeMessage(member, at: place, end)
    case PROTOBUF_C_TYPE_STRING:
      guard let text = unsafe member.load(as: UnsafePointer<CChar>?.self)
      else { return unsafe put(0, at: place, end) }
      return unsafe putCounted(text, count: strlen(text), at: place, end)
    default:
      let bytes = unsafe member.load(as: ProtobufCBinaryData.self)
      return unsafe putCounted(bytes.data, count: bytes.len, at: place, end)
    }
  }

  private static func writeMessage(
    _ member: UnsafeRawPointer, at place: Output, _ end: Output
  ) -> Output? {
    guard let inner = unsafe member.load(as: UnsafeRawPointer?.self)
    else { return unsafe put(0, at: place, end) }
    guard unsafe place < end, let last = unsafe write(inner, to: place + 1, end: end)
    else { return nil }
    return unsafe putCount(at: place, of: last, end)
  }

  private static func writeList(
    _ field: Field, _ count: Int, of record: UnsafeRawPointer, at start: Output, _ end: Output
  ) -> Output? {
    let list = unsafe record.load(
      fromByteOffset: Int(field.pointee.offset), as: UnsafeRawPointer?.self)
    guard var element = unsafe list else { return nil }
    let type = unsafe field.pointee.type
    let stride = stride(of: type)
    var out = unsafe start
    guard unsafe field.pointee.flags & PROTOBUF_C_FIELD_FLAG_PACKED.rawValue != 0 else {
      for _ in 0..<count {
        guard let next = unsafe writeValue(field, element, at: out, end) else { return nil }
        unsafe out = unsafe next
        unsafe element += stride
      }
      return unsafe out
    }
    let tag = unsafe UInt64(field.pointee.id) << 3 | 2
    guard let place = unsafe put(tag, at: out, end), unsafe place < end else { return nil }
    unsafe out = unsafe place + 1
    let wireType = MessageScan.wireType(of: type)
    for _ in 0..<count {
      let next =
        wireType == 0
        ? unsafe put(varint(type, element), at: out, end)
        : unsafe put(element, count: stride, at: out, end)
      guard let next = unsafe next else { return nil }
      unsafe out = unsafe next
      unsafe element += stride
    }
    return unsafe putCount(at: place, of: out, end)
  }

  /// What a value of a varint kind is on the wire.
  @inline(__always)
  static func varint(_ type: ProtobufCType, _ member: UnsafeRawPointer) -> UInt64 {
    switch type {
    case PROTOBUF_C_TYPE_INT32, PROTOBUF_C_TYPE_ENUM:
      return unsafe UInt64(bitPattern: Int64(member.load(as: Int32.self)))
    case PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_INT64: return unsafe member.load(as: UInt64.self)
    case PROTOBUF_C_TYPE_BOOL:
      return unsafe member.load(as: protobuf_c_boolean.self) != 0 ? 1 : 0
    case PROTOBUF_C_TYPE_SINT32:
      let value = unsafe member.load(as: Int32.self)
      return UInt64(UInt32(bitPattern: value << 1 ^ value >> 31))
    case PROTOBUF_C_TYPE_SINT64:
      let value = unsafe member.load(as: Int64.self)
      return UInt64(bitPattern: value << 1 ^ value >> 63)
    default: return unsafe UInt64(member.load(as: UInt32.self))
    }
  }

  /// The distance of two elements of a list.
  static func stride(of type: ProtobufCType) -> Int {
    switch type {
    case PROTOBUF_C_TYPE_BYTES: unsafe MemoryLayout<ProtobufCBinaryData>.stride
    case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_MESSAGE, PROTOBUF_C_TYPE_UINT64,
      PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_FIXED64,
      PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE:
      8
    default: 4
    }
  }

  // MARK: - Bytes

  @inline(__always)
  private static func put(_ value: UInt64, at out: Output, _ end: Output) -> Output? {
    guard value < 0x80 else { return unsafe putLong(value, at: out, end) }
    guard unsafe out < end else { return nil }
    unsafe out.pointee = UInt8(truncatingIfNeeded: value)
    return unsafe out + 1
  }

  /// Writes a varint of more than one byte: eight bytes at once where there is room for them.
  @inline(__always)
  private static func putLong(_ value: UInt64, at start: Output, _ end: Output) -> Output? {
    guard value < 1 << 56, unsafe end - start >= 8 else {
      return unsafe putLongest(value, at: start, end)
    }
    // Seven bits to each byte: halves, quarters and eighths move apart.
    var spread = value & 0xfff_ffff | (value & 0xff_ffff_f000_0000) << 4
    spread = spread & 0x3fff_0000_3fff | (spread & 0xfff_c000_0fff_c000) << 2
    spread = spread & 0x7f_007f_007f_007f | (spread & 0x3f80_3f80_3f80_3f80) << 1
    let leading = spread.leadingZeroBitCount & ~7
    // All bytes but the last of them say that another follows.
    let marks = 0x8080_8080_8080_8080 &>> UInt64(leading &+ 8)
    unsafe UnsafeMutableRawPointer(start).storeBytes(
      of: (spread | marks).littleEndian, as: UInt64.self)
    return unsafe start + (8 &- leading / 8)
  }

  private static func putLongest(_ value: UInt64, at start: Output, _ end: Output) -> Output? {
    guard unsafe end - start >= varintBytes(value) else { return nil }
    var out = unsafe start
    var rest = value
    while rest >= 0x80 {
      unsafe out.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
      unsafe out += 1
      rest >>= 7
    }
    unsafe out.pointee = UInt8(truncatingIfNeeded: rest)
    return unsafe out + 1
  }

  @inline(__always)
  private static func put(
    _ source: UnsafeRawPointer, count: Int, at out: Output, _ end: Output
  ) -> Output? {
    guard unsafe end - out >= count else { return nil }
    unsafe UnsafeMutableRawPointer(out).copyMemory(from: source, byteCount: count)
    return unsafe out + count
  }

  @inline(__always)
  private static func putCounted(
    _ source: UnsafeRawPointer?, count: Int, at out: Output, _ end: Output
  ) -> Output? {
    guard count <= maximumBytes, let place = unsafe put(UInt64(count), at: out, end)
    else { return nil }
    guard count > 0, let source = unsafe source else { return unsafe place }
    return unsafe put(source, count: count, at: place, end)
  }

  /// Writes at `place` how many bytes there are from the next place to `last`; they move when that
  /// takes more than the one byte that was left for it.
  @inline(__always)
  private static func putCount(at place: Output, of last: Output, _ end: Output) -> Output? {
    let count = unsafe last - place &- 1
    if count < 0x80 {
      unsafe place.pointee = UInt8(truncatingIfNeeded: count)
      return unsafe last
    }
    let more = varintBytes(UInt64(count)) &- 1
    guard count <= maximumBytes, unsafe end - last >= more else { return nil }
    unsafe UnsafeMutableRawPointer(place + 1 + more).copyMemory(from: place + 1, byteCount: count)
    // Byte by byte: behind them are the message's own.
    _ = unsafe putLongest(UInt64(count), at: place, end)
    return unsafe last + more
  }

  /// The length of a varint: one byte for each begun seven bits.
  @inline(__always)
  static func varintBytes(_ value: UInt64) -> Int {
    ((63 &- (value | 1).leadingZeroBitCount) &* 9 &+ 73) / 64
  }
}
