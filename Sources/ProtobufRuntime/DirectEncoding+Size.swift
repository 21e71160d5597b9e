internal import CProtobufC

extension DirectEncoding {
  /// How many bytes `write` needs for a message; nil when it is not for this encoding.
  ///
  /// No sum passes what an `Int` holds: each is compared with `maximumBytes` before the next
  /// element, which is no longer than that, is added.
  static func size(_ record: UnsafeRawPointer) -> Int? {
    let message = unsafe record.assumingMemoryBound(to: ProtobufCMessage.self)
    guard unsafe message.pointee.n_unknown_fields == 0,
      let descriptor = unsafe message.pointee.descriptor
    else { return nil }
    var total = 0
    var left = unsafe descriptor.pointee.n_fields
    guard left > 0, var field = unsafe descriptor.pointee.fields else { return 0 }
    while left > 0 {
      if unsafe field.pointee.label == PROTOBUF_C_LABEL_REPEATED {
        let count = unsafe listCount(field, in: record)
        if count > 0 {
          guard let bytes = unsafe listSize(field, count, of: record) else { return nil }
          total &+= bytes
        }
      } else if unsafe isPresent(field, in: record) {
        let member = unsafe record + Int(field.pointee.offset)
        guard let bytes = unsafe contentSize(field.pointee.type, member) else { return nil }
        total &+= unsafe tagBytes(field) &+ bytes
      }
      guard total <= maximumBytes else { return nil }
      unsafe field += 1
      left &-= 1
    }
    return total
  }

  @inline(__always)
  private static func tagBytes(_ field: Field) -> Int {
    unsafe varintBytes(UInt64(field.pointee.id) << 3)
  }

  /// The bytes of a value with its length, without its field's number.
  @inline(__always)
  private static func contentSize(_ type: ProtobufCType, _ member: UnsafeRawPointer) -> Int? {
    let count: Int
    switch MessageScan.wireType(of: type) {
    case 0: return unsafe varintBytes(varint(type, member))
    case 5: return 4
    case 1: return 8
    default: break
    }
    switch type {
    case PROTOBUF_C_TYPE_MESSAGE:
      guard let inner = unsafe member.load(as: UnsafeRawPointer?.self) else { return 1 }
      guard let bytes = unsafe size(inner) else { return nil }
      count = bytes
    case PROTOBUF_C_TYPE_STRING:
      guard let text = unsafe member.load(as: UnsafePointer<CChar>?.self) else { return 1 }
      count = unsafe strlen(text)
    default:
      count = unsafe member.load(as: ProtobufCBinaryData.self).len
    }
    guard count <= maximumBytes else { return nil }
    return varintBytes(UInt64(count)) &+ count
  }

  private static func listSize(
    _ field: Field, _ count: Int, of record: UnsafeRawPointer
  ) -> Int? {
    let list = unsafe record.load(
      fromByteOffset: Int(field.pointee.offset), as: UnsafeRawPointer?.self)
    guard var element = unsafe list else { return nil }
    let type = unsafe field.pointee.type
    let stride = stride(of: type)
    let isPacked = unsafe field.pointee.flags & PROTOBUF_C_FIELD_FLAG_PACKED.rawValue != 0
    let each = isPacked ? 0 : unsafe tagBytes(field)
    var total = 0
    for _ in 0..<count {
      guard let bytes = unsafe contentSize(type, element) else { return nil }
      total &+= each &+ bytes
      guard total <= maximumBytes else { return nil }
      unsafe element += stride
    }
    return isPacked ? unsafe tagBytes(field) &+ varintBytes(UInt64(total)) &+ total : total
  }
}
