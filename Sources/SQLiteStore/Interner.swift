/// Numbers by text, found without making a string.
///
/// An open-addressing table over one pool of bytes; keys are a scope (an integration, or 0) and a
/// text. It only grows; its owner bounds it with `removeAll`.
struct Interner {
  private struct Slot {
    var hash: UInt64 = 0
    var scope: Int64 = 0
    var value: Int64 = 0
    var offset: UInt32 = 0
    var length: UInt32 = .max
    var isEmpty: Bool { length == .max }
  }

  private var slots = [Slot](repeating: Slot(), count: 64)
  private var pool: [UInt8] = []
  private(set) var count = 0

  /// The number of a text; nil when it is not there.
  func value(_ text: UnsafeRawBufferPointer, scope: Int64) -> Int64? {
    let hash = unsafe Hashing.hash(text, seed: UInt64(bitPattern: scope))
    let slot = unsafe slots[place(text, scope: scope, hash: hash)]
    return slot.isEmpty ? nil : slot.value
  }

  /// Sets the number of a text.
  mutating func insert(_ text: UnsafeRawBufferPointer, scope: Int64, value: Int64) {
    if count * 2 >= slots.count { grow() }
    let hash = unsafe Hashing.hash(text, seed: UInt64(bitPattern: scope))
    let index = unsafe place(text, scope: scope, hash: hash)
    if slots[index].isEmpty {
      count += 1
      slots[index] = Slot(
        hash: hash, scope: scope, value: value, offset: UInt32(pool.count),
        length: UInt32(text.count))
      unsafe pool.append(contentsOf: text)
    } else {
      slots[index].value = value
    }
  }

  /// Sets the number of a text.
  mutating func insert(_ text: String, scope: Int64, value: Int64) {
    var copy = text
    copy.withUTF8 { unsafe insert(UnsafeRawBufferPointer($0), scope: scope, value: value) }
  }

  /// The number of a text; nil when it is not there.
  func value(_ text: String, scope: Int64) -> Int64? {
    var copy = text
    return copy.withUTF8 { unsafe value(UnsafeRawBufferPointer($0), scope: scope) }
  }

  mutating func removeAll() { self = Interner() }

  /// Where a text stands, or the empty slot where it would.
  private func place(_ text: UnsafeRawBufferPointer, scope: Int64, hash: UInt64) -> Int {
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: hash) & mask
    while !slots[index].isEmpty {
      if slots[index].hash == hash, slots[index].scope == scope, unsafe equals(slots[index], text) {
        return index
      }
      index = (index + 1) & mask
    }
    return index
  }

  private func equals(_ slot: Slot, _ text: UnsafeRawBufferPointer) -> Bool {
    guard Int(slot.length) == text.count else { return false }
    let start = Int(slot.offset)
    for position in 0..<text.count where unsafe pool[start + position] != text[position] {
      return false
    }
    return true
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Slot(), count: old.count * 2)
    let mask = slots.count - 1
    for slot in old where !slot.isEmpty {
      var index = Int(truncatingIfNeeded: slot.hash) & mask
      while !slots[index].isEmpty { index = (index + 1) & mask }
      slots[index] = slot
    }
  }
}

/// A fixed hash of bytes; it is stored in the entity index, so it never changes.
enum Hashing {
  static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    var state = mix(seed ^ 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count))
    var position = 0
    while position + 8 <= bytes.count {
      let word = unsafe UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      state = mix(state ^ word)
      position += 8
    }
    var rest: UInt64 = 0
    while position < bytes.count {
      rest = rest << 8 | UInt64(unsafe bytes[position])
      position += 1
    }
    return mix(state ^ rest)
  }

  /// The finalizer of SplitMix64: every input bit reaches every output bit.
  static func mix(_ value: UInt64) -> UInt64 {
    var bits = value &+ 0x9e37_79b9_7f4a_7c15
    bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
    return bits ^ (bits >> 31)
  }
}
