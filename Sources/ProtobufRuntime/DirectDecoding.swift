internal import CProtobufC

/// Checks and unpacks in one pass what most calls are made of: messages of single fields, each at
/// most once where it is text or a message.
///
/// Whatever else comes (a repeated field or a oneof, a field that the schema does not know, a
/// second submessage, bytes that are wrong in any way) it leaves to `MessageScan` and protobuf-c,
/// which begin anew. So it refuses nothing itself, and what it takes it reads as they do.
@safe
struct DirectDecoding {
  private typealias Field = ProtobufCFieldDescriptor

  private let start: UnsafePointer<UInt8>
  private let arena: UnsafeMutablePointer<ArenaState>
  private let limits: DecodingLimits
  private var fields = 0

  init(
    bytes: UnsafePointer<UInt8>, limits: DecodingLimits, arena: UnsafeMutablePointer<ArenaState>
  ) {
    unsafe start = bytes
    self.limits = limits
    unsafe self.arena = unsafe arena
  }

  /// The message's record; nil when it is not of this kind.
  static func record(
    of bytes: UnsafeRawBufferPointer, as descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
    in arena: UnsafeMutablePointer<ArenaState>, limits: DecodingLimits
  ) -> UnsafeMutableRawPointer? {
    // Of an empty message protobuf-c sees whether required fields of an older schema are missing.
    guard bytes.count > 0, let start = bytes.baseAddress else { return nil }
    let before = unsafe arena.pointee.allocated
    var decoding = unsafe DirectDecoding(
      bytes: start.assumingMemoryBound(to: UInt8.self), limits: limits, arena: arena)
    guard let record = unsafe decoding.message(descriptor, from: 0, to: bytes.count, depth: 1)
    else { return nil }
    // Text takes no more than its bytes and some, records what the schema says: never much.
    let taken = unsafe arena.pointee.allocated &- before
    return unsafe taken <= limits.maximumMemoryBytes ? record : nil
  }

  private mutating func message(
    _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, from first: Int, to end: Int,
    depth: Int
  ) -> UnsafeMutableRawPointer? {
    guard depth <= limits.maximumNesting, let initialize = unsafe descriptor.pointee.message_init
    else { return nil }
    let record = unsafe arena.pointee.reserve(bytes: descriptor.pointee.sizeof_message)
    unsafe initialize(record.assumingMemoryBound(to: ProtobufCMessage.self))
    var position = first
    var guess = 0
    while position < end {
      guard let tag = shortVarint(at: &position, end: end), tag >= 8, tag <= UInt64(UInt32.max)
      else { return nil }
      fields &+= 1
      guard fields <= limits.maximumFields,
        let field = unsafe MessageScan.find(UInt32(tag >> 3), in: descriptor, guess: &guess),
        unsafe field.pointee.label == PROTOBUF_C_LABEL_NONE,
        unsafe field.pointee.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue == 0
      else { return nil }
      let member = unsafe record + Int(field.pointee.offset)
      let isRead =
        switch tag & 7 {
        case 0: unsafe readVarint(field, into: member, at: &position, end: end)
        case 2: unsafe readBytes(field, into: member, at: &position, end: end, depth: depth)
        case 1: unsafe readFixed(field, 8, into: member, at: &position, end: end)
        case 5: unsafe readFixed(field, 4, into: member, at: &position, end: end)
        default: false
        }
      guard isRead else { return nil }
    }
    return unsafe record
  }

  @inline(__always)
  private func varint(at position: inout Int, end: Int) -> UInt64? {
    guard position < end else { return nil }
    let first = unsafe start[position]
    position &+= 1
    return first < 0x80 ? UInt64(first) : longVarint(first, at: &position, end: end)
  }

  /// A varint of a tag or a length, which may have five bytes.
  @inline(__always)
  private func shortVarint(at position: inout Int, end: Int) -> UInt64? {
    let before = position
    let value = varint(at: &position, end: end)
    return position &- before <= 5 ? value : nil
  }

  private func longVarint(_ first: UInt8, at position: inout Int, end: Int) -> UInt64? {
    var value = UInt64(first & 0x7f)
    var shift: UInt64 = 7
    while position < end, shift < 70 {
      let byte = unsafe start[position]
      position &+= 1
      // Of bits beyond 64 it is protobuf-c that says what they mean.
      if shift == 63, byte & 0x7f > 1 { return nil }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift &+= 7
    }
    return nil
  }

  @inline(__always)
  private func readVarint(
    _ field: UnsafePointer<Field>, into member: UnsafeMutableRawPointer, at position: inout Int,
    end: Int
  ) -> Bool {
    guard let value = varint(at: &position, end: end) else { return false }
    switch unsafe field.pointee.type {
    case PROTOBUF_C_TYPE_UINT32, PROTOBUF_C_TYPE_INT32, PROTOBUF_C_TYPE_ENUM:
      unsafe member.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
    case PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_INT64:
      unsafe member.storeBytes(of: value, as: UInt64.self)
    case PROTOBUF_C_TYPE_BOOL:
      unsafe member.storeBytes(of: value == 0 ? 0 : 1, as: protobuf_c_boolean.self)
    default: return false
    }
    return true
  }

  @inline(__always)
  private func readFixed(
    _ field: UnsafePointer<Field>, _ bytes: Int, into member: UnsafeMutableRawPointer,
    at position: inout Int, end: Int
  ) -> Bool {
    guard bytes <= end &- position,
      unsafe MessageScan.wireType(of: field.pointee.type) == (bytes == 8 ? 1 : 5)
    else { return false }
    unsafe member.copyMemory(from: start + position, byteCount: bytes)
    position &+= bytes
    return true
  }

  @inline(__always)
  private mutating func readBytes(
    _ field: UnsafePointer<Field>, into member: UnsafeMutableRawPointer, at position: inout Int,
    end: Int, depth: Int
  ) -> Bool {
    guard let length = shortVarint(at: &position, end: end), length <= UInt64(end &- position)
    else { return false }
    let first = position
    position &+= Int(length)
    switch unsafe field.pointee.type {
    case PROTOBUF_C_TYPE_STRING:
      return unsafe readText(field, into: member, from: first, to: position)
    case PROTOBUF_C_TYPE_MESSAGE:
      let place = unsafe member.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
      guard unsafe place.pointee == nil else { return false }
      let inner = unsafe field.pointee.descriptor.assumingMemoryBound(
        to: ProtobufCMessageDescriptor.self)
      unsafe place.pointee = unsafe message(inner, from: first, to: position, depth: depth &+ 1)
      return unsafe place.pointee != nil
    default: return false
    }
  }

  @inline(__always)
  private func readText(
    _ field: UnsafePointer<Field>, into member: UnsafeMutableRawPointer, from first: Int,
    to end: Int
  ) -> Bool {
    let place = unsafe member.assumingMemoryBound(to: UnsafeRawPointer?.self)
    let count = end &- first
    // A second text would leave the memory of the first one behind.
    guard unsafe place.pointee == field.pointee.default_value,
      case .valid = unsafe TextCheck.check(start + first, count: count)
    else { return false }
    if count == 0 { return true }
    let target = unsafe arena.pointee.reserve(bytes: count &+ 1)
    unsafe target.copyMemory(from: start + first, byteCount: count)
    unsafe target.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
    unsafe place.pointee = UnsafeRawPointer(target)
    return true
  }
}
