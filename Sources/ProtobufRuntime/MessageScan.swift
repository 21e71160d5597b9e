internal import CProtobufC

/// Reads a message's bytes once before protobuf-c does, and refuses what protobuf-c 1.4.1 would
/// take: nesting and fields without limit, text that is no UTF-8 or holds a NUL.
///
/// A field that the schema does not know is skipped; what is inside it is not looked at, because
/// nothing will interpret it.
@safe
struct MessageScan {
  private let start: UnsafePointer<UInt8>
  private let count: Int
  private let limits: DecodingLimits
  private var fields = 0

  init(bytes: UnsafeRawBufferPointer, limits: DecodingLimits) {
    // An empty buffer may have no address; nothing is read from it, so any address serves.
    unsafe start =
      bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      ?? UnsafePointer(bitPattern: 8).unsafelyUnwrapped
    count = bytes.count
    self.limits = limits
  }

  mutating func run(_ descriptor: UnsafePointer<ProtobufCMessageDescriptor>) throws(DecodingError) {
    unsafe try scan(descriptor, from: 0, to: count, depth: 1)
  }

  private mutating func scan(
    _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, from first: Int, to end: Int,
    depth: Int
  ) throws(DecodingError) {
    guard depth <= limits.maximumNesting else {
      throw DecodingError(
        .nestingTooDeep, offset: first,
        "messages lie more than \(limits.maximumNesting) deep in each other")
    }
    var position = first
    var guess = 0
    while position < end {
      let tagOffset = position
      let tag = try tag(at: &position, end: end)
      fields &+= 1
      guard fields <= limits.maximumFields else {
        throw DecodingError(
          .tooManyFields, offset: tagOffset,
          "the message has more than \(limits.maximumFields) fields")
      }
      let value = position
      let length = try skip(wireType: tag & 7, at: &position, end: end, tagOffset: tagOffset)
      guard let field = unsafe Self.find(tag >> 3, in: descriptor, guess: &guess) else { continue }
      unsafe try check(
        field, wireType: tag & 7, from: position - length, to: position, at: value, depth: depth)
    }
  }

  /// A field's number and wire type: a varint of up to five bytes.
  @inline(__always)
  private func tag(at position: inout Int, end: Int) throws(DecodingError) -> UInt32 {
    let first = unsafe start[position]
    if first >= 8, first < 0x80 {
      position &+= 1
      return UInt32(first)
    }
    let offset = position
    let value = try varint(at: &position, end: end)
    guard position - offset <= 5, value >= 8, value <= UInt64(UInt32.max) else {
      throw DecodingError(
        .malformed, offset: offset, "expected a field number from 1 to 536870911")
    }
    return UInt32(value)
  }

  @inline(__always)
  private func varint(at position: inout Int, end: Int) throws(DecodingError) -> UInt64 {
    if position < end, case let byte = unsafe start[position], byte < 0x80 {
      position &+= 1
      return UInt64(byte)
    }
    return try longVarint(at: &position, end: end)
  }

  private func longVarint(at position: inout Int, end: Int) throws(DecodingError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    let offset = position
    while position < end {
      let byte = unsafe start[position]
      position &+= 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift &+= 7
      if shift >= 70 {
        throw DecodingError(.malformed, offset: offset, "a varint has more than ten bytes")
      }
    }
    throw truncated(offset: offset)
  }

  /// Moves behind a value; returns the length of its content.
  @inline(__always)
  private func skip(
    wireType: UInt32, at position: inout Int, end: Int, tagOffset: Int
  ) throws(DecodingError) -> Int {
    let before = position
    switch wireType {
    case 0:
      _ = try varint(at: &position, end: end)
      return position - before
    case 1: return try skip(bytes: 8, at: &position, end: end)
    case 2:
      let length = try varint(at: &position, end: end)
      guard position - before <= 5, length <= UInt64(Int32.max) else {
        throw truncated(offset: before)
      }
      return try skip(bytes: Int(length), at: &position, end: end)
    case 5: return try skip(bytes: 4, at: &position, end: end)
    default:
      throw DecodingError(
        .wireTypeUnsupported, offset: tagOffset,
        "expected wire type 0, 1, 2 or 5, came \(wireType)")
    }
  }

