import Glibc

/// Bytes of a frame that is not whole yet, kept between wake-ups.
///
/// Memory grows with the bytes that have come, not with the length that the peer announced.
@safe
struct PendingInput {
  private var pointer: UnsafeMutableRawPointer?
  private(set) var capacity = 0
  private(set) var count = 0
  /// Whether a credential may be in the bytes: their memory is wiped before it is given back.
  private(set) var isSecret = false

  var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: pointer, count: count)
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    if count + bytes.count > capacity { grow(to: count + bytes.count) }
    unsafe pointer!.advanced(by: count).copyMemory(from: source, byteCount: bytes.count)
    count += bytes.count
  }

  /// Keeps `rest` alone, which may be a part of these bytes or lie elsewhere.
  mutating func replace(with rest: UnsafeRawBufferPointer) {
    guard rest.count > 0, let source = rest.baseAddress else { return removeAll() }
    if rest.count > capacity {
      var fresh = PendingInput()
      fresh.isSecret = isSecret
      unsafe fresh.append(rest)
      removeAll()
      self = fresh
    } else {
      unsafe memmove(pointer!, source, rest.count)
      count = rest.count
    }
  }

  /// From now on a credential may come.
  mutating func beginSecret() {
    isSecret = true
  }

  /// The credential was read; what is here is a copy of what was read.
  mutating func endSecret() {
    if isSecret { unsafe wipe(pointer, bytes: capacity) }
    isSecret = false
  }

  mutating func removeAll() {
    if isSecret { unsafe wipe(pointer, bytes: capacity) }
    unsafe pointer?.deallocate()
    unsafe pointer = nil
    capacity = 0
    count = 0
  }

  private mutating func grow(to needed: Int) {
    // The first piece gets what it needs: thousands of connections may each hold a few bytes.
    let larger = capacity == 0 ? needed : max(needed, capacity * 2)
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
    if let old = unsafe pointer {
      unsafe fresh.copyMemory(from: old, byteCount: count)
      if isSecret { unsafe wipe(old, bytes: capacity) }
      unsafe old.deallocate()
    }
    unsafe pointer = fresh
    capacity = larger
  }
}
