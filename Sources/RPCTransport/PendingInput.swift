import Glibc

/// Bytes of a frame that is not whole yet, kept between wake-ups.
///
/// Memory grows with the bytes that have come, not with the length that the peer announced.
@safe
struct PendingInput {
  private var pointer: UnsafeMutableRawPointer?
  private(set) var capacity = 0
  /// Bytes in front of those that are kept: they are done with.
  private var start = 0
  private(set) var count = 0

  /// Memory above this is given back once less than a quarter of it is used.
  static let keptCapacity = 64 << 10

  var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: pointer.map { unsafe $0 + start }, count: count)
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    if start + count + bytes.count > capacity { makeRoom(for: count + bytes.count) }
    unsafe (pointer! + start + count).copyMemory(from: source, byteCount: bytes.count)
    count += bytes.count
  }

  /// The first `used` bytes are done with.
  mutating func removeFirst(_ used: Int) {
    if used == count { return removeAll() }
    start += used
    count -= used
    if capacity > Self.keptCapacity && count < capacity / 4 { reallocate(capacity: count) }
  }

  /// Keeps `rest` alone, which may be a part of these bytes or lie elsewhere.
  mutating func replace(with rest: UnsafeRawBufferPointer) {
    guard rest.count > 0, let source = rest.baseAddress else { return removeAll() }
    if rest.count > capacity || capacity > max(Self.keptCapacity, rest.count * 4) {
      var fresh = PendingInput()
      unsafe fresh.append(rest)
      removeAll()
      self = fresh
    } else {
      unsafe memmove(pointer!, source, rest.count)
      start = 0
      count = rest.count
    }
  }

  mutating func removeAll() {
    unsafe pointer?.deallocate()
    unsafe pointer = nil
    capacity = 0
    start = 0
    count = 0
  }

  private mutating func makeRoom(for needed: Int) {
    if needed <= capacity && start >= capacity / 2 {
      unsafe pointer!.copyMemory(from: pointer! + start, byteCount: count)
      start = 0
    } else {
      // The first piece gets what it needs: thousands of connections may each hold a few bytes.
      reallocate(capacity: capacity == 0 ? needed : max(needed, capacity * 2))
    }
  }

  private mutating func reallocate(capacity wanted: Int) {
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
    if let old = unsafe pointer {
      unsafe fresh.copyMemory(from: old + start, byteCount: count)
      unsafe old.deallocate()
    }
    unsafe pointer = fresh
    capacity = wanted
    start = 0
  }
}