  @inline(__always)
  private func skip(bytes: Int, at position: inout Int, end: Int) throws(DecodingError) -> Int {
    guard bytes <= end - position else { throw truncated(offset: position) }
    position &+= bytes
    return bytes
  }

  private func truncated(offset: Int) -> DecodingError {
    DecodingError(.truncated, offset: offset, "the message ends inside a field")
  }
}

// MARK: - Known fields

extension MessageScan {
  private typealias Field = ProtobufCFieldDescriptor

  /// The schema's field of that number.
  ///
  /// Fields come mostly in order, so the one after the last is looked at first.
  @inline(__always)
  static func find(
    _ number: UInt32, in descriptor: UnsafePointer<ProtobufCMessageDescriptor>, guess: inout Int
  ) -> UnsafePointer<ProtobufCFieldDescriptor>? {
    let count = unsafe Int(descriptor.pointee.n_fields)
    guard let fields = unsafe descriptor.pointee.fields else { return nil }
    var low = guess
    while low < min(guess &+ 3, count) {
      if unsafe fields[low].id == number {
        guess = low
        return unsafe fields + low
      }
      low &+= 1
    }
    low = 0
    var high = count
    while low < high {
      let middle = (low &+ high) / 2
      if unsafe fields[middle].id < number { low = middle &+ 1 } else { high = middle }
    }
    guard low < count, unsafe fields[low].id == number else { return nil }
    guess = low
    return unsafe fields + low
  }

  private mutating func check(
    _ field: UnsafePointer<Field>, wireType: UInt32, from first: Int, to end: Int, at offset: Int,
    depth: Int
  ) throws(DecodingError) {
    let type = unsafe field.pointee.type
    let expected = Self.wireType(of: type)
    if wireType != expected {
      let packed = unsafe wireType == 2 && field.pointee.label == PROTOBUF_C_LABEL_REPEATED
      guard packed else {
        throw unsafe DecodingError(
          .wireTypeWrong, offset: offset, field: name(of: field),
          "expected wire type \(expected), came \(wireType)")
      }
      return
    }
    if type == PROTOBUF_C_TYPE_STRING {
      unsafe try checkText(field, from: first, to: end)
    } else if type == PROTOBUF_C_TYPE_MESSAGE {
      let inner = unsafe field.pointee.descriptor.assumingMemoryBound(
        to: ProtobufCMessageDescriptor.self)
      do throws(DecodingError) {
        unsafe try scan(inner, from: first, to: end, depth: depth + 1)
      } catch {
        throw unsafe error.inside(name(of: field))
      }
    }
  }

  @inline(__always)
  private func checkText(
    _ field: UnsafePointer<Field>, from first: Int, to end: Int
  ) throws(DecodingError) {
    switch unsafe TextCheck.check(start + first, count: end - first) {
    case .valid: return
    case .notUTF8:
      throw unsafe DecodingError(
        .textNotUTF8, offset: first, field: name(of: field),
        "text must be valid UTF-8")
    case .containsNUL:
      throw unsafe DecodingError(
        .textContainsNUL, offset: first, field: name(of: field),
        "text must not contain a NUL")
    }
  }

  private func name(of field: UnsafePointer<Field>) -> String {
    unsafe field.pointee.name.map { unsafe String(cString: $0) } ?? ""
  }

  @inline(__always)
  static func wireType(of type: ProtobufCType) -> UInt32 {
    switch type {
    case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES, PROTOBUF_C_TYPE_MESSAGE: 2
    case PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT: 5
    case PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE: 1
    default: 0
    }
  }

  /// Why protobuf-c refused what the scan had passed: its memory ran out, or a required field of
  /// an older schema is missing.
  func refusal(
    of descriptor: UnsafePointer<ProtobufCMessageDescriptor>, budgetSpent: Bool
  ) -> DecodingError {
    if budgetSpent {
      return DecodingError(
        .memoryBudgetExceeded, offset: count,
        "the decoded message takes more than \(limits.maximumMemoryBytes) bytes of memory")
    }
    let name = unsafe descriptor.pointee.name.map { unsafe String(cString: $0) } ?? "message"
    return DecodingError(.malformed, offset: count, "the bytes are no \(name)")
  }
}

extension DecodingError {
  /// The same error seen from the message around: its field's name stands before the path.
  func inside(_ field: String) -> DecodingError {
    var error = self
    error.field = self.field.isEmpty ? field : field + "." + self.field
    return error
  }
}
