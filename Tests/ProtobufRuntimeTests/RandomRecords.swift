import CProtobufC

@testable import ProtobufRuntime

// In a second module that imports the header, the compiler finds its types but not these constants.

extension ProtobufCType {
  fileprivate static let float = ProtobufCType(rawValue: 10)
  fileprivate static let double = ProtobufCType(rawValue: 11)
  fileprivate static let string = ProtobufCType(rawValue: 14)
  fileprivate static let bytes = ProtobufCType(rawValue: 15)
  fileprivate static let message = ProtobufCType(rawValue: 16)
}

extension ProtobufCLabel {
  fileprivate static let optional = ProtobufCLabel(rawValue: 1)
  fileprivate static let repeated = ProtobufCLabel(rawValue: 2)
}

/// Fills the records of any message type from its C table: with defaults, extremes and the rest.
@safe
struct RandomRecords {
  typealias Descriptor = UnsafePointer<ProtobufCMessageDescriptor>

  private var generator: Generator
  private let arena: Arena

  init(seed: UInt64, in arena: Arena) {
    generator = Generator(state: seed)
    self.arena = arena
  }

  /// Numbers that are the same for the same seed (Steele, Lea, Flood: SplitMix64).
  struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var value = state
      value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
      value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
      return value ^ value >> 31
    }
  }

  /// The types that a message type's fields name, with itself.
  static func reachable(from root: Descriptor, into known: inout [Descriptor]) {
    guard unsafe !known.contains(root) else { return }
    unsafe known.append(root)
    for index in unsafe 0..<Int(root.pointee.n_fields) {
      let field = unsafe root.pointee.fields[index]
      guard unsafe field.type == ProtobufCType.message, let inner = unsafe field.descriptor
      else { continue }
      unsafe reachable(
        from: inner.assumingMemoryBound(to: ProtobufCMessageDescriptor.self), into: &known)
    }
  }

  /// A record in which a field keeps its default with a chance of one in `sparseness`.
  mutating func make(
    _ descriptor: Descriptor, sparseness: Int, depth: Int = 0
  ) -> MessageReference {
    let record = unsafe arena.state.pointee.allocate(bytes: descriptor.pointee.sizeof_message)
    unsafe descriptor.pointee.message_init(record.assumingMemoryBound(to: ProtobufCMessage.self))
    for index in unsafe 0..<Int(descriptor.pointee.n_fields)
    where Int.random(in: 0..<sparseness, using: &generator) > 0 {
      unsafe fill(descriptor.pointee.fields[index], of: record, depth: depth)
    }
    return unsafe MessageReference(pointer: record, arena: arena.state)
  }

  private mutating func fill(
    _ field: ProtobufCFieldDescriptor, of record: UnsafeMutableRawPointer, depth: Int
  ) {
    let member = unsafe record + Int(field.offset)
    let quantifier = unsafe record + Int(field.quantifier_offset)
    if unsafe field.label == ProtobufCLabel.repeated {
      let isFlat = unsafe field.type != ProtobufCType.message
      let isNumber = unsafe isFlat && MessageScan.wireType(of: field.type) != 2
      let counts = isNumber ? [0, 1, 2, 5, 13, 127, 130, 2000] : [0, 1, 3]
      let count = counts.randomElement(using: &generator) ?? 0
      guard count > 0, isFlat || depth < 3 else { return }
      let stride = unsafe DirectEncoding.stride(of: field.type)
      let list = unsafe arena.state.pointee.allocate(bytes: count * stride)
      for index in 0..<count {
        unsafe set(field, at: list + index * stride, isElement: true, depth: depth)
      }
      unsafe member.storeBytes(of: list, as: UnsafeMutableRawPointer.self)
      unsafe quantifier.storeBytes(of: count, as: Int.self)
      return
    }
    unsafe set(field, at: member, isElement: false, depth: depth)
    if unsafe field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue != 0 {
      unsafe quantifier.storeBytes(of: field.id, as: UInt32.self)
    } else if unsafe field.label == ProtobufCLabel.optional, field.quantifier_offset > 0 {
      unsafe quantifier.storeBytes(of: 1, as: protobuf_c_boolean.self)
    }
  }

  private mutating func set(
    _ field: ProtobufCFieldDescriptor, at member: UnsafeMutableRawPointer, isElement: Bool,
    depth: Int
  ) {
    switch unsafe field.type {
    case ProtobufCType.string:
      let isAbsent = !isElement && Int.random(in: 0..<5, using: &generator) == 0
      let text = unsafe isAbsent ? nil : bytes(terminated: true).start
      unsafe member.storeBytes(of: text, as: UnsafeMutablePointer<UInt8>?.self)
    case ProtobufCType.bytes:
      let made = unsafe bytes(terminated: false)
      unsafe member.storeBytes(
        of: ProtobufCBinaryData(len: made.count, data: made.start), as: ProtobufCBinaryData.self)
    case ProtobufCType.message:
      guard isElement || depth < 3, let inner = unsafe field.descriptor else { return }
      let sparseness = [1, 2, 9].randomElement(using: &generator) ?? 1
      let made = unsafe make(
        inner.assumingMemoryBound(to: ProtobufCMessageDescriptor.self), sparseness: sparseness,
        depth: depth + 1)
      unsafe member.storeBytes(of: made.pointer, as: UnsafeMutableRawPointer.self)
    case ProtobufCType.float:
      let values: [Float] = [0, -0.0, 1.5, .nan, -.infinity, .leastNonzeroMagnitude]
      unsafe member.storeBytes(of: values.randomElement(using: &generator) ?? 0, as: Float.self)
    case ProtobufCType.double:
      let values: [Double] = [0, -0.0, 1.5, .nan, -.infinity, .leastNonzeroMagnitude]
      unsafe member.storeBytes(of: values.randomElement(using: &generator) ?? 0, as: Double.self)
    case let type where DirectEncoding.stride(of: type) == 8:
      unsafe member.storeBytes(of: number(), as: UInt64.self)
    default:
      unsafe member.storeBytes(of: UInt32(truncatingIfNeeded: number()), as: UInt32.self)
    }
  }

  /// 0, values around a varint's steps, negative ones, and any.
  private mutating func number() -> UInt64 {
    let steps = (0..<10).flatMap { step in
      let first: UInt64 = 1 << UInt64(7 * step)
      return [first &- 1, first]
    }
    let extremes: [UInt64] = [.max, 1 << 63, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 0]
    let isAny = Int.random(in: 0..<4, using: &generator) == 0
    return isAny
      ? generator.next() : (steps + extremes).randomElement(using: &generator) ?? 0
  }

  private mutating func bytes(
    terminated: Bool
  ) -> (start: UnsafeMutablePointer<UInt8>, count: Int) {
    let counts = [0, 1, 7, 8, 9, 36, 126, 127, 128, 300, 20_000]
    // Long ones are rare: they make every other test slow.
    let index = min(
      Int.random(in: 0..<counts.count, using: &generator),
      Int.random(in: 0..<counts.count, using: &generator))
    let count = counts[index]
    let start = unsafe arena.state.pointee.allocate(bytes: count + 1)
      .assumingMemoryBound(to: UInt8.self)
    for position in 0..<count {
      unsafe start[position] = UInt8.random(in: (terminated ? 1 : 0)...255, using: &generator)
    }
    return unsafe (start, count)
  }
}
